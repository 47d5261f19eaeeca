import type { DType } from '../../files/dtype.ts';
import { HopfcoleError } from '../../files/error.ts';
import { canonicalShape, differentDims } from '../dim.ts';
import type { Call, Inferred } from '../rule.ts';
import { type Dim, describeShape, type Shape, tensorType, type ValueType } from '../type.ts';
import type { KnownDims } from '../value.ts';

/** The shape of an input, its symbols in canonical form; undefined where it is left out, no tensor, or of unknown rank. */
export function shapeOf(call: Call, index: number): Shape {
  return canonicalShape(call.inputs[index]?.shape);
}

export function dtypeOf(call: Call, index: number): DType | undefined {
  return call.inputs[index]?.dtype;
}

export function typeOf(call: Call, index: number): ValueType {
  return call.inputs[index]?.type;
}

export function isGiven(call: Call, index: number): boolean {
  return call.inputs[index] !== undefined;
}

/** The version to judge by; a call whose schema version is not known is taken as of the newest. */
export function versionOf(call: Call): number {
  return call.version === 0 ? Number.POSITIVE_INFINITY : call.version;
}

/** A tensor output. */
export function tensor(dtype: DType | undefined, shape: Shape, known?: KnownDims | undefined): Inferred {
  return known === undefined ? { type: tensorType(dtype, shape) } : { type: tensorType(dtype, shape), known };
}

export const unknownOutput: Inferred = { type: undefined };

/** A shape of `rank` axes of which nothing is known. */
export function unknownDims(rank: number): readonly Dim[] {
  return new Array<Dim>(rank).fill(undefined);
}

export type MismatchCode = 'SHAPE_MISMATCH' | 'DTYPE_MISMATCH' | 'BAD_ATTRIBUTE';

const hints: Readonly<Record<MismatchCode, string>> = {
  SHAPE_MISMATCH: 'Check the shapes of the tensors that are passed to it',
  DTYPE_MISMATCH: 'Cast one of them, so that the element types agree',
  BAD_ATTRIBUTE: 'Correct the attribute',
};

/** The error of a call that can never be right. `where` is an input or attribute by its name in the schema. */
export function mismatch(code: MismatchCode, call: Call, where: string, expected: string, got: string): HopfcoleError {
  const message = `${call.opType}: expected ${where} to be ${expected}, got ${got}`;
  return new HopfcoleError(code, message, { operator: call.opType, argument: where }, hints[code]);
}

export function badShape(call: Call, argument: string, expected: string, shape: Shape): HopfcoleError {
  return mismatch('SHAPE_MISMATCH', call, argument, expected, describeShape(shape));
}

/** The one element type of inputs bound to one type variable. @throws DTYPE_MISMATCH */
export function sharedDtype(call: Call, indices: readonly number[], names: readonly string[]): DType | undefined {
  let found: DType | undefined;
  let first = 0;
  for (const [position, index] of indices.entries()) {
    const dtype = dtypeOf(call, index);
    if (dtype === undefined) continue;
    if (found !== undefined && dtype !== found) {
      const expected = `${found} like ${names[first] ?? `input ${first}`}`;
      throw mismatch('DTYPE_MISMATCH', call, names[position] ?? `input ${index}`, expected, dtype);
    }
    if (found === undefined) first = position;
    found ??= dtype;
  }
  return found;
}

/** An axis counted from the front. @throws BAD_ATTRIBUTE unless -rank <= axis < rank. */
export function checkedAxis(call: Call, axis: number, rank: number, name = 'axis'): number {
  if (axis < -rank || axis >= rank)
    throw mismatch('BAD_ATTRIBUTE', call, name, `in [${-rank}, ${rank - 1}] for rank ${rank}`, String(axis));
  return axis < 0 ? axis + rank : axis;
}

/** Axes counted from the front. @throws BAD_ATTRIBUTE for one out of range or given twice. */
export function checkedAxes(call: Call, axes: readonly number[], rank: number, name = 'axes'): readonly number[] {
  const checked = axes.map((axis) => checkedAxis(call, axis, rank, name));
  if (new Set(checked).size !== checked.length)
    throw mismatch('BAD_ATTRIBUTE', call, name, 'a list without repeats', `[${axes.join(', ')}]`);
  return checked;
}

/** @throws SHAPE_MISMATCH unless the input's rank is one of `ranks`, where it is known. */
export function checkRank(call: Call, index: number, argument: string, ranks: readonly number[]): void {
  const shape = shapeOf(call, index);
  if (shape !== undefined && !ranks.includes(shape.length))
    throw badShape(call, argument, `of rank ${ranks.join(' or ')}`, shape);
}

/** @throws SHAPE_MISMATCH where the input's rank is known and smaller. */
export function checkRankAtLeast(call: Call, index: number, argument: string, least: number): void {
  const shape = shapeOf(call, index);
  if (shape !== undefined && shape.length < least) throw badShape(call, argument, `of rank ${least} or more`, shape);
}

/** @throws SHAPE_MISMATCH where the input's shape is known to differ from `expected` (undefined dimensions match all). */
export function checkShape(call: Call, index: number, argument: string, expected: readonly Dim[]): void {
  const shape = shapeOf(call, index);
  if (shape === undefined) return;
  const fits = shape.length === expected.length && !shape.some((dim, axis) => differentDims(dim, expected[axis]));
  if (!fits) throw badShape(call, argument, `of shape ${describeShape(expected)}`, shape);
}
