import { type DType, dtypes, isInteger } from '../../../files/dtype.ts';
import { elementCount, fromNumbers, type Tensor, toNumbers, viewOf } from '../../../files/tensor.ts';
import type { Node } from '../../value.ts';

/** A small tensor in the form the interpreter works on: integers as bigints (exact at every width), floats and bools as numbers. */
export interface Cells {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly values: readonly (number | bigint)[];
}

/** Computes a node's outputs; undefined: not by this interpreter. Inputs left out are undefined. */
export type Evaluate = (
  node: Node,
  inputs: readonly (Cells | undefined)[],
  limit: number,
) => readonly Cells[] | undefined;

const exactFloats: ReadonlySet<DType> = new Set(['float16', 'bfloat16', 'float32', 'float64']);

/** Element types the interpreter knows. */
export function isKnown(dtype: DType): boolean {
  return (isInteger(dtype) && dtypes[dtype].bits >= 8) || dtype === 'bool' || exactFloats.has(dtype);
}

export function cellsOf(tensor: Tensor): Cells | undefined {
  const { dtype, shape } = tensor;
  if (!isKnown(dtype)) return undefined;
  if (dtype === 'int64' || dtype === 'uint64') return { dtype, shape, values: Array.from(viewOf(tensor, dtype)) };
  const numbers = Array.from(toNumbers(tensor));
  return { dtype, shape, values: isInteger(dtype) ? numbers.map(BigInt) : numbers };
}

export function tensorOfCells({ dtype, shape, values }: Cells): Tensor {
  return fromNumbers(dtype, shape, values);
}

/** The same values rounded or wrapped to the element type, as a runtime would have stored them. */
export function stored(cells: Cells): Cells {
  return cellsOf(tensorOfCells(cells)) ?? cells;
}

export function integersOf(cells: Cells | undefined): readonly number[] | undefined {
  if (cells === undefined || !isInteger(cells.dtype)) return undefined;
  const integers = cells.values.map(Number);
  return integers.every(Number.isSafeInteger) ? integers : undefined;
}

/** The number of elements, or undefined for a shape that is not one or has more than `limit`. */
export function countWithin(shape: readonly number[], limit: number): number | undefined {
  if (!shape.every((dim) => Number.isSafeInteger(dim) && dim >= 0)) return undefined;
  const count = elementCount(shape);
  return count <= limit ? count : undefined;
}

/** Row-major strides. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let i = shape.length - 2; i >= 0; i--) strides[i] = (strides[i + 1] ?? 1) * (shape[i + 1] ?? 1);
  return strides;
}

/** A tensor of a shape, read from another at `offset + sum of index * step` over the axes. */
export function strided(from: Cells, shape: readonly number[], steps: readonly number[], offset = 0): Cells {
  const count = elementCount(shape);
  const values = new Array<number | bigint>(count);
  const index = new Array<number>(shape.length).fill(0);
  let at = offset;
  for (let i = 0; i < count; i++) {
    values[i] = from.values[at] ?? 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const step = steps[axis] ?? 0;
      at += step;
      const next = (index[axis] ?? 0) + 1;
      index[axis] = next;
      if (next < (shape[axis] ?? 0)) break;
      at -= step * next;
      index[axis] = 0;
    }
  }
  return { dtype: from.dtype, shape, values };
}

/** The shape two or more broadcast to; undefined where they do not fit. */
export function broadcastShape(shapes: readonly (readonly number[])[]): number[] | undefined {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  const result = new Array<number>(rank).fill(1);
  for (const shape of shapes)
    for (let i = 0; i < shape.length; i++) {
      const axis = rank - shape.length + i;
      const dim = shape[i] ?? 1;
      if (dim === 1 || dim === result[axis]) continue;
      if (result[axis] !== 1) return undefined;
      result[axis] = dim;
    }
  return result;
}

export function broadcastTo(cells: Cells, shape: readonly number[]): Cells {
  const strides = stridesOf(cells.shape);
  const before = shape.length - cells.shape.length;
  const steps = shape.map((_, axis) =>
    axis < before || cells.shape[axis - before] === 1 ? 0 : (strides[axis - before] ?? 0),
  );
  return strided(cells, shape, steps);
}

export function axisWithin(axis: number, rank: number): number | undefined {
  const at = axis < 0 ? axis + rank : axis;
  return at >= 0 && at < rank ? at : undefined;
}
