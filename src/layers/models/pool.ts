import { as, ints, scalar } from '../../../ops/precision.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { layer, type Module } from '../module.ts';

/** The mean over time of x [batch, time, features], of the tokens alone that the mask [batch, time] has: sentence embeddings. [batch, features]. */
export function meanPool(module: Module, x: Value, mask?: Value): Value {
  return layer(meanPool, module, 'mean', () => {
    module.rank(x, [3], '[batch, time, features]');
    if (mask === undefined) return op.reduceMean(x, ints(1), { keepdims: false });
    const real = op.cast(mask, { to: module.dtype });
    const count = op.max([op.reduceSum(real, ints(1), { keepdims: true }), scalar(1, module.dtype)]);
    const row = op.unsqueeze(real, ints(1));
    const sum = op.squeeze(op.matMul(row, x), ints(1));
    return as(op.div(sum, count), module.dtype);
  });
}
