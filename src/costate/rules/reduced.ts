import * as op from '../../graph/op.ts';
import { constantIntegers } from '../../graph/passes/constants.ts';
import type { Value } from '../../graph/value.ts';
import { fromFront, type RuleCall } from '../call.ts';
import { cast, int, ints, isHalf, scalarLike, shapeOf, sizeOf } from '../pieces.ts';

/** What rules of reductions share: which axes are gone, and how to have them back. */

/** Whether the call reduces nothing: no axes and noop_with_empty_axes. */
export function isNoop(call: RuleCall): boolean {
  return call.int('noop_with_empty_axes', 0) !== 0 && hasNoAxes(call);
}

function hasNoAxes(call: RuleCall): boolean {
  const axes = call.maybe(1);
  return axes === undefined || axes.shape?.[0] === 0;
}

/** The axes counted from the front, in order: all of them where the call names none; undefined where they are not known. */
function knownAxes(call: RuleCall): readonly number[] | undefined {
  const rank = call.x(0).shape?.length;
  if (rank === undefined) return undefined;
  if (hasNoAxes(call)) return Array.from({ length: rank }, (_, axis) => axis);
  return constantIntegers(call.maybe(1))
    ?.map((axis) => fromFront(axis, rank))
    .toSorted((a, b) => a - b);
}

/** A value of the output's shape as it broadcasts against the input: with the reduced axes back as ones where they are needed. */
export function kept(call: RuleCall, value: Value): Value {
  // One number broadcasts as it is.
  if (call.int('keepdims', 1) !== 0 || isNoop(call) || hasNoAxes(call)) return value;
  // So does what has lost its first axes only.
  if (knownAxes(call)?.every((axis, index) => axis === index)) return value;
  const axes = call.x(1);
  if (typeof axes.shape?.[0] === 'number') return op.unsqueeze(value, axes);
  // How many axes, and whether any, is seen at run time: sizes of the input with ones at the axes.
  const sizes = op.shape(call.x(0));
  const count = op.shape(sizes);
  const none = op.equal(op.size(axes), int(0));
  const all = op.expand(ints(1), count);
  const ones = op.scatterElements(sizes, positive(axes, call.x(0)), op.expand(ints(1), op.shape(axes)));
  const noop = call.int('noop_with_empty_axes', 0) !== 0;
  return op.reshape(value, op.where(none, noop ? sizes : all, ones), { allowzero: 1 });
}

/** Axes counted from the front. */
function positive(axes: Value, x: Value): Value {
  const rank = x.shape?.length;
  const count = rank === undefined ? op.shape(op.shape(x)) : ints(rank);
  return op.where(op.less(axes, ints(0)), op.add(axes, count), axes);
}

/** How many elements each result was made from: a number where it is known, otherwise one number of type int64. */
export function counted(call: RuleCall): number | Value {
  if (isNoop(call)) return 1;
  const x = call.x(0);
  const axes = knownAxes(call);
  const dims = axes?.map((axis) => x.shape?.[axis]);
  if (dims?.every((dim) => typeof dim === 'number')) return dims.reduce((product, dim) => product * Number(dim), 1);
  if (hasNoAxes(call)) return op.size(x);
  const [first, last] = [axes?.[0], axes?.at(-1)];
  if (axes !== undefined && first !== undefined && last !== undefined && last - first === axes.length - 1) {
    if (first === last) return sizeOf(x, first);
    return op.reduceProd(op.shape(x, { start: first, end: last + 1 }), undefined, { keepdims: 0 });
  }
  const given = call.x(1);
  const own = op.reduceProd(op.gather(shapeOf(x), given), undefined, { keepdims: 0 });
  if (typeof given.shape?.[0] === 'number') return own;
  const none = op.equal(op.size(given), int(0));
  return op.where(none, call.int('noop_with_empty_axes', 0) === 0 ? op.size(x) : int(1), own);
}

/** The sum over the call's axes, kept as ones. */
export function summedAlike(call: RuleCall, value: Value): Value {
  return isNoop(call)
    ? value
    : op.reduceSum(value, call.maybe(1), { keepdims: 1, noopWithEmptyAxes: call.int('noop_with_empty_axes', 0) });
}

/** a / count, made in float32 for half precision, which holds no count beyond 2048 exactly. */
export function dividedBy(a: Value, count: number | Value): Value {
  const dtype = a.dtype ?? 'float32';
  if (!isHalf(a))
    return typeof count === 'number' ? op.mul(a, scalarLike(a, 1 / count)) : op.div(a, cast(count, dtype));
  const wide = cast(a, 'float32');
  return cast(op.div(wide, typeof count === 'number' ? scalarLike(wide, count) : cast(count, 'float32')), dtype);
}
