import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import type { RuleCall } from '../call.ts';
import { numbers, scalarLike } from '../pieces.ts';
import { isNoop, summedAlike } from './reduced.ts';

/**
 * g times the product of the other elements, right with zeros, and so its own derivative. Where x is not 0 that is y / x, and stays it nearby.
 * Where x is 0 it is the product p of those that are not, times the other zeros: with none 1, with one that zero itself (0 in value, 1 in
 * derivative; the sum of the zeros without x), with more 0 up to the second derivative of y.
 */
export function productBar(call: RuleCall, g: Value, x: Value, y: Value): Value {
  if (isNoop(call)) return g;
  const [none, one, two] = [scalarLike(x, 0), scalarLike(x, 1), scalarLike(x, 2)];
  const isZero = op.equal(x, none);
  const filled = op.where(isZero, one, x);
  const p = op.reduceProd(filled, call.maybe(1), {
    keepdims: 1,
    noopWithEmptyAxes: call.int('noop_with_empty_axes', 0),
  });
  const zeros = summedAlike(call, op.where(isZero, x, none));
  const count = summedAlike(call, numbers(isZero, x));
  const others = op.where(op.equal(count, two), op.sub(zeros, x), none);
  const atZero = op.mul(p, op.where(op.equal(count, one), one, others));
  return op.mul(g, op.where(isZero, atZero, op.div(y, filled)));
}
