import type { DType } from '../../files/dtype.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { summedTo } from '../broadcast.ts';
import { fromFront, type Rule, type RuleCall, rule } from '../call.ts';
import { cast, expandTo, ints } from '../pieces.ts';
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
export function lastAxes(call: RuleCall, centred: boolean): readonly (Value | undefined)[] {
  const given = call.x(0);
  const first = call.int('axis', -1);
  const rank = first < 0 ? 0 : call.rank(given);
  // From the back as far as it is said so: the rank need not be known.
  const axes = first < 0 ? axesFrom(first, 0) : axesFrom(fromFront(first, rank), rank);
  return lastAxesBars(call, { x: given, scale: call.x(1), axes, epsilon: call.float('epsilon', 1e-5), centred });
}

interface LastAxes {
  readonly x: Value;
  readonly scale: Value;
  readonly axes: readonly number[];
  readonly epsilon: number;
  readonly centred: boolean;
}

function lastAxesBars(
  call: RuleCall,
  { x: given, scale, axes, epsilon, centred }: LastAxes,
): readonly (Value | undefined)[] {
  const work = workType(given);
  const x = cast(given, work);
  const over = ints(...axes);
  const made = keptStatistics(call, x, work, centred) ?? standardized(x, over, epsilon, centred);
  const back = (bar: Value, index: number): Value => cast(bar, call.x(index).dtype ?? work);
  const wide = (index: number): Value | undefined => {
    const bar = call.bars[index];
    return bar === undefined ? undefined : cast(bar, work);
  };
  const [g, meanBar, inverseBar] = [wide(0), centred ? wide(1) : undefined, wide(centred ? 2 : 1)];
  return [
    call.to(0, () => {
      const terms: Value[] = [];
      if (g !== undefined) terms.push(throughStandardized(op.mul(g, cast(scale, work)), made, over, centred));
      const count = meanBar === undefined && inverseBar === undefined ? undefined : countAlong(x, axes);
      if (inverseBar !== undefined && count !== undefined) {
        const rate = op.div(op.neg(op.mul(inverseBar, op.mul(made.inverse, made.inverse))), count);
        terms.push(op.mul(made.normal, rate));
      }
      if (meanBar !== undefined && count !== undefined) terms.push(op.div(meanBar, count));
      const [one, ...more] = terms;
      if (one === undefined) return undefined;
      const sum = more.reduce((left, right) => op.add(left, right), one);
      return back(expandTo(sum, x), 0);
    }),
    call.to(1, () => (g === undefined ? undefined : back(summedTo(op.mul(g, made.normal), call.x(1)), 1))),
    call.to(2, () => (g === undefined ? undefined : back(summedTo(g, call.x(2)), 2))),
  ];
}

/** What the forward pass says of mean and deviation, where that is as exact as what is computed here. */
function keptStatistics(call: RuleCall, x: Value, work: DType, centred: boolean): Standardized | undefined {
  const mean = centred ? call.node.outputs[1] : undefined;
  const inverse = call.node.outputs[centred ? 2 : 1];
  if (inverse?.dtype !== work || (centred && mean?.dtype !== work)) return undefined;
  const away = mean === undefined ? x : op.sub(x, mean);
  return { normal: op.mul(away, inverse), inverse };
}
