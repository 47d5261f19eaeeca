import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import type { RuleCall } from '../call.ts';
import { numbers, scalarLike } from '../pieces.ts';
import { isNoop } from './reduced.ts';

/**
 * d prod / dx_i, the product of the other elements, without a division by zero, right in value and in its own derivative: zeros are taken
 * out of the product, and where they stood stands their sum z (0 in value, x_i in derivative).
 */
export function productSlopes(call: RuleCall, x: Value): Value {
  if (isNoop(call)) return op.add(op.mul(x, scalarLike(x, 0)), scalarLike(x, 1));
  const [nothing, one, two] = [scalarLike(x, 0), scalarLike(x, 1), scalarLike(x, 2)];
  const options = { keepdims: 1, noopWithEmptyAxes: call.int('noop_with_empty_axes', 0) };
  const zero = op.equal(x, nothing);
  const filled = op.where(zero, one, x);
  const others = op.div(op.reduceProd(filled, call.maybe(1), options), filled);
  const count = op.reduceSum(numbers(zero, x), call.maybe(1), options);
  const z = op.reduceSum(op.where(zero, x, nothing), call.maybe(1), options);
  const alone = op.equal(count, one);
  const atZero = op.where(alone, one, op.where(op.equal(count, two), op.sub(z, x), nothing));
  const elsewhere = op.where(op.equal(count, nothing), one, op.where(alone, z, nothing));
  return op.mul(others, op.where(zero, atZero, elsewhere));
}
