import { fromNumbers } from '../src/files/tensor.ts';
import * as op from '../src/graph/op.ts';
import type { Value } from '../src/graph/value.ts';
import { ints, scalar, type WorkType } from './precision.ts';

/** Pieces of what ranks atoms: the first k, and everything but the first. */

/** k as a vector of one number, at most `count` and at least 1. */
export function clampedCount(k: Value, count: Value): Value {
  const wanted = op.max([op.reshape(k, ints(1)), ints(1)]);
  return op.min([wanted, op.reshape(count, ints(1))]);
}

/** The size of the last axis, [1]. */
export function lastSize(value: Value): Value {
  return op.slice(op.shape(value), ints(-1), ints(Number.MAX_SAFE_INTEGER));
}

/** z with -inf at the given position of each row: the logits of the others. index [B, 1]. */
export function withoutFirst(z: Value, index: Value, work: WorkType): Value {
  const lowest = op.constantOfShape(op.shape(index), {
    value: fromNumbers(work, [1], [Number.NEGATIVE_INFINITY]),
  });
  return op.scatterElements(z, index, lowest, { axis: -1 });
}

/** Columns beyond those there are, up to `width` [1] of them, filled. */
export function paddedTo(value: Value, width: Value, fill: number, work: WorkType): Value {
  const missing = op.sub(width, lastSize(value));
  const pads = op.concat([ints(0, 0, 0), missing], { axis: 0 });
  return op.pad(value, pads, scalar(fill, work));
}

/** The first column of a matrix, kept as one. */
export function firstColumn(value: Value): Value {
  return op.slice(value, ints(0), ints(1), ints(-1));
}
