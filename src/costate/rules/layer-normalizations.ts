import type { DType } from '../../files/dtype.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { summedTo } from '../broadcast.ts';
import { type Rule, type RuleCall, rule } from '../call.ts';
import { balancedSum, cast, expandTo, ints } from '../pieces.ts';
import {
  axesFrom,
  countAlong,
  type Standardized,
  standardized,
  throughStandardized,
  workType,
} from './standardizing.ts';

/** Normalisations along the last axes. */
export const layerNormalizationRules: Readonly<Record<string, Rule>> = {
  LayerNormalization: rule(
    'r (h - mean h - n mean(h n)) with h = g scale, n the standardised x, r = InvStdDev; to Scale sum g n, to B sum g; to x also from Mean and InvStdDev',
    (call) => lastAxes(call, true),
    { note: 'float32 networks keep the Mean and InvStdDev of the forward pass' },
  ),
  RMSNormalization: rule('r (h - n mean(h n)) with h = g scale, n = r x, r = 1 / RMS; to scale sum g n', (call) =>
    lastAxes(call, false),
  ),
  SimplifiedLayerNormalization: rule(
    'as RMSNormalization; to x also from the second output, r',
    (call) => lastAxes(call, false),
    { note: "ONNX Runtime's name for RMSNormalization" },
  ),
};

/** Bars of [X, Scale, B]; the statistics among the outputs are [Y, Mean, InvStdDev] where centred, [Y, InvStdDev] where not. */
function lastAxes(call: RuleCall, centred: boolean): readonly (Value | undefined)[] {
  const x = call.x(0);
  const first = call.int('axis', -1);
  // From the back as far as it is said so: the rank need not be known.
  const rank = first < 0 ? 0 : call.rank(x);
  const mean = centred ? 1 : undefined;
  const inverse = centred ? 2 : 1;
  const bars = normalizedBars({
    x,
    scale: call.x(1),
    axes: axesFrom(first, rank),
    epsilon: call.float('epsilon', 1e-5),
    centred,
    g: call.bars[0],
    meanBar: mean === undefined ? undefined : call.bars[mean],
    inverseBar: call.bars[inverse],
    mean: mean === undefined ? undefined : call.node.outputs[mean],
    inverse: call.node.outputs[inverse],
  });
  return [call.to(0, bars.x), call.to(1, () => bars.scale(call.x(1))), call.to(2, () => bars.bias(call.x(2)))];
}

/** A normalisation along last axes, its co-states, and what the forward pass says of mean and deviation. */
interface Normalization {
  readonly x: Value;
  readonly scale: Value | undefined;
  readonly axes: readonly number[];
  readonly epsilon: number;
  readonly centred: boolean;
  readonly g: Value | undefined;
  readonly meanBar?: Value | undefined;
  readonly inverseBar?: Value | undefined;
  readonly mean?: Value | undefined;
  readonly inverse?: Value | undefined;
}

interface NormalizationBars {
  readonly x: () => Value | undefined;
  readonly scale: (scale: Value) => Value | undefined;
  readonly bias: (bias: Value) => Value | undefined;
}

export function normalizedBars(given: Normalization): NormalizationBars {
  const { axes, epsilon, centred } = given;
  const work = workType(given.x);
  const wide = (value: Value | undefined): Value | undefined => value && cast(value, work);
  const back = (bar: Value, like: Value): Value => cast(bar, like.dtype ?? work);
  const x = cast(given.x, work);
  const over = ints(...axes);
  const made = keptStatistics(given, x, work) ?? standardized(x, over, epsilon, centred);
  const [g, scale, meanBar, inverseBar] = [given.g, given.scale, given.meanBar, given.inverseBar].map(wide);
  return {
    x: () => {
      const terms: Value[] = [];
      if (g !== undefined)
        terms.push(throughStandardized(scale === undefined ? g : op.mul(g, scale), made, over, centred));
      const count = meanBar === undefined && inverseBar === undefined ? undefined : countAlong(x, axes);
      if (inverseBar !== undefined && count !== undefined) {
        const rate = op.div(op.neg(op.mul(inverseBar, op.mul(made.inverse, made.inverse))), count);
        terms.push(op.mul(made.normal, rate));
      }
      if (meanBar !== undefined && count !== undefined) terms.push(op.div(meanBar, count));
      const sum = balancedSum(terms);
      return sum && back(expandTo(sum, x), given.x);
    },
    scale: (like) => g && back(summedTo(op.mul(g, made.normal), like), like),
    bias: (like) => g && back(summedTo(g, like), like),
  };
}

/** What the forward pass says of mean and deviation, where that is as exact as what is computed here. */
function keptStatistics({ mean, inverse, centred }: Normalization, x: Value, work: DType): Standardized | undefined {
  if (inverse?.dtype !== work || (centred && mean?.dtype !== work)) return undefined;
  const away = mean === undefined ? x : op.sub(x, mean);
  return { normal: op.mul(away, inverse), inverse };
}
