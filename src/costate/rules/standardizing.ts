import type { DType } from '../../files/dtype.ts';
import * as op from '../../graph/op.ts';
import type { Shape } from '../../graph/type.ts';
import type { Value } from '../../graph/value.ts';
import { cast, ints, isHalf, knownSizes, scalarLike, shapeOf } from '../pieces.ts';

/** What the rules of normalisations share: numbers brought to mean 0 and deviation 1 along axes. */

/** The element type that a normalisation of x computes in: float32 for half precision, as PyTorch's. */
export function workType(x: Value): DType {
  return isHalf(x) ? 'float32' : (x.dtype ?? 'float32');
}

/** The standardised numbers and what each was multiplied by. */
export interface Standardized {
  readonly normal: Value;
  /** 1 / sqrt(variance + epsilon), with the axes kept. */
  readonly inverse: Value;
}

/** Along axes; `centred`: the mean is taken away first. */
export function standardized(x: Value, axes: Value, epsilon: number, centred = true): Standardized {
  const away = centred ? op.sub(x, op.reduceMean(x, axes)) : x;
  const variance = op.reduceMean(op.mul(away, away), axes);
  const inverse = op.reciprocal(op.sqrt(op.add(variance, scalarLike(x, epsilon))));
  return { normal: op.mul(away, inverse), inverse };
}

/**
 * The co-state of x from `bar`, that of the standardised numbers: what changes their mean or their length along the axes is taken out
 * of it. inverse (bar - mean bar - normal mean(bar normal)).
 */
export function throughStandardized(bar: Value, made: Standardized, axes: Value, centred = true): Value {
  const { normal, inverse } = made;
  const along = op.mul(normal, op.reduceMean(op.mul(bar, normal), axes));
  const across = centred ? op.sub(bar, op.reduceMean(bar, axes)) : bar;
  return op.mul(inverse, op.sub(across, along));
}

/** How many elements there are along some axes, as a scalar of the element type of x. */
export function countAlong(x: Value, axes: readonly number[]): Value {
  const sizes: Shape = axes.map((axis) => x.shape?.at(axis));
  if (knownSizes(sizes)) {
    const count = sizes.reduce((product, size) => product * size, 1);
    return scalarLike(x, count);
  }
  const picked = op.gather(shapeOf(x), ints(...axes));
  return cast(op.reduceProd(picked, undefined, { keepdims: 0 }), x.dtype ?? 'float32');
}

/** The axes from `first` to the last of `rank`. */
export function axesFrom(first: number, rank: number): readonly number[] {
  return Array.from({ length: Math.max(0, rank - first) }, (_, index) => first + index);
}

/** A vector over channels as it stands against [N, C, ...]: [C, 1, ...]. */
export function overChannels(vector: Value, rank: number): Value {
  const after = axesFrom(2, rank).map((axis) => axis - 1);
  return after.length === 0 ? vector : op.unsqueeze(vector, ints(...after));
}
