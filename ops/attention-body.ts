import * as op from '../src/graph/op.ts';
import type { Value } from '../src/graph/value.ts';
import { as, type FloatType, floatTypeOf, last, scalar, type WorkType, widened, workType } from './precision.ts';
import { lastAxis, rowSum } from './rules.ts';
import { dropLast, finite, largest, positive, reciprocal } from './stable.ts';

export type AttentionOutput = 'O' | 'weights' | 'H' | 'LSE';
export const attentionOutputs: readonly AttentionOutput[] = ['O', 'weights', 'H', 'LSE'];

/** The weights of every row, and what they come from, in the work type. */
export interface Weighed {
  /** (q.k + mask)/epsilon, finite. */
  readonly scaled: Value;
  readonly pi: Value;
  readonly inverse: Value;
  /** Sets rows without a key to 0. */
  readonly alive: (rows: Value) => Value;
  /** 1 for rows with a key, 0 for others, [.., 1]; undefined without a mask. */
  readonly any: Value | undefined;
}

/**
 * By Softmax, for which runtimes have a kernel: z/epsilon made as (Q/epsilon) K' carries the same error as z itself. A mask is added as numbers, for an
 * addition is far cheaper than a choice: the lowest number takes a key away, since a sum with it is that number, and rows without a key are set to 0 after.
 * Body and co-state rule make the same nodes, so that runtimes compute them once.
 */
export function weighed(q: Value, k: Value, epsilon: Value, mask: Value | undefined, whole: boolean): Weighed {
  const work = workType(floatTypeOf(q));
  const inverse = reciprocal(positive(epsilon, work), work);
  const logits = op.matMul(op.mul(widened(q), inverse), swapped(widened(k)));
  const masked = mask === undefined ? undefined : maskOf(mask, inverse, work);
  const scaled = masked === undefined ? logits : op.add(logits, masked.bias);
  return {
    scaled,
    pi: op.softmax(scaled, { axis: -1 }),
    inverse,
    alive: (rows) => (masked === undefined || whole ? rows : op.mul(rows, masked.any)),
    any: masked?.any,
  };
}

/** What is added to z/epsilon, finite, and 1 for the rows that have a key, 0 for others, [.., 1]. */
function maskOf(mask: Value, inverse: Value, work: WorkType): { readonly bias: Value; readonly any: Value } {
  const lowest = scalar(-largest[work], work);
  if (mask.dtype === 'bool') {
    const most = op.reduceMax(op.cast(mask, { to: work }), last(mask));
    return { bias: op.where(mask, scalar(0, work), lowest), any: lastAxis(dropLast(most)) };
  }
  const numbers = widened(mask);
  const none = op.equal(op.reduceMax(numbers, last(numbers)), scalar(Number.NEGATIVE_INFINITY, work));
  return {
    bias: finite(op.mul(numbers, inverse), work),
    any: lastAxis(dropLast(op.cast(op.not(none), { to: work }))),
  };
}

/** max z/epsilon, the logarithm of the sum of exp(z/epsilon - max), z/epsilon - max, and H of every row, [.., 1] but the third. */
export function readingOf({ scaled, pi, alive }: Weighed, work: WorkType) {
  const max = op.reduceMax(scaled, last(scaled));
  const logSum = op.neg(op.log(op.reduceMax(pi, last(pi))));
  const below = finite(op.sub(scaled, max), work);
  return { max, logSum, below, entropy: () => alive(op.sub(logSum, rowSum(op.mul(pi, below)))) };
}

export function attentionBody(
  dtype: FloatType,
  outputs: readonly AttentionOutput[],
  [q, k, v, epsilon, mask]: readonly Value[],
  whole: boolean,
): readonly Value[] {
  if (q === undefined || k === undefined || v === undefined || epsilon === undefined) return [];
  const work = workType(dtype);
  const rows = weighed(q, k, epsilon, mask, whole);
  const { pi, alive, any } = rows;
  const { max, logSum, entropy } = readingOf(rows, work);
  const made: Record<AttentionOutput, () => Value> = {
    O: () => alive(op.matMul(pi, widened(v))),
    weights: () => alive(pi),
    H: () => dropLast(entropy()),
    LSE: () => {
      const value = op.mul(positive(epsilon, work), op.add(max, logSum));
      return dropLast(any === undefined ? value : op.add(value, op.log(any)));
    },
  };
  return outputs.map((output) => as(made[output](), dtype));
}

/** The last two axes swapped. Einsum would do for any rank, but only MatMul is fast everywhere. */
export function swapped(value: Value): Value {
  const rank = value.shape?.length ?? 4;
  const axes = Array.from({ length: rank }, (_, axis) => axis);
  return op.transpose(value, { perm: [...axes.slice(0, -2), rank - 1, rank - 2] });
}
