import * as op from '../../graph/op.ts';
import { type Rule, unary, zero } from '../call.ts';
import { ints, sumOver, zerosLike } from '../pieces.ts';

/** Softmax and its relatives: by the output alone, so that an entry of -inf, which a mask makes, gives 0 and not NaN. */
export const softmaxRules: Readonly<Record<string, Rule>> = {
  Softmax: unary('y (g - sum g y)', (g, x, y, call) => {
    if (x.shape?.length === 0) return zerosLike(x);
    const sum = sumOver(op.mul(g, y), ints(call.int('axis', -1)), true);
    return op.mul(op.sub(g, sum), y);
  }),
  LogSoftmax: unary('g - exp(y) sum g', (g, x, y, call) => {
    if (x.shape?.length === 0) return zerosLike(x);
    const sum = sumOver(g, ints(call.int('axis', -1)), true);
    return op.sub(g, op.mul(op.exp(y), sum));
  }),
  Hardmax: zero('0'),
};
