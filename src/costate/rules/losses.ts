import { fromNumbers } from '../../files/tensor.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Rule, type RuleCall, rule } from '../call.ts';
import { cast, expandTo, int, ints, numbers, scalarLike, sizeOf, sumOver } from '../pieces.ts';
import { axesFrom, countAlong } from './standardizing.ts';

/** Losses of classification. k is what the loss's co-state gives each sample: g w of its label, in a mean over the sum of all w. */
export const lossRules: Readonly<Record<string, Rule>> = {
  SoftmaxCrossEntropyLoss: rule(
    '(softmax - [class is the label]) k; to weights the loss of each sample by its label, g each; to scores also h - softmax sum h from log_prob',
    (call) => {
      const [g, h] = call.bars;
      const logs = call.node.outputs[1] ?? op.logSoftmax(call.x(0), { axis: 1 });
      const loss = g === undefined ? undefined : lossOf(call, g);
      return [
        call.to(0, () => {
          const terms: Value[] = [];
          const chances = op.exp(logs);
          if (loss !== undefined) terms.push(op.mul(op.sub(chances, numbers(loss.isLabel, chances)), loss.share()));
          if (h !== undefined) terms.push(op.sub(h, op.mul(chances, sumOver(h, ints(1), true))));
          const [one, other] = terms;
          return one === undefined || other === undefined ? one : op.add(one, other);
        }),
        undefined,
        call.to(2, () => loss?.toWeights(logs)),
      ];
    },
    { note: 'samples of ignore_index pass nothing' },
  ),
  NegativeLogLikelihoodLoss: rule(
    '-k at the label, 0 elsewhere; to weight the loss of each sample by its label, g each',
    (call) => {
      const loss = lossOf(call, call.g());
      return [
        call.to(0, () => {
          const bar = op.where(loss.isLabel, op.neg(loss.share()), scalarLike(call.g(), 0));
          return expandTo(bar, call.x(0));
        }),
        undefined,
        call.to(2, () => loss.toWeights(call.x(0))),
      ];
    },
    { note: 'samples of ignore_index pass nothing' },
  ),
};

interface Loss {
  /** Whether a class is its sample's label: [N, C, d1, ...]. */
  readonly isLabel: Value;
  /** k, to broadcast against [N, C, d1, ...]. */
  readonly share: () => Value;
  /** The co-state of the weights, from the logarithms of the probabilities. */
  readonly toWeights: (logs: Value) => Value;
}

function lossOf(call: RuleCall, g: Value): Loss {
  const [scores, labels, weights] = [call.x(0), call.x(1), call.maybe(2)];
  const rank = call.rank(scores);
  const reduction = call.text('reduction', 'mean');
  const nothing = scalarLike(g, 0);
  const keep = call.node.attributes.has('ignore_index')
    ? op.not(op.equal(labels, like(labels, [call.int('ignore_index', 0)], [])))
    : undefined;
  const isLabel = op.equal(op.unsqueeze(labels, ints(1)), classes(scores, labels, rank));
  // What is divided by a sum of no weights at all is kept from the rest by a choice, not by a product.
  const kept = (value: Value): Value => (keep === undefined ? value : op.where(keep, value, nothing));
  const each = sampleWeights(labels, weights, keep, g);
  const perWeight =
    reduction === 'mean' ? op.div(g, each === undefined ? countOf(scores, rank) : sumOver(each, undefined, false)) : g;
  const spread = (value: Value): Value =>
    value.shape?.length === 0 || rank === 1 ? value : op.unsqueeze(value, ints(1));
  return {
    isLabel,
    share: () =>
      spread(each === undefined ? perWeight : kept(weights === undefined ? perWeight : op.mul(perWeight, each))),
    toWeights: (logs) => {
      const losses = reduction === 'mean' ? op.add(logs, call.y()) : logs;
      const hit = keep === undefined ? isLabel : op.and(isLabel, op.unsqueeze(keep, ints(1)));
      const all = op.where(hit, op.mul(losses, spread(perWeight)), nothing);
      return op.neg(sumOver(all, ints(0, ...axesFrom(2, rank)), false));
    },
  };
}

/** The weight of each sample; undefined where each is 1. */
function sampleWeights(
  labels: Value,
  weights: Value | undefined,
  keep: Value | undefined,
  g: Value,
): Value | undefined {
  if (weights === undefined) return keep && numbers(keep, g);
  if (keep === undefined) return op.gather(weights, labels);
  // A label that is ignored need not be one of the classes.
  const safe = op.where(keep, labels, like(labels, [0], []));
  return op.where(keep, op.gather(weights, safe), scalarLike(g, 0));
}

/** 0, 1, ... as [C, 1, ...]. */
function classes(scores: Value, labels: Value, rank: number): Value {
  const count = scores.shape?.[1];
  const after = axesFrom(2, rank);
  if (typeof count === 'number') {
    const numbers = Array.from({ length: count }, (_, index) => index);
    return like(labels, numbers, [count, ...after.map(() => 1)]);
  }
  const all = op.range(int(0), op.squeeze(sizeOf(scores, 1), ints(0)), int(1));
  const numbers = cast(all, labels.dtype ?? 'int64');
  return after.length === 0 ? numbers : op.unsqueeze(numbers, ints(...after.map((axis) => axis - 1)));
}

function countOf(scores: Value, rank: number): Value {
  return countAlong(scores, [0, ...axesFrom(2, rank)]);
}

function like(labels: Value, numbers: readonly number[], shape: readonly number[]): Value {
  return constant(fromNumbers(labels.dtype ?? 'int64', shape, numbers));
}
