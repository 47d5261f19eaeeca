import * as op from '../../graph/op.ts';
import { constantIntegers } from '../../graph/passes/constants.ts';
import type { Value } from '../../graph/value.ts';
import { fromFront, type RuleCall } from '../call.ts';
import { cast, ints, shapeOf } from '../pieces.ts';

/** What rules of reductions share: which axes are gone, and how to have them back. */

/** Whether the call reduces nothing: no axes and noop_with_empty_axes. */
export function isNoop(call: RuleCall): boolean {
  if (call.int('noop_with_empty_axes', 0) === 0) return false;
  const axes = call.maybe(1);
  return axes === undefined || axes.shape?.[0] === 0;
}

/** A value of the output's shape with the reduced axes back as ones, so that it broadcasts against the input. */
export function kept(call: RuleCall, value: Value): Value {
  if (call.int('keepdims', 1) !== 0 || isNoop(call)) return value;
  const axes = call.maybe(1);
  if (axes === undefined || axes.shape?.[0] === 0) return onlyOnes(call, value);
  if (typeof axes.shape?.[0] === 'number') return op.unsqueeze(value, axes);
  // How many axes, and whether any, is seen at run time: sizes of the input with ones at the axes.
  const sizes = op.shape(call.x(0));
  const count = op.shape(sizes);
  const none = op.equal(op.size(axes), op.constant({ valueInt: 0 }));
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

function onlyOnes(call: RuleCall, value: Value): Value {
  const rank = call.x(0).shape?.length;
  if (rank === 0) return value;
  if (rank !== undefined) return op.reshape(value, ints(...new Array<number>(rank).fill(1)));
  return op.reshape(value, op.expand(ints(1), op.shape(op.shape(call.x(0)))));
}

/** How many elements each result was made from: a number where it is known, otherwise a scalar of the co-state's type. */
export function counted(call: RuleCall): number | Value {
  const x = call.x(0);
  const dtype = call.g().dtype ?? 'float32';
  if (isNoop(call)) return 1;
  const given = call.maybe(1);
  const axes = constantIntegers(given);
  const rank = x.shape?.length;
  const every = given === undefined || given.shape?.[0] === 0;
  if (rank !== undefined && (every || axes !== undefined)) {
    const dims = every ? x.shape : axes?.map((axis) => x.shape?.[fromFront(axis, rank)]);
    if (dims?.every((dim) => typeof dim === 'number')) return dims.reduce((product, dim) => product * Number(dim), 1);
  }
  if (every) return cast(op.size(x), dtype);
  const sizes = shapeOf(x);
  const own = cast(op.reduceProd(op.gather(sizes, given), undefined, { keepdims: 0 }), dtype);
  if (typeof given.shape?.[0] === 'number') return own;
  const none = op.equal(op.size(given), op.constant({ valueInt: 0 }));
  const otherwise = call.int('noop_with_empty_axes', 0) === 0 ? cast(op.size(x), dtype) : cast(ints(1), dtype);
  return op.where(none, op.reshape(otherwise, op.constant({ valueInts: [] })), own);
}
