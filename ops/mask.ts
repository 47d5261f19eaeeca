import { HopfcoleError } from '../src/files/error.ts';
import { differentDims } from '../src/graph/dim.ts';
import * as op from '../src/graph/op.ts';
import { type Dim, describeShape, type TensorType, tensorType } from '../src/graph/type.ts';
import type { Value } from '../src/graph/value.ts';
import { type FloatType, ints, scalar, type WorkType, widened } from './precision.ts';

/**
 * Masked and unmasked calls are overloads, never an optional input (ONNX Runtime crashes on an empty one inside a function):
 * `masked` takes booleans (true keeps an atom), `biased` numbers added to the logits (-inf takes an atom away).
 */
export type MaskKind = '' | 'masked' | 'biased';

export function maskKind(mask: Value | undefined): MaskKind {
  if (mask === undefined) return '';
  if (mask.dtype === 'bool') return 'masked';
  if (mask.dtype === undefined || ['float32', 'float64', 'float16', 'bfloat16'].includes(mask.dtype)) return 'biased';
  throw new HopfcoleError(
    'DTYPE_MISMATCH',
    `expected a mask of booleans, or of numbers added to the logits, got ${mask.dtype}`,
    { argument: 'mask' },
    'Cast it to bool: true keeps an atom',
  );
}

export function maskInput(kind: MaskKind, dtype: FloatType): readonly (readonly [string, TensorType])[] {
  return kind === '' ? [] : [['mask', tensorType(kind === 'masked' ? 'bool' : dtype)]];
}

/** Logits (in the work type) with the mask applied. */
export function withMask(z: Value, mask: Value | undefined, work: WorkType): Value {
  if (mask === undefined) return z;
  if (mask.dtype === 'bool') return op.where(mask, z, scalar(Number.NEGATIVE_INFINITY, work));
  return op.add(z, widened(mask));
}

/** The columns [from, to) of a mask, for one block of atoms. Its last axis must be the atoms', not 1. */
export function maskColumns(mask: Value, from: number, to: number): Value {
  return op.slice(mask, ints(from), ints(to), ints(-1));
}

/** @throws SHAPE_MISMATCH unless a mask broadcasts to logits of that shape. */
export function expectMask(mask: Value | undefined, logits: readonly Dim[], wholeLastAxis = false): void {
  const shape = mask?.shape;
  if (shape === undefined) return;
  const offset = logits.length - shape.length;
  const fits =
    offset >= 0 &&
    shape.every((dim, axis) => dim === 1 || !differentDims(dim, logits[axis + offset])) &&
    !(wholeLastAxis && (shape.length === 0 || shape.at(-1) === 1) && logits.at(-1) !== 1);
  if (fits) return;
  throw new HopfcoleError(
    'SHAPE_MISMATCH',
    `expected 'mask' to fit logits of shape ${describeShape(logits)}, got ${describeShape(shape)}`,
    { argument: 'mask' },
    wholeLastAxis ? 'Atoms in blocks need a mask whose last axis is all of them' : '',
  );
}
