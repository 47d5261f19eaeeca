import * as op from '../src/graph/op.ts';
import type { Value } from '../src/graph/value.ts';
import { ints, last, scalar, type WorkType } from './precision.ts';
import { finiteMax } from './stable.ts';

/** Pieces of the co-state rules, on logits z, weights pi = softmax(z / eps) and eps, all in the work type (theory.md section 2). */

/** z's co-state from that of pi: pi (g - E_pi g) / eps. */
export function throughWeights(pi: Value, g: Value, eps: Value): Value {
  return op.div(op.mul(pi, op.sub(g, rowSum(op.mul(pi, g)))), eps);
}

/** (z - max) / eps where an atom has weight, 0 elsewhere: finite, and so is its derivative, under masks of -inf. */
export function scaledLogits(z: Value, pi: Value, eps: Value, work: WorkType): Value {
  const max = finiteMax(z, work);
  const counted = op.where(op.greater(pi, scalar(0, work)), z, max);
  return op.div(op.sub(counted, max), eps);
}

/**
 * epsilon's co-state, before it is summed to epsilon's shape, of anything that depends on z / eps alone and has passed zBar to z:
 * -sum zBar (z - max) / eps. (The maximum drops out, since each row of zBar sums to 0.)
 */
export function epsilonFrom(zBar: Value, scaled: Value): Value {
  return op.neg(rowSum(op.mul(zBar, scaled)));
}

/** z's co-state from that of H [.., 1]: -pi (a - E_pi a) / eps with a = (z - max) / eps. */
export function throughEntropy(hBar: Value, pi: Value, scaled: Value, eps: Value): Value {
  return op.neg(op.mul(hBar, throughWeights(pi, scaled, eps)));
}

/** The sum over the last axis, kept. */
export function rowSum(value: Value): Value {
  return op.reduceSum(value, last(value));
}

/** The sum of what there is; undefined where there is nothing. */
export function total(...terms: readonly (Value | undefined)[]): Value | undefined {
  return terms.reduce(
    (sum, term) => (sum === undefined ? term : term === undefined ? sum : op.add(sum, term)),
    undefined,
  );
}

export function lastAxis(value: Value): Value {
  return op.unsqueeze(value, ints(-1));
}
