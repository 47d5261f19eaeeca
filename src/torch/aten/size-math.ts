import {
  addDims,
  ceilDivideDims,
  compareDims,
  floorDivideDims,
  minDim,
  multiplyDims,
  subtractDims,
} from '../../graph/dim.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Dim } from '../../graph/type.ts';
import type { Value } from '../../graph/value.ts';
import { type Size, Sym } from '../lower/item.ts';
import { dimOf, scalarOf } from '../lower/sizes.ts';

/** Arithmetic on sizes: on numbers now, on symbols in the graph. Integers throughout; divisors and sizes are positive. */
const onSizes =
  (now: (a: number, b: number) => number, dim: (a: Dim, b: Dim) => Dim, then: (a: Value, b: Value) => Value) =>
  (a: Size, b: Size): Size => {
    if (typeof a === 'number' && typeof b === 'number') return now(a, b);
    const known = dim(dimOf(a), dimOf(b));
    return typeof known === 'number' ? known : new Sym(then(scalarOf(a), scalarOf(b)), known);
  };

export const plus = onSizes((a, b) => a + b, addDims, op.add);
export const minus = onSizes((a, b) => a - b, subtractDims, op.sub);
export const times = onSizes((a, b) => a * b, multiplyDims, op.mul);
/** For a >= 0: ONNX's division of integers cuts toward zero. */
export const quotient = onSizes((a, b) => Math.floor(a / b), floorDivideDims, op.div);
export const roundedUp = onSizes(
  (a, b) => Math.ceil(a / b),
  ceilDivideDims,
  (a, b) => op.div(op.add(a, op.sub(b, constant(1, 'int64'))), b),
);
export const least = onSizes(Math.min, minDim, (a, b) => op.min([a, b]));

export function productOfSizes(sizes: readonly Size[]): Size {
  return sizes.reduce<Size>(times, 1);
}

/** Whether a size is known not to be negative, whatever its symbols are. */
export function isNatural(dim: Dim): boolean {
  return compareDims(addDims(dim, 1), 0) === 1;
}

/** 0, step, 2*step, ... below `count * step`, as an int64 vector. */
export function steps(count: Size, step: Size = 1, start: Size = 0): Value {
  if (typeof count === 'number' && typeof step === 'number' && typeof start === 'number' && count <= largestConstant)
    return constant(
      Array.from({ length: count }, (_, index) => start + index * step),
      'int64',
    );
  return op.range(scalarOf(start), scalarOf(plus(start, times(count, step))), scalarOf(step));
}

/** Longer index vectors are made when the model runs, not written into the file. */
export const largestConstant = 4096;
