import { ints } from '../../../ops/precision.ts';
import * as op from '../../graph/op.ts';
import type { Dim } from '../../graph/type.ts';
import type { Value } from '../../graph/value.ts';

/** 1, 2, 4 .. 2^40: no sequence is longer. */
export const doubled = Array.from({ length: 41 }, (_, power) => 2 ** power);

/** The size of one axis: a number where it is known, else the vector [1] that it is at run time. */
export function dim(x: Value, axis: number): number | Value {
  const known: Dim = x.shape?.[axis];
  return typeof known === 'number' ? known : op.shape(x, { start: axis, end: axis + 1 });
}

/** A shape of known and of computed sizes. */
export function shapeOf(...sizes: readonly (number | Value)[]): Value {
  if (sizes.every((size) => typeof size === 'number')) return ints(...sizes);
  return op.concat(
    sizes.map((size) => (typeof size === 'number' ? ints(size) : size)),
    { axis: 0 },
  );
}

export function reshaped(x: Value, ...sizes: readonly (number | Value)[]): Value {
  return op.reshape(x, shapeOf(...sizes));
}

/** How often one must be doubled to reach `count`: ceil(log2 count), exactly. */
export function doublingsTo(count: number | Value): number | Value {
  if (typeof count === 'number') return Math.ceil(Math.log2(Math.max(1, count)));
  return op.reduceSum(op.cast(op.less(ints(...doubled), count), { to: 'int64' }), ints(0), { keepdims: 0 });
}

/** How many blocks of `size` hold `count`, rounded up. */
export function blocksOf(count: number | Value, size: number): number | Value {
  if (typeof count === 'number') return Math.ceil(count / size);
  return op.div(op.add(count, ints(size - 1)), ints(size));
}

export function product(a: number | Value, b: number | Value): number | Value {
  if (typeof a === 'number' && typeof b === 'number') return a * b;
  return op.mul(vector(a), vector(b));
}

export function difference(a: number | Value, b: number | Value): number | Value {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return op.sub(vector(a), vector(b));
}

/** A size as a vector [1]. */
export function vector(size: number | Value): Value {
  return typeof size === 'number' ? ints(size) : size;
}

/** 0, 1 .. count - 1 as int64. */
export function counted(count: number | Value): Value {
  if (typeof count === 'number') return ints(...Array.from({ length: count }, (_, index) => index));
  const flat = op.squeeze(count, ints(0));
  return op.range(op.squeeze(ints(0), ints(0)), flat, op.squeeze(ints(1), ints(0)));
}
