import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { rankOf } from '../lower/sizes.ts';
import { inSingle, like, plus } from './kernels.ts';
import { reduced } from './losses.ts';

/** The named tensors in one floating-point type. */
function together(call: Call, ...names: readonly string[]): Value[] {
  const dtype = call.promoted(...names);
  return names.map((name) => inSingle(cast(call.tensor(name), dtype)));
}

const ranking: Lowering = (call) => {
  const [a, b, target] = together(call, 'input1', 'input2', 'target') as [Value, Value, Value];
  const short = plus(op.mul(op.neg(target), op.sub(a, b)), call.float('margin', 0));
  return reduced(call, op.relu(short));
};

const cosine: Lowering = (call) => {
  const [a, b] = together(call, 'input1', 'input2') as [Value, Value];
  const target = call.tensor('target');
  const axes = constant([rankOf(target) === 0 ? 0 : 1], 'int64');
  const product = (x: Value, y: Value) => op.reduceSum(op.mul(x, y), axes, { keepdims: 0 });
  // As PyTorch keeps it from dividing by 0.
  const norms = op.mul(plus(product(a, a), 1e-12), plus(product(b, b), 1e-12));
  const likeness = op.div(product(a, b), op.sqrt(norms));
  const apart = op.relu(plus(likeness, -call.float('margin', 0)));
  const zero = like(likeness, 0);
  const same = op.where(op.equal(target, like(target, 1)), op.sub(like(likeness, 1), likeness), zero);
  return reduced(call, op.add(same, op.where(op.equal(target, like(target, -1)), apart, zero)));
};

const triplet: Lowering = (call) => {
  const [anchor, positive, negative] = together(call, 'anchor', 'positive', 'negative') as [Value, Value, Value];
  const [p, eps] = [call.float('p', 2), call.float('eps', 1e-6)];
  const near = distance(anchor, positive, p, eps);
  const far = distance(anchor, negative, p, eps);
  const farthest = call.bool('swap', false) ? op.min([far, distance(positive, negative, p, eps)]) : far;
  return reduced(call, op.relu(plus(op.sub(near, farthest), call.float('margin', 1))));
};

/** The p-norm of a - b + eps along the last axis. */
function distance(a: Value, b: Value, p: number, eps: number): Value {
  const axes = constant([-1], 'int64');
  const difference = plus(op.sub(a, b), eps);
  if (p === 2) return op.reduceL2(difference, axes, { keepdims: 0 });
  if (p === 1) return op.reduceL1(difference, axes, { keepdims: 0 });
  if (p === Number.POSITIVE_INFINITY) return op.reduceMax(op.abs(difference), axes, { keepdims: 0 });
  const powers = op.reduceSum(op.pow(op.abs(difference), like(a, p)), axes, { keepdims: 0 });
  return op.pow(powers, like(a, 1 / p));
}

export const distanceLossRules: Rules = {
  'aten.margin_ranking_loss.default': ranking,
  'aten.cosine_embedding_loss.default': cosine,
  'aten.triplet_margin_loss.default': triplet,
};
