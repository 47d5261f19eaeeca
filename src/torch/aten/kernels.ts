import { type DType, isFloat } from '../../files/dtype.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { cast } from '../lower/call.ts';

/**
 * The element type in which runtimes have arithmetic for this one: small integers are computed in int32 and cut back, which wraps around as
 * PyTorch does; truth values as 0 and 1; large unsigned ones in int64, whose sums and products have the same bits.
 */
export function workable(dtype: DType): DType {
  if (isFloat(dtype) || dtype === 'int64') return dtype;
  return dtype === 'uint32' || dtype === 'uint64' ? 'int64' : 'int32';
}

/** Computes in an element type that runtimes have arithmetic for, and gives back the type of `x`. */
export function worked(x: Value, maker: (x: Value) => Value): Value {
  const dtype = x.dtype ?? 'float32';
  return cast(maker(cast(x, workable(dtype))), dtype);
}

/** A number as a scalar of the element type of `x`. */
export function like(x: Value, number: number): Value {
  return constant(number, x.dtype ?? 'float32');
}

/** What half precision would lose in several operators one after the other is computed in float32, as PyTorch does. */
export function inSingle(x: Value): Value {
  return x.dtype === 'float16' ? cast(x, 'float32') : x;
}

/** What runtimes have in single precision alone: float64 goes through it. */
export function throughSingle(x: Value, maker: (x: Value) => Value): Value {
  return x.dtype === 'float64' ? cast(maker(cast(x, 'float32')), 'float64') : maker(x);
}

export function plus(x: Value, number: number): Value {
  return number === 0 ? x : op.add(x, like(x, number));
}

export function times(x: Value, number: number): Value {
  return number === 1 ? x : op.mul(x, like(x, number));
}
