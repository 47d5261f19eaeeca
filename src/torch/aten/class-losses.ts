import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { rankOf, scalarOf, sizeAt } from '../lower/sizes.ts';
import { inSingle, like, times } from './kernels.ts';
import { isReal, reduced } from './losses.ts';

const reductions = ['none', 'mean', 'sum'];

/** Scores of classes, with the classes along axis 1: a single example is a batch of one. */
interface Scored {
  readonly x: Value;
  readonly target: Value;
  readonly weight: Value | undefined;
  /** Takes the batch of one away from the losses of single elements. */
  readonly back: (losses: Value) => Value;
}

function scored(call: Call): Scored {
  const x = inSingle(call.tensor('self'));
  const [target, weight] = [call.tensor('target'), call.optionalTensor('weight')];
  const cut = weight === undefined ? undefined : cast(weight, x.dtype ?? 'float32');
  if (rankOf(x) !== 1) return { x, target, weight: cut, back: (losses) => losses };
  const axis = constant([0], 'int64');
  const isNone = call.int('reduction', 1) === 0;
  const back = (losses: Value) => (isNone ? op.squeeze(losses, axis) : losses);
  return { x: op.unsqueeze(x, axis), target: op.unsqueeze(target, axis), weight: cut, back };
}

function attributesOf(call: Call): { reduction: string; ignoreIndex: number } {
  const reduction = reductions[call.int('reduction', 1)];
  if (reduction === undefined) throw call.unsupported('a reduction that is not known');
  return { reduction, ignoreIndex: call.int('ignore_index', -100) };
}

const crossEntropy: Lowering = (call) => {
  const given = scored(call);
  const smoothing = call.float('label_smoothing', 0);
  const { x, target, weight, back } = given;
  if (isReal(target)) return back(ofProbabilities(call, given, smoothing));
  const attributes = attributesOf(call);
  if (smoothing === 0) return back(op.softmaxCrossEntropyLoss(x, target, weight, attributes)[0]);
  const log = op.logSoftmax(x, { axis: 1 });
  const plain = op.negativeLogLikelihoodLoss(log, target, weight, attributes);
  const even = times(smoothed(given, log, attributes), smoothing);
  return back(op.add(times(plain, 1 - smoothing), op.div(even, classes(x))));
};

function classes(x: Value): Value {
  return cast(scalarOf(sizeAt(x, 1)), x.dtype ?? 'float32');
}

/** A weight for each class, broadcast against [N, C, ...]. */
function along(x: Value, weight: Value): Value {
  return op.reshape(weight, constant([-1, ...new Array<number>(rankOf(x) - 2).fill(1)], 'int64'));
}

/** The mean loss over all classes, as if each were the right one: what label smoothing mixes in. */
function smoothed(
  { x, target, weight }: Scored,
  log: Value,
  { reduction, ignoreIndex }: { reduction: string; ignoreIndex: number },
): Value {
  const axis = constant([1], 'int64');
  const losses = op.neg(
    op.reduceSum(weight === undefined ? log : op.mul(log, along(x, weight)), axis, { keepdims: 0 }),
  );
  const counts = op.not(op.equal(target, like(target, ignoreIndex)));
  const kept = op.where(counts, losses, like(losses, 0));
  if (reduction === 'none') return kept;
  const total = op.reduceSum(kept, undefined, { keepdims: 0 });
  return reduction === 'sum' ? total : op.div(total, shares(target, counts, weight, x));
}

/** The weights of the right classes together, those of ignored targets left out. */
function shares(target: Value, counts: Value, weight: Value | undefined, x: Value): Value {
  const one = cast(counts, x.dtype ?? 'float32');
  const index = op.where(counts, target, like(target, 0));
  const each = weight === undefined ? one : op.mul(one, op.gather(weight, index, { axis: 0 }));
  return op.reduceSum(each, undefined, { keepdims: 0 });
}

/** Against probabilities of the classes: -sum t log p, meant over the examples. */
function ofProbabilities(call: Call, { x, target, weight }: Scored, smoothing: number): Value {
  call.ignore('ignore_index');
  const log = op.logSoftmax(x, { axis: 1 });
  const given = cast(target, x.dtype ?? 'float32');
  const mixed = smoothing === 0 ? given : op.add(times(given, 1 - smoothing), op.div(like(x, smoothing), classes(x)));
  const each = op.mul(log, weight === undefined ? mixed : op.mul(mixed, along(x, weight)));
  const losses = op.neg(op.reduceSum(each, constant([1], 'int64'), { keepdims: 0 }));
  return reduced(call, losses);
}

const likelihood: Lowering = (call) => {
  const { x, target, weight, back } = scored(call);
  return back(op.negativeLogLikelihoodLoss(x, target, weight, attributesOf(call)));
};

/** The loss and the weights it was divided by. */
const likelihoodAndWeight: Lowering = (call) => {
  const given = scored(call);
  const { ignoreIndex } = attributesOf(call);
  const counts = op.not(op.equal(given.target, like(given.target, ignoreIndex)));
  const total = call.int('reduction', 1) === 0 ? like(given.x, 0) : shares(given.target, counts, given.weight, given.x);
  return [likelihood(call) as Value, total];
};

/** Each other class nearer than the margin costs what it lacks: sum over j of max(0, margin - x_y + x_j)^p / C. */
const multiMargin: Lowering = (call) => {
  const { x, target, weight, back } = scored(call);
  const axis = constant([1], 'int64');
  const index = op.unsqueeze(target, axis);
  const right = op.gatherElements(x, index, { axis: 1 });
  const lacking = op.relu(op.add(op.sub(x, right), like(x, call.float('margin', 1))));
  const p = call.int('p', 1);
  const powered = p === 1 ? lacking : op.mul(lacking, lacking);
  const place = op.range(constant(0, 'int64'), scalarOf(sizeAt(x, 1)), constant(1, 'int64'));
  const others = op.where(op.equal(place, index), like(x, 0), powered);
  const scale = weight === undefined ? others : op.mul(others, op.gather(weight, index, { axis: 0 }));
  const losses = op.reduceMean(scale, axis, { keepdims: 0 });
  return back(reduced(call, losses));
};

/** Several right classes to an example, listed until the first -1. */
const multilabelMargin: Lowering = (call) => {
  const { x, target, back } = scored(call);
  const ended = cast(op.less(target, like(target, 0)), 'int32');
  const valid = op.equal(op.cumSum(ended, constant(1, 'int64')), constant(0, 'int32'));
  const index = op.where(valid, target, like(target, 0));
  const place = op.range(constant(0, 'int64'), scalarOf(sizeAt(x, 1)), constant(1, 'int64'));
  const [last, middle] = [constant([2], 'int64'), constant([1], 'int64')];
  const hit = op.and(op.equal(op.unsqueeze(index, last), place), op.unsqueeze(valid, last));
  const isTarget = cast(op.reduceMax(cast(hit, 'int32'), middle, { keepdims: 1 }), 'bool');
  const right = op.unsqueeze(op.gatherElements(x, index, { axis: 1 }), last);
  const lacking = op.relu(op.add(op.sub(op.unsqueeze(x, middle), right), like(x, 1)));
  const counts = op.and(op.unsqueeze(valid, last), op.not(isTarget));
  const total = op.reduceSum(op.where(counts, lacking, like(x, 0)), constant([1, 2], 'int64'), { keepdims: 0 });
  return back(reduced(call, op.div(total, classes(x))));
};

export const classLossRules: Rules = {
  'aten.cross_entropy_loss.default': crossEntropy,
  'aten.nll_loss.default': likelihood,
  'aten.nll_loss_nd.default': likelihood,
  'aten.nll_loss2d.default': likelihood,
  'aten.nll_loss_forward.default': likelihoodAndWeight,
  'aten.nll_loss2d_forward.default': likelihoodAndWeight,
  'aten.multi_margin_loss.default': multiMargin,
  'aten.multilabel_margin_loss.default': multilabelMargin,
};
