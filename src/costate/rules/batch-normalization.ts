import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type RuleCall, rule } from '../call.ts';
import { cast, ints, scalarLike } from '../pieces.ts';
import { axesFrom, countAlong, overChannels, workType } from './standardizing.ts';

type Bars = readonly (Value | undefined)[];

export const batchNormalization = rule(
  's g with s = scale / sqrt(var + epsilon); to scale sum g (x - mean) / sqrt(var + epsilon), to B sum g, to mean -s sum g, to var -s sum g (x - mean) / (2 (var + epsilon)). In training: s (g - mean g - n mean(g n)) with n the standardised x, and the statistics by the momentum',
  (call) => (call.int('training_mode', 0) === 0 ? inference(call) : training(call)),
);

/** Everything a batch normalisation computes with, in the element type it is computed in. */
function given(call: RuleCall) {
  const x = call.x(0);
  const rank = call.rank(x);
  const work = workType(x);
  // A single axis is one channel.
  const axes = rank < 2 ? [0] : [0, ...axesFrom(2, rank)];
  const wide = (value: Value): Value => cast(value, work);
  return {
    x: wide(x),
    axes,
    scale: wide(call.x(1)),
    epsilon: scalarLike(wide(x), call.float('epsilon', 1e-5)),
    wide,
    back: (bar: Value, index: number): Value => cast(bar, call.x(index).dtype ?? work),
    sum: (value: Value): Value => op.reduceSum(value, ints(...axes), { keepdims: rank < 2 ? 1 : 0 }),
    spread: (vector: Value): Value => overChannels(vector, rank),
  };
}

function inference(call: RuleCall): Bars {
  const { x, scale, epsilon, wide, back, sum, spread } = given(call);
  const g = wide(call.g());
  const deviation = op.sqrt(op.add(wide(call.x(4)), epsilon));
  const slope = op.div(scale, deviation);
  const wantsScale = call.wants(1) || call.wants(4);
  const total = call.wants(2) || call.wants(3) ? sum(g) : undefined;
  const scaleBar = wantsScale ? op.div(sum(op.mul(g, op.sub(x, spread(wide(call.x(3)))))), deviation) : undefined;
  return [
    call.to(0, () => back(op.mul(g, spread(slope)), 0)),
    call.to(1, () => scaleBar && back(scaleBar, 1)),
    call.to(2, () => total && back(total, 2)),
    call.to(3, () => total && back(op.neg(op.mul(total, slope)), 3)),
    call.to(4, () => {
      if (scaleBar === undefined) return undefined;
      const half = op.mul(op.div(slope, deviation), scalarLike(slope, -0.5));
      return back(op.mul(scaleBar, half), 4);
    }),
  ];
}

function training(call: RuleCall): Bars {
  const { x, axes, scale, epsilon, wide, back, sum, spread } = given(call);
  const [g, meanBar, varBar] = [0, 1, 2].map((index) => {
    const bar = call.bars[index];
    return bar === undefined ? undefined : wide(bar);
  });
  const momentum = call.float('momentum', 0.9);
  const kept = (bar: Value | undefined, index: number): Value | undefined =>
    call.to(index, () => bar && back(op.mul(bar, scalarLike(bar, momentum)), index));
  const over = ints(...axes);
  const away = op.sub(x, op.reduceMean(x, over));
  const count = countAlong(x, axes);
  const deviation = op.sqrt(op.add(op.reduceMean(op.mul(away, away), over), epsilon));
  const normal = op.div(away, deviation);
  const bias = g === undefined ? undefined : sum(g);
  const scaleBar = g === undefined ? undefined : sum(op.mul(g, normal));
  return [
    call.to(0, () => {
      const terms: Value[] = [];
      if (g !== undefined && bias !== undefined && scaleBar !== undefined) {
        const shares = op.add(spread(bias), op.mul(normal, spread(scaleBar)));
        terms.push(op.mul(op.div(spread(scale), deviation), op.sub(g, op.div(shares, count))));
      }
      const rate = op.div(scalarLike(x, 1 - momentum), count);
      if (varBar !== undefined) terms.push(op.mul(op.mul(away, scalarLike(x, 2)), spread(op.mul(varBar, rate))));
      if (meanBar !== undefined) terms.push(spread(op.mul(meanBar, rate)));
      const [first, ...more] = terms;
      if (first === undefined) return undefined;
      const all = more.reduce((one, other) => op.add(one, other), first);
      // The mean's co-state alone is the same for all of a channel.
      const whole = g === undefined && varBar === undefined ? op.expand(all, op.shape(x)) : all;
      return back(whole, 0);
    }),
    call.to(1, () => scaleBar && back(scaleBar, 1)),
    call.to(2, () => bias && back(bias, 2)),
    kept(meanBar, 3),
    kept(varBar, 4),
  ];
}
