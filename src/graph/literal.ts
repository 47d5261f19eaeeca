import type { DType } from '../files/dtype.ts';
import { HopfcoleError } from '../files/error.ts';
import { fromNumbers, stringTensor, type Tensor } from '../files/tensor.ts';

type Scalar = number | bigint | boolean | string;

/** What can be written down as a constant: a tensor, one element, or (nested) arrays of elements; typed arrays are vectors. */
export type Literal = Tensor | Scalar | readonly Literal[] | TypedArray;

type TypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array;

const typedArrays: readonly (readonly [new (...args: never[]) => TypedArray, DType])[] = [
  [Float32Array, 'float32'],
  [Float64Array, 'float64'],
  [Int8Array, 'int8'],
  [Int16Array, 'int16'],
  [Int32Array, 'int32'],
  [BigInt64Array, 'int64'],
  [Uint8Array, 'uint8'],
  [Uint16Array, 'uint16'],
  [Uint32Array, 'uint32'],
  [BigUint64Array, 'uint64'],
];

/**
 * The tensor a literal stands for. Without `dtype` numbers are float32, bigints int64, booleans bool, and a typed array keeps its own type.
 * @throws BAD_TENSOR for ragged arrays or mixed elements, DTYPE_MISMATCH for a tensor of another dtype than asked for.
 */
export function tensorFrom(literal: Literal, dtype?: DType): Tensor {
  if (isTensor(literal)) {
    if (dtype !== undefined && dtype !== literal.dtype)
      throw new HopfcoleError('DTYPE_MISMATCH', `expected a ${dtype} tensor, got ${literal.dtype}`);
    return literal;
  }
  const typed = typedArrays.find(([type]) => literal instanceof type);
  if (typed !== undefined) {
    const array = literal as TypedArray;
    return fromNumbers(dtype ?? typed[1], [array.length], array);
  }
  const elements: Scalar[] = [];
  const shape = shapeOf(literal as Scalar | readonly Literal[]);
  flatten(literal as Scalar | readonly Literal[], shape, 0, elements);
  if (elements.every((element) => typeof element === 'string') && (dtype === undefined || dtype === 'string'))
    if (elements.length > 0 || dtype === 'string') return stringTensor(shape, elements);
  const numbers = elements.map(toNumber);
  return fromNumbers(dtype ?? naturalDType(elements), shape, numbers);
}

function isTensor(literal: Literal): literal is Tensor {
  return typeof literal === 'object' && 'bytes' in literal && 'dtype' in literal;
}

function shapeOf(literal: Scalar | readonly Literal[]): number[] {
  const shape: number[] = [];
  let level: Literal | undefined = literal;
  while (Array.isArray(level)) {
    shape.push(level.length);
    level = level[0];
  }
  return shape;
}

function flatten(literal: Literal, shape: readonly number[], depth: number, into: Scalar[]): void {
  if (!Array.isArray(literal)) {
    if (depth !== shape.length || typeof literal === 'object') throw ragged(shape);
    into.push(literal);
    return;
  }
  if (literal.length !== shape[depth]) throw ragged(shape);
  for (const item of literal as readonly Literal[]) flatten(item, shape, depth + 1, into);
}

function ragged(shape: readonly number[]): HopfcoleError {
  return new HopfcoleError('BAD_TENSOR', `expected arrays of one shape ([${shape.join(', ')}] by the first items)`);
}

function naturalDType(elements: readonly Scalar[]): DType {
  if (elements.length > 0 && elements.every((element) => typeof element === 'bigint')) return 'int64';
  if (elements.length > 0 && elements.every((element) => typeof element === 'boolean')) return 'bool';
  return 'float32';
}

function toNumber(element: Scalar): number | bigint {
  if (typeof element === 'string')
    throw new HopfcoleError('BAD_TENSOR', `expected numbers, got the string '${element}'`);
  return typeof element === 'boolean' ? Number(element) : element;
}
