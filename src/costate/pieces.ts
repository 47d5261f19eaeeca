import type { DType } from '../files/dtype.ts';
import { fromNumbers } from '../files/tensor.ts';
import { constant } from '../graph/make.ts';
import * as op from '../graph/op.ts';
import type { Dim } from '../graph/type.ts';
import type { Value } from '../graph/value.ts';
import { costateType } from './quantized.ts';

/** What co-state rules are written with, beside the operators themselves. */

/** A scalar of the element type of `like`. */
export function scalarLike(like: Value, value: number): Value {
  return constant(fromNumbers(like.dtype ?? 'float32', [], [value]));
}

/** A constant tensor of the element type of `like`. */
export function tensorLike(like: Value, shape: readonly number[], values: readonly number[]): Value {
  return constant(fromNumbers(like.dtype ?? 'float32', shape, values));
}

/** A vector of int64: axes, sizes, pads. */
export function ints(...values: readonly number[]): Value {
  return constant(fromNumbers('int64', [values.length], values));
}

/** A scalar of int64. */
export function int(value: number): Value {
  return constant(fromNumbers('int64', [], [value]));
}

/** x as that element type; x itself where it has it already. */
export function cast(x: Value, dtype: DType): Value {
  return x.dtype === dtype ? x : op.cast(x, { to: dtype });
}

/** A boolean or integer mask as numbers of the element type of `like`. */
export function numbers(mask: Value, like: Value): Value {
  return cast(mask, like.dtype ?? 'float32');
}

/** The shape of x as a vector: a constant where it is known. */
export function shapeOf(x: Value): Value {
  return knownSizes(x.shape) ? ints(...x.shape) : op.shape(x);
}

export function knownSizes(shape: readonly Dim[] | undefined): shape is readonly number[] {
  return shape?.every((dim) => typeof dim === 'number') === true;
}

/** Size of axis `axis` (from the front) of x as a vector of one number. */
export function sizeOf(x: Value, axis: number): Value {
  const dim = x.shape?.[axis];
  return typeof dim === 'number' ? ints(dim) : op.shape(x, { start: axis, end: axis + 1 });
}

/** A tensor full of one number, of the shape of `like` and the element type that its co-state has: its own, but for quantised numbers. */
export function fullLike(like: Value, value: number): Value {
  return full(shapeOf(like), value, costateType(like));
}

export function zerosLike(like: Value): Value {
  return fullLike(like, 0);
}

export function full(shape: Value, value: number, dtype: DType): Value {
  return op.constantOfShape(shape, { value: fromNumbers(dtype, [1], [value]) });
}

/** So many parts of one size along an axis; the size is told where it is known, as onnxruntime-web on WebGPU cannot find it. */
export function evenParts(x: Value, axis: number, count: number): readonly Value[] {
  const size = x.shape?.at(axis);
  return typeof size === 'number'
    ? op.split(x, ints(...new Array<number>(count).fill(size / count)), { axis })
    : op.split(x, undefined, { axis, numOutputs: count });
}

/** Broadcast to the shape of `like`; without a node where it has it already. */
export function expandTo(x: Value, like: Value): Value {
  return sameShape(x, like) ? x : op.expand(x, shapeOf(like));
}

/** Reshaped to the shape of `like`; without a node where it has it already. */
export function reshapeTo(x: Value, like: Value): Value {
  if (sameShape(x, like)) return x;
  const copied = like.shape?.map((dim, axis) => (typeof dim === 'string' && dim === x.shape?.[axis] ? 0 : dim));
  // 0 is the size that is there already, so that nothing asks for it.
  if (knownSizes(copied) && like.shape?.includes(0) === false) return op.reshape(x, ints(...copied));
  return op.reshape(x, layoutOf(like), { allowzero: 1 });
}

/** The shape of x for a Reshape of as many elements: -1 stands for the only size that is not known. */
export function layoutOf(x: Value): Value {
  const open = x.shape?.filter((dim) => typeof dim !== 'number').length;
  return open === 1 && x.shape?.includes(0) === false
    ? ints(...x.shape.map((dim) => (typeof dim === 'number' ? dim : -1)))
    : shapeOf(x);
}

/** Whether two values are known to have the same shape. */
export function sameShape(a: Value, b: Value): boolean {
  const [one, other] = [a.shape, b.shape];
  if (one === undefined || other === undefined || one.length !== other.length) return false;
  return one.every((dim, axis) => dim !== undefined && dim === other[axis]);
}

/** Whether a value is known to hold one number only. */
export function isSingle(x: Value): boolean {
  return x.shape?.every((dim) => dim === 1) === true;
}

/** The last two axes swapped. `rank` as the caller knows it. */
export function transposed(x: Value, rank: number): Value {
  return op.transpose(x, { perm: swapAxes(rank, rank - 1, rank - 2) });
}

/** The order of axes with two of them swapped. */
export function swapAxes(rank: number, a: number, b: number): number[] {
  const perm = Array.from({ length: rank }, (_, axis) => axis);
  perm[a] = b;
  perm[b] = a;
  return perm;
}

/** Whether sums over it should be made in float32. */
export function isHalf(x: Value): boolean {
  return x.dtype === 'float16' || x.dtype === 'bfloat16';
}

/** The sum over axes, as PyTorch makes it: half precision is accumulated in float32. No axes: over all of them. */
export function sumOver(x: Value, axes: Value | undefined, keepdims: boolean): Value {
  const attributes = { keepdims: keepdims ? 1 : 0 };
  const wide = isHalf(x) ? op.cast(x, { to: 'float32' }) : x;
  const sum = op.reduceSum(wide, axes, attributes);
  return isHalf(x) ? cast(sum, x.dtype ?? 'float32') : sum;
}

/** The sum of co-states in a balanced tree; undefined for none. */
export function balancedSum(terms: readonly Value[]): Value | undefined {
  if (terms.length <= 2) {
    const [a, b] = terms;
    return a === undefined || b === undefined ? a : op.add(a, b);
  }
  const half = terms.length >> 1;
  const [left, right] = [balancedSum(terms.slice(0, half)), balancedSum(terms.slice(half))];
  return left === undefined || right === undefined ? (left ?? right) : op.add(left, right);
}
