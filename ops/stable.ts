import * as op from '../src/graph/op.ts';
import type { Value } from '../src/graph/value.ts';
import { as, last, scalar, type WorkType } from './precision.ts';

/**
 * The pieces of every body, stable by construction: the maximum is subtracted before dividing by epsilon, and kept finite, so that
 * a row of nothing but -inf gives sum 0 (f = -inf, pi = 0) and a logit of +inf gives f = +inf. A NaN logit makes its row NaN.
 */
export const largest: Record<WorkType, number> = { float32: 3.4028234663852886e38, float64: Number.MAX_VALUE };

/** epsilon (or t) in the work type; NaN where it is not positive, so that a wrong one is seen and never a plausible number. */
export function positive(value: Value, work: WorkType): Value {
  const checked = op.where(op.greater(value, scalar(0)), value, scalar(Number.NaN));
  return as(checked, work);
}

/** The maximum over the last axis (kept), within the finite numbers. */
export function finiteMax(z: Value, work: WorkType): Value {
  return finite(op.reduceMax(z, last(z)), work);
}

export function finite(value: Value, work: WorkType): Value {
  return op.clip(value, scalar(-largest[work], work), scalar(largest[work], work));
}

/** 1 / eps as a factor, cheaper than a division per logit; kept finite, so that 0 times it is 0 for the least of eps. NaN stays NaN. */
export function reciprocal(eps: Value, work: WorkType): Value {
  const inverse = op.reciprocal(eps);
  const most = scalar(largest[work], work);
  return op.where(op.greater(inverse, most), most, inverse);
}

/** exp((z - max) / eps) and its sum over the last axis. */
export interface Exponentials {
  /** [.., 1] */
  readonly max: Value;
  /** (z - max) / eps, at most 0. */
  readonly scaled: Value;
  readonly exp: Value;
  /** [.., 1]: 0 for an empty row, otherwise at least 1. */
  readonly sum: Value;
  /** The axis of the sum, told by the logits: what epsilon's unknown rank leaves of it further on is not enough. */
  readonly axis: Value;
}

/** Of logits, with `inverse` = `reciprocal(eps)`. */
export function exponentials(z: Value, inverse: Value, work: WorkType): Exponentials {
  const max = finiteMax(z, work);
  const scaled = op.mul(op.sub(z, max), inverse);
  const exp = op.exp(scaled);
  const axis = last(z);
  return { max, scaled, exp, sum: op.reduceSum(exp, axis), axis };
}

/** f [.., 1] of a maximum and a sum. */
export function valueFrom(max: Value, sum: Value, eps: Value): Value {
  return op.add(max, op.mul(eps, op.log(sum)));
}

/** The sum as a divisor: an empty row's 0 becomes 1, so that its weights are 0. */
export function divisor(sum: Value, work: WorkType): Value {
  return op.where(op.equal(sum, scalar(0, work)), scalar(1, work), sum);
}

export function weightsFrom({ exp, sum }: Exponentials, work: WorkType): Value {
  return op.div(exp, divisor(sum, work));
}

/** H [.., 1] = log sum - E_pi (z - max)/eps, over the atoms with weight; 0 for an empty row. Both terms are >= 0. */
export function entropyFrom({ exp, scaled, sum, axis }: Exponentials, work: WorkType): Value {
  const safe = divisor(sum, work);
  return op.sub(op.log(safe), op.div(heatFrom({ exp, scaled, axis }, work), safe));
}

/** sum exp(a) a [.., 1] over the scaled logits a; one of -inf adds 0. */
export function heatFrom({ exp, scaled, axis }: Omit<Exponentials, 'max' | 'sum'>, work: WorkType): Value {
  return op.reduceSum(op.mul(exp, finite(scaled, work)), axis);
}

/**
 * [.., 1] without its last axis. By Gather: on an empty batch ONNX Runtime's CPU ReduceMax leaves the axis at its full size,
 * which Squeeze refuses.
 */
export function dropLast(value: Value): Value {
  return op.gather(value, scalar(0, 'int64'), { axis: -1 });
}
