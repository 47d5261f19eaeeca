import { fromNumbers } from '../../files/tensor.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Rule, type RuleCall, unary } from '../call.ts';
import { cast, ints, numbers, reshapeTo, scalarLike, sizeOf } from '../pieces.ts';
import { workType } from './standardizing.ts';

/** Normalisations without parameters. */
export const vectorNormalizationRules: Readonly<Record<string, Rule>> = {
  LpNormalization: unary(
    'p = 2: (g - y sum g y) / norm; p = 1: (g - sign(x) sum g y) / norm',
    lpBar,
    '0 where the norm is 0, as y is',
  ),
  MeanVarianceNormalization: unary('(g - mean g - y mean(g y) q / s) / q with s the deviation, q = s + 1e-9', mvnBar),
  LRN: unary(
    'p g - 2 alpha beta / size x W^T(g x p / d), d = bias + alpha / size W(x^2), p = d^-beta, W sums neighbours',
    lrnBar,
  ),
};

function lpBar(given: Value, x: Value, out: Value, call: RuleCall): Value {
  const work = workType(x);
  const [g, y, wide] = [given, out, x].map((value) => cast(value, work)) as [Value, Value, Value];
  const axes = ints(call.int('axis', -1));
  const p = call.int('p', 2);
  const total = op.reduceSum(p === 1 ? op.abs(wide) : op.mul(wide, wide), axes);
  // An infinite norm stands for none: what is divided by it is 0, and so is what its derivative is divided by.
  const safe = op.where(op.equal(total, scalarLike(total, 0)), scalarLike(total, Number.POSITIVE_INFINITY), total);
  const along = op.reduceSum(op.mul(g, y), axes);
  const bar = op.div(op.sub(g, op.mul(p === 1 ? op.sign(wide) : y, along)), p === 1 ? safe : op.sqrt(safe));
  return cast(bar, x.dtype ?? work);
}

function mvnBar(given: Value, x: Value, out: Value, call: RuleCall): Value {
  const work = workType(x);
  const [g, y, wide] = [given, out, x].map((value) => cast(value, work)) as [Value, Value, Value];
  const axes = ints(...(call.ints('axes') ?? [0, 2, 3]));
  const away = op.sub(wide, op.reduceMean(wide, axes));
  const deviation = op.sqrt(op.reduceMean(op.mul(away, away), axes));
  const least = scalarLike(wide, 1e-9);
  const along = op.div(op.reduceMean(op.mul(g, y), axes), op.max([deviation, least]));
  const across = op.div(op.sub(g, op.reduceMean(g, axes)), op.add(deviation, least));
  return cast(op.sub(across, op.mul(y, along)), x.dtype ?? work);
}

function lrnBar(given: Value, x: Value, _: Value, call: RuleCall): Value {
  const work = workType(x);
  const [g, wide] = [cast(given, work), cast(x, work)];
  const size = call.int('size', 1);
  const [alpha, beta] = [call.float('alpha', 1e-4), call.float('beta', 0.75)];
  // Of an even size one neighbour more lies behind.
  const [before, behind] = [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)];
  const scaled = op.mul(neighbours(op.mul(wide, wide), before, behind), scalarLike(wide, alpha / size));
  const base = op.add(scaled, scalarLike(wide, call.float('bias', 1)));
  const passed = op.mul(g, op.pow(base, scalarLike(wide, -beta)));
  const shared = neighbours(op.div(op.mul(passed, wide), base), behind, before);
  const bar = op.sub(passed, op.mul(op.mul(wide, shared), scalarLike(wide, (2 * alpha * beta) / size)));
  return cast(bar, x.dtype ?? work);
}

/** A band that is a constant of the graph up to this many channels. */
const constantChannels = 256;

/** The sums over channels c - before to c + behind: a band matrix times x, all other axes as one. */
function neighbours(x: Value, before: number, behind: number): Value {
  return reshapeTo(op.matMul(band(x, before, behind), op.reshape(x, ints(0, 0, -1))), x);
}

function band(x: Value, before: number, behind: number): Value {
  const channels = x.shape?.[1];
  if (typeof channels === 'number' && channels <= constantChannels) {
    const places = Array.from({ length: channels * channels }, (_, at) => {
      const apart = (at % channels) - Math.floor(at / channels);
      return apart >= -before && apart <= behind ? 1 : 0;
    });
    return constant(fromNumbers(x.dtype ?? 'float32', [channels, channels], places));
  }
  const zero = constant(fromNumbers('int64', [], [0]));
  const one = constant(fromNumbers('int64', [], [1]));
  const all = op.range(zero, op.squeeze(sizeOf(x, 1), ints(0)), one);
  const apart = op.sub(op.unsqueeze(all, ints(0)), op.unsqueeze(all, ints(1)));
  const near = op.and(op.greaterOrEqual(apart, ints(-before)), op.lessOrEqual(apart, ints(behind)));
  return numbers(near, x);
}
