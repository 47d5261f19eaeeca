import { ints } from '../../../ops/precision.ts';
import { productOf } from '../../graph/dim.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import { type Size, Sym } from '../lower/item.ts';
import { axisOf, rankOf } from '../lower/sizes.ts';

/** The axes of a reduction, counted from the front; undefined for all of them: None and, where PyTorch takes it so, an empty list. */
export type Axes = readonly number[] | undefined;

export function axesOf(call: Call, x: Value, name = 'dim'): Axes {
  if (!call.has(name)) return undefined;
  const axes = call.ints(name);
  const rank = rankOf(x);
  return axes.length === 0 || rank === 0 ? undefined : axes.map((axis) => axisOf(axis, rank));
}

type Reduction = (
  data: Value,
  axes?: Value,
  attributes?: { readonly keepdims?: boolean; readonly noopWithEmptyAxes?: boolean },
) => Value;

/** A reduction of ONNX over these axes. */
export function reduced(maker: Reduction, x: Value, axes: Axes, keepdims = false): Value {
  return maker(x, axes === undefined ? undefined : ints(...axes), { keepdims });
}

/** How many elements are reduced to one: a number where that is known. */
export function countOf(x: Value, axes: Axes): Size {
  const { shape = [] } = x;
  const counted = axes ?? shape.map((_, axis) => axis);
  const total = productOf(counted.map((axis) => shape[axis]));
  if (typeof total === 'number') return total;
  if (axes === undefined) return new Sym(op.size(x), total);
  const sizes = op.gather(op.shape(x), ints(...axes));
  return new Sym(op.reduceProd(sizes, undefined, { keepdims: false }), total);
}

/** A size as a number of the element type of `x`. */
export function sizeAs(size: Size, x: Value): Value {
  const dtype = x.dtype ?? 'float32';
  return typeof size === 'number' ? constant(size, dtype) : cast(size.value, dtype);
}
