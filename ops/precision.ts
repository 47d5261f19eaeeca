import { HopfcoleError } from '../src/files/error.ts';
import { fromNumbers } from '../src/files/tensor.ts';
import { constant } from '../src/graph/make.ts';
import * as op from '../src/graph/op.ts';
import type { Value } from '../src/graph/value.ts';

/** Element types of the data of the operators. */
export type FloatType = 'float32' | 'float64' | 'float16' | 'bfloat16';
export type WorkType = 'float32' | 'float64';

const floats: readonly (string | undefined)[] = ['float32', 'float64', 'float16', 'bfloat16'];

/** The element type in which sums and exponentials are made: half precision is widened, for its range as much as its digits. */
export function workType(dtype: FloatType): WorkType {
  return dtype === 'float64' ? 'float64' : 'float32';
}

/** The element type all of these share; float32 where none of them says. */
export function commonType(values: Readonly<Record<string, Value | undefined>>): FloatType {
  let found: FloatType | undefined;
  let first = '';
  for (const [argument, value] of Object.entries(values)) {
    const dtype = value?.dtype;
    if (dtype === undefined) continue;
    if (!isFloatType(dtype))
      throw new HopfcoleError(
        'DTYPE_MISMATCH',
        `expected float32, float64, float16 or bfloat16 for '${argument}', got ${dtype}`,
        { argument },
      );
    if (found !== undefined && found !== dtype)
      throw new HopfcoleError(
        'DTYPE_MISMATCH',
        `expected ${found} for '${argument}' as for '${first}', got ${dtype}`,
        { argument },
        'Cast one of them first',
      );
    if (found === undefined) {
      found = dtype;
      first = argument;
    }
  }
  return found ?? 'float32';
}

function isFloatType(dtype: string): dtype is FloatType {
  return floats.includes(dtype);
}

export function floatTypeOf(value: Value): FloatType {
  return value.dtype !== undefined && isFloatType(value.dtype) ? value.dtype : 'float32';
}

/** Half precision as float32; anything else as it is. */
export function widened(value: Value): Value {
  return value.dtype === 'float16' || value.dtype === 'bfloat16' ? op.cast(value, { to: 'float32' }) : value;
}

/** The value in that element type, without a node where it has it already. */
export function as(value: Value, dtype: FloatType): Value {
  return value.dtype === dtype ? value : op.cast(value, { to: dtype });
}

/** A scalar constant. */
export function scalar(value: number, dtype: FloatType | 'int64' = 'float32'): Value {
  return constant(fromNumbers(dtype, [], [value]));
}

/**
 * The last axis, for a reduction: from the front where the rank is known, because ONNX Runtime's CPU, on an empty batch, takes
 * an axis from the back for no axis at all.
 */
export function last(value: Value): Value {
  return ints(value.shape === undefined ? -1 : value.shape.length - 1);
}

/** A vector of int64, for axes, sizes and steps. */
export function ints(...values: readonly number[]): Value {
  return constant(fromNumbers('int64', [values.length], values));
}
