import { as, ints, scalar } from '../../../ops/precision.ts';
import { fromNumbers } from '../../files/tensor.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { layer, type Module } from '../module.ts';

export const tokenPools = ['mean', 'mean-sqrt', 'weighted-mean', 'max', 'first', 'last'] as const;
export type TokenPool = (typeof tokenPools)[number];

/** The mean over time of x [batch, time, features], of the tokens alone that the mask [batch, time] has: sentence embeddings. [batch, features]. */
export function meanPool(module: Module, x: Value, mask?: Value): Value {
  return layer(meanPool, module, 'mean', () => {
    module.rank(x, [3], '[batch, time, features]');
    if (mask === undefined) return op.reduceMean(x, ints(1), { keepdims: false });
    const real = op.cast(mask, { to: module.dtype });
    const count = op.max([op.reduceSum(real, ints(1), { keepdims: true }), scalar(1, module.dtype)]);
    return as(op.div(weighted(real, x), count), module.dtype);
  });
}

/**
 * One vector for the tokens of x [batch, time, features] that the mask [batch, time] has, [batch, features]: their mean; their sum over the root of
 * how many they are; their mean weighted by 1, 2, 3, ...; the greatest of each feature; the first; the last.
 */
export function tokenPool(module: Module, x: Value, pool: TokenPool, mask?: Value): Value {
  if (pool === 'mean') return meanPool(module, x, mask);
  return layer(tokenPool, module, 'token pool', () => {
    module.rank(x, [3], '[batch, time, features]');
    if (pool === 'first') return op.gather(x, scalar(0, 'int64'), { axis: 1 });
    const { dtype } = module;
    const real = op.cast(mask ?? allOf(x), { to: dtype });
    if (pool === 'max') {
      // As sentence-transformers does: what is no token counts as -1e9, or the least number that float16 holds.
      const least = scalar(dtype === 'float16' ? -65_504 : -1e9, dtype);
      const isReal = op.cast(op.unsqueeze(real, ints(2)), { to: 'bool' });
      return op.reduceMax(op.where(isReal, x, least), ints(1), { keepdims: false });
    }
    const places = op.mul(op.cumSum(allOf(x), scalar(1, 'int64')), op.cast(real, { to: 'int64' }));
    if (pool === 'last') {
      const last = op.equal(places, op.reduceMax(places, ints(1), { keepdims: true }));
      return weighted(op.mul(op.cast(last, { to: dtype }), real), x);
    }
    const weights = pool === 'mean-sqrt' ? real : op.cast(places, { to: dtype });
    const total = op.max([op.reduceSum(weights, ints(1), { keepdims: true }), scalar(1, dtype)]);
    return op.div(weighted(weights, x), pool === 'mean-sqrt' ? op.sqrt(total) : total);
  });
}

/** Vectors x [.., features] of length 1; those shorter than `eps` (default 1e-12) are divided by it, as F.normalize does. */
export function unitVectors(module: Module, x: Value, eps = 1e-12): Value {
  return layer(unitVectors, module, 'unit vectors', () => {
    const length = op.reduceL2(x, ints(-1), { keepdims: true });
    return op.div(x, op.max([length, scalar(eps, module.dtype)]));
  });
}

/** The sum of x [batch, time, features] over time, weighted by [batch, time]. */
function weighted(weights: Value, x: Value): Value {
  return op.squeeze(op.matMul(op.unsqueeze(weights, ints(1)), x), ints(1));
}

/** int64 ones [batch, time]. */
function allOf(x: Value): Value {
  return op.constantOfShape(op.shape(x, { start: 0, end: 2 }), { value: fromNumbers('int64', [1], [1]) });
}
