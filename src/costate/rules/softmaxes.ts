import { toNumbers } from '../../files/tensor.ts';
import * as op from '../../graph/op.ts';
import { constantTensor } from '../../graph/passes/constants.ts';
import type { Value } from '../../graph/value.ts';
import { type Rule, unary, zero } from '../call.ts';
import { ints, scalarLike, sumOver, zerosLike } from '../pieces.ts';

/** Softmax and its relatives: by the output alone, so that an entry of -inf, which a mask makes, gives 0 and not NaN. */
export const softmaxRules: Readonly<Record<string, Rule>> = {
  Softmax: unary('y (g - sum g y)', (g, x, y, call) => {
    if (x.shape?.length === 0) return zerosLike(x);
    const axis = call.int('axis', -1);
    const known = withoutReplacedRows(g, y, axis);
    const sum = sumOver(op.mul(g, known), ints(axis), true);
    return op.mul(op.sub(g, sum), known);
  }),
  LogSoftmax: unary('g - exp(y) sum g', (g, x, y, call) => {
    if (x.shape?.length === 0) return zerosLike(x);
    const sum = sumOver(g, ints(call.int('axis', -1)), true);
    return op.sub(g, op.mul(op.exp(y), sum));
  }),
  Hardmax: zero('0'),
};

/**
 * A row that is masked whole is NaN. Where the network puts zeros in its place (attention as PyTorch exports it, and the body of Attention)
 * g is zero there, and the row's own co-state must not be 0 * NaN: zeros are put in y, as the network has it already.
 */
function withoutReplacedRows(g: Value, y: Value, axis: number): Value {
  const narrow = inputsOf(g, 'Cast')[0] ?? g;
  const [condition, yes, no] = inputsOf(narrow, 'Where');
  if (condition === undefined) return y;
  const fromEnd = axis < 0 ? axis : axis - (y.shape?.length ?? 0);
  const byRow = y.shape !== undefined && condition.shape !== undefined && (condition.shape.at(fromEnd) ?? 1) === 1;
  const byNaN = inputsOf(condition, 'IsNaN').length > 0;
  if (!byRow && !byNaN) return y;
  const nothing = scalarLike(y, 0);
  if (isZero(yes)) return op.where(condition, nothing, y);
  return byRow && isZero(no) ? op.where(condition, y, nothing) : y;
}

function isZero(value: Value | undefined): boolean {
  const tensor = constantTensor(value);
  return tensor?.shape.length === 0 && tensor.dtype !== 'string' && toNumbers(tensor)[0] === 0;
}

function inputsOf({ source }: Value, opType: string): readonly (Value | undefined)[] {
  return source.kind === 'output' && source.node.opType === opType && source.node.domain === ''
    ? source.node.inputs
    : [];
}
