import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Rule, type RuleCall, rule } from '../call.ts';
import { cast, ints, reshapeTo, scalarLike, sizeOf } from '../pieces.ts';
import { axesFrom, countAlong, overChannels, workType } from './standardizing.ts';

type Bars = readonly (Value | undefined)[];

/** Normalisations of each instance, by channel or by groups of them. */
export const channelNormalizationRules: Readonly<Record<string, Rule>> = {
  InstanceNormalization: rule(
    's (g - mean g - n mean(g n)) with n the standardised x, s = scale / deviation; to scale sum g n, to B sum g',
    (call) => {
      const rank = call.rank(call.x(0));
      const x = cast(call.x(0), workType(call.x(0)));
      return perInstance(call, x, overChannels(cast(call.x(1), workType(x)), rank), axesFrom(2, rank), undefined);
    },
  ),
  GroupNormalization: rule(
    'r (h - mean h - n mean(h n)) by groups with h = g scale, n the standardised x; to scale sum g n, to bias sum g',
    (call) => {
      const given = call.x(0);
      const rank = call.rank(given);
      const work = workType(given);
      const groups = call.int('num_groups', 1);
      // As [N, groups, channels of a group, rest].
      const channels = given.shape?.[1];
      const per = typeof channels === 'number' ? channels / groups : -1;
      const shape = op.concat([ints(0, groups, per), restOf(given, rank)], { axis: 0 });
      const x = op.reshape(cast(given, work), shape);
      const scale = op.reshape(cast(call.x(1), work), ints(groups, per, 1));
      return perInstance(call, x, scale, [3], 2);
    },
  ),
};

/** The number of elements of one channel, as a vector of one number. */
function restOf(x: Value, rank: number): Value {
  if (rank === 3) return sizeOf(x, 2);
  const sizes = x.shape?.slice(2) ?? [];
  if (sizes.every((size) => typeof size === 'number'))
    return ints(sizes.reduce<number>((product, size) => product * Number(size), 1));
  return op.reduceProd(op.shape(x, { start: 2 }), undefined, { keepdims: 1 });
}

/**
 * Bars of [X, scale, B] where each number of `scale` (laid out to broadcast against x) belongs to all of the axes `inner`, and what is
 * standardised together are those and the axis `across`. Sums along `inner` come first, and serve all of the inputs.
 */
function perInstance(
  call: RuleCall,
  x: Value,
  scale: Value,
  inner: readonly number[],
  across: number | undefined,
): Bars {
  const over = ints(...inner);
  const all = across === undefined ? over : ints(across, ...inner);
  const g = reshapeTo(cast(call.g(), workType(x)), x);
  const away = op.sub(x, op.reduceMean(x, all));
  const variance = op.reduceMean(op.mul(away, away), all);
  const deviation = op.sqrt(op.add(variance, scalarLike(x, call.float('epsilon', 1e-5))));
  const normal = op.div(away, deviation);
  const mean = op.reduceMean(g, over);
  const along = op.reduceMean(op.mul(g, normal), over);
  const summed = (means: Value, index: number): Value => {
    const sum = op.mul(op.reduceSum(means, ints(0), { keepdims: 0 }), countAlong(x, inner));
    const flat = op.reshape(sum, ints(-1));
    return cast(flat, call.x(index).dtype ?? 'float32');
  };
  return [
    call.to(0, () => {
      const bar =
        across === undefined
          ? op.mul(op.div(scale, deviation), op.sub(op.sub(g, mean), op.mul(normal, along)))
          : groupBar({ g, scale, normal, deviation, mean, along, across });
      return cast(reshapeTo(bar, call.x(0)), call.x(0).dtype ?? 'float32');
    }),
    call.to(1, () => summed(along, 1)),
    call.to(2, () => summed(mean, 2)),
  ];
}

interface Grouped {
  readonly g: Value;
  readonly scale: Value;
  readonly normal: Value;
  readonly deviation: Value;
  readonly mean: Value;
  readonly along: Value;
  readonly across: number;
}

function groupBar({ g, scale, normal, deviation, mean, along, across }: Grouped): Value {
  const overall = (means: Value): Value => op.reduceMean(op.mul(means, scale), ints(across));
  const rest = op.add(overall(mean), op.mul(normal, overall(along)));
  return op.div(op.sub(op.mul(g, scale), rest), deviation);
}
