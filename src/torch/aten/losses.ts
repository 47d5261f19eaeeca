import { isFloat } from '../../files/dtype.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { inSingle, like, plus, throughSingle, times } from './kernels.ts';

/** What becomes of the losses of single elements; PyTorch numbers the ways. */
export function reduced(call: Call, loss: Value): Value {
  const way = call.int('reduction', 1);
  if (way === 0) return loss;
  if (way !== 1 && way !== 2) throw call.unsupported(`reduction=${way}`);
  return way === 1 ? op.reduceMean(loss, undefined, { keepdims: 0 }) : op.reduceSum(loss, undefined, { keepdims: 0 });
}

/** A loss of each element of two tensors, in the element type that PyTorch computes in. */
const pointwise =
  (maker: (x: Value, target: Value, call: Call) => Value, first = 'self'): Lowering =>
  (call) => {
    const [x, target] = call.together(first, 'target') as [Value, Value];
    return reduced(call, maker(inSingle(x), inSingle(target), call));
  };

/** d^2 / 2 up to `delta`, a line from there on: with c = min(|d|, delta), c (|d| - c / 2). */
function huber(x: Value, target: Value, delta: number): Value {
  const distance = op.abs(op.sub(x, target));
  const short = op.clip(distance, undefined, like(x, delta));
  return op.mul(short, op.sub(distance, times(short, 0.5)));
}

/** The logarithm of a probability, held at -100 where that is 0, with a gradient that stays finite there. */
function logOf(p: Value): Value {
  const inside = op.log(op.clip(p, like(p, p.dtype === 'float64' ? 1e-300 : 1.1754943508222875e-38)));
  return op.where(op.greater(p, like(p, 0)), inside, like(p, -100));
}

function softplus(x: Value): Value {
  return throughSingle(x, op.softplus);
}

function weighted(call: Call, loss: Value): Value {
  const weight = call.optionalTensor('weight');
  return weight === undefined ? loss : op.mul(loss, cast(weight, loss.dtype ?? 'float32'));
}

const crossEntropy: Lowering = (call) => {
  const [p, target] = call.together('self', 'target') as [Value, Value];
  const [x, t] = [inSingle(p), inSingle(target)];
  const one = like(x, 1);
  const likelihood = op.add(op.mul(t, logOf(x)), op.mul(op.sub(one, t), logOf(op.sub(one, x))));
  return reduced(call, weighted(call, op.neg(likelihood)));
};

/** (1 - t) x + w softplus(-x), with w = 1 + (pos_weight - 1) t. */
const logits: Lowering = (call) => {
  const [given, target] = call.together('self', 'target') as [Value, Value];
  const [x, t] = [inSingle(given), inSingle(target)];
  const one = like(x, 1);
  const positive = call.optionalTensor('pos_weight');
  const soft = softplus(op.neg(x));
  const right =
    positive === undefined ? soft : op.mul(soft, plus(op.mul(plus(cast(positive, x.dtype ?? 'float32'), -1), t), 1));
  return reduced(call, weighted(call, op.add(op.mul(op.sub(one, t), x), right)));
};

/** t (log t - x), 0 where t is 0. */
function divergence(x: Value, target: Value, call: Call): Value {
  if (call.bool('log_target', false)) return op.mul(op.exp(target), op.sub(target, x));
  const positive = op.greater(target, like(target, 0));
  const log = op.log(op.where(positive, target, like(target, 1)));
  return op.mul(target, op.sub(log, x));
}

function poisson(x: Value, target: Value, call: Call): Value {
  const eps = call.float('eps', 1e-8);
  const plain = call.bool('log_input', true)
    ? op.sub(op.exp(x), op.mul(target, x))
    : op.sub(x, op.mul(target, op.log(plus(x, eps))));
  if (!call.bool('full', false)) return plain;
  // Stirling's approximation of log t!, for t above 1.
  const large = op.greater(target, like(target, 1));
  const t = op.where(large, target, like(target, 1));
  const stirling = op.add(op.sub(op.mul(t, op.log(t)), t), times(op.log(times(t, 2 * Math.PI)), 0.5));
  return op.add(plain, op.where(large, stirling, like(target, 0)));
}

export const lossRules: Rules = {
  'aten.mse_loss.default': pointwise((x, target) => {
    const difference = op.sub(x, target);
    return op.mul(difference, difference);
  }),
  'aten.l1_loss.default': pointwise((x, target) => op.abs(op.sub(x, target))),
  'aten.huber_loss.default': pointwise((x, target, call) => huber(x, target, call.float('delta', 1))),
  'aten.smooth_l1_loss.default': pointwise((x, target, call) => {
    const beta = call.float('beta', 1);
    return beta === 0 ? op.abs(op.sub(x, target)) : times(huber(x, target, beta), 1 / beta);
  }),
  'aten.binary_cross_entropy.default': crossEntropy,
  'aten.binary_cross_entropy_with_logits.default': logits,
  'aten.kl_div.default': pointwise(divergence),
  'aten.poisson_nll_loss.default': pointwise(poisson, 'input'),
  'aten.soft_margin_loss.default': pointwise((x, target) => softplus(op.neg(op.mul(x, target)))),
  'aten.hinge_embedding_loss.default': pointwise((x, target, call) => {
    const zero = like(x, 0);
    const margin = op.max([op.sub(like(x, call.float('margin', 1)), x), zero]);
    const apart = op.where(op.equal(target, like(target, 1)), zero, margin);
    return op.add(apart, op.where(op.equal(target, like(target, -1)), zero, x));
  }),
};

/** A target of indices or truth values is not one of probabilities. */
export function isReal(x: Value): boolean {
  return x.dtype === undefined || isFloat(x.dtype);
}
