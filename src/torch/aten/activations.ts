import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { axisOf, rankOf } from '../lower/sizes.ts';
import { sigmoid } from './elementary.ts';
import { inSingle, like, plus, throughSingle, times } from './kernels.ts';

const unary =
  (maker: (x: Value) => Value): Lowering =>
  (call) =>
    maker(call.tensor('self'));

/** Runtimes have these in single precision alone. */
const single =
  (maker: (x: Value, call: Call) => Value): Lowering =>
  (call) =>
    throughSingle(call.tensor('self'), (x) => maker(x, call));

const logSigmoid: Lowering = unary((x) => softplusOf(x, (y) => op.neg(y), true));

/** softplus(x), or of -x: max(x, 0) + log(1 + exp(-|x|)), which is one operator in single precision. */
function softplusOf(x: Value, after: (y: Value) => Value, negative = false): Value {
  return after(throughSingle(negative ? op.neg(x) : x, op.softplus));
}

/** Which of its results `leaky_relu` and others have for a number instead of NaN. */
export const activationRules: Rules = {
  'aten.leaky_relu.default': single((x, call) => op.leakyRelu(x, { alpha: call.float('negative_slope', 0.01) })),
  'aten.elu.default': (call) => {
    const x = call.tensor('self');
    const [alpha, scale, inner] = [call.float('alpha', 1), call.float('scale', 1), call.float('input_scale', 1)];
    if (scale === 1 && inner === 1) return throughSingle(x, (y) => op.elu(y, { alpha }));
    const below = times(op.clip(x, undefined, like(x, 0)), inner);
    const grown = times(plus(op.exp(below), -1), alpha * scale);
    return op.where(op.greater(x, like(x, 0)), times(x, scale), grown);
  },
  'aten.selu.default': single((x) => op.selu(x)),
  'aten.celu.default': single((x, call) => {
    const alpha = call.float('alpha', 1);
    return cast(op.celu(cast(x, 'float32'), { alpha }), x.dtype ?? 'float32');
  }),
  'aten.gelu.default': single((x, call) => op.gelu(x, { approximate: call.text('approximate', 'none') })),
  'aten.silu.default': unary((x) => op.mul(x, sigmoid(x))),
  'aten.mish.default': single((x) => op.mish(x)),
  'aten.hardswish.default': single((x) => op.hardSwish(x)),
  'aten.hardsigmoid.default': single((x) => op.hardSigmoid(x, { alpha: 1 / 6, beta: 0.5 })),
  'aten.hardshrink.default': (call) => {
    const [x, lambd] = [call.tensor('self'), call.float('lambd', 0.5)];
    return op.where(op.lessOrEqual(op.abs(x), like(x, lambd)), like(x, 0), x);
  },
  'aten.softshrink.default': (call) => {
    const [x, lambd] = [call.tensor('self'), call.float('lambd', 0.5)];
    // What is left of x outside the band: NaN stays.
    return op.sub(x, op.clip(x, like(x, -lambd), like(x, lambd)));
  },
  'aten.tanhshrink.default': unary((x) => op.sub(x, op.tanh(x))),
  'aten.softsign.default': single((x) => op.softsign(x)),
  'aten.softplus.default': (call) => {
    const [x, beta, threshold] = [call.tensor('self'), call.float('beta', 1), call.float('threshold', 20)];
    const scaled = times(x, beta);
    const soft = times(throughSingle(scaled, op.softplus), 1 / beta);
    // Above 20 softplus is the identity to the last bit of float32.
    if (threshold >= 20) return soft;
    return op.where(op.greater(scaled, like(x, threshold)), x, soft);
  },
  'aten.log_sigmoid.default': logSigmoid,
  'aten.log_sigmoid_forward.default': (call) => [logSigmoid(call) as Value, undefined],
  'aten.prelu.default': prelu,
  'aten._prelu_kernel.default': prelu,
  'aten.rrelu.default': rrelu,
  'aten.rrelu_with_noise.default': rrelu,
  'aten.rrelu_with_noise_functional.default': (call) => [rrelu(call), undefined],
  'aten.glu.default': (call) => {
    const x = call.tensor('self');
    const axis = axisOf(call.int('dim', -1), rankOf(x));
    const [left, right] = op.split(x, undefined, { axis, numOutputs: 2 });
    if (left === undefined || right === undefined) throw call.unsupported('an axis that has no halves');
    return op.mul(left, op.sigmoid(right));
  },
};

/** Outside of training a leaky relu with the mean of the slopes. */
function rrelu(call: Call): Value {
  call.ignore('generator', 'noise');
  const [lower, upper] = [call.float('lower', 1 / 8), call.float('upper', 1 / 3)];
  if (call.bool('training', false)) throw call.unsupported('training=True (export in eval mode)');
  return throughSingle(call.tensor('self'), (x) => op.leakyRelu(x, { alpha: (lower + upper) / 2 }));
}

/** The slopes of the channels stand along axis 1, whatever the rank. */
function prelu(call: Call): Value {
  const [x, weight] = [inSingle(call.tensor('self')), inSingle(call.tensor('weight'))];
  const rank = rankOf(x);
  const broadcast = rankOf(weight) !== 1 || rank < 2 ? weight : op.reshape(weight, constant(channels(rank), 'int64'));
  const slope = rank === 0 && rankOf(weight) === 1 ? op.reshape(weight, constant([], 'int64')) : broadcast;
  if (x.dtype === 'float64') return op.where(op.greater(x, like(x, 0)), x, op.mul(slope, x));
  return op.pRelu(x, slope);
}

/** [-1, 1, 1, ...]: of a weight of shape [C], broadcast against [N, C, ...]. */
function channels(rank: number): number[] {
  return [-1, ...new Array<number>(Math.max(rank - 2, 0)).fill(1)];
}
