import { ints } from '../../../ops/precision.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Rules } from '../lower/rule.ts';
import { rankOf, sizesOf } from '../lower/sizes.ts';
import { inSingle, like, plus } from './kernels.ts';
import { filled, perChannel, shapedAs } from './statistics.ts';

/** The difference between 1 and the next number of PyTorch's element types: what `rms_norm` adds where it is not told. */
const machineEpsilon: Readonly<Record<string, number>> = {
  float16: 2 ** -10,
  bfloat16: 2 ** -7,
  float32: 2 ** -23,
  float64: 2 ** -52,
};

export const normRules: Rules = {
  'aten.layer_norm.default': (call) => layerNorm(call.ignore('cudnn_enable'))[0],
  'aten.native_layer_norm.default': (call) => layerNorm(call),
  'aten.rms_norm.default': (call) => rmsNorm(call)[0],
  'aten._fused_rms_norm.default': (call) => rmsNorm(call),
  'aten.group_norm.default': (call) => {
    call.ignore('cudnn_enabled');
    return groupNorm(call, call.int('num_groups'))[0];
  },
  'aten.native_group_norm.default': (call) => groupNorm(call.ignore('N', 'C', 'HxW'), call.int('group')),
};

/** Normalised over the last axes: the result, its mean and the inverse of its deviation, [.., 1, 1]. */
function layerNorm(call: Call): [Value, Value, Value] {
  const x = call.tensor('input');
  const shape = call.ints('normalized_shape');
  const dtype = x.dtype ?? 'float32';
  const scale = call.optionalTensor('weight') ?? filled(dtype, shape, 1);
  const shift = call.optionalTensor('bias');
  return op.layerNormalization(x, cast(scale, dtype), shift === undefined ? undefined : cast(shift, dtype), {
    axis: rankOf(x) - shape.length,
    epsilon: call.float('eps', 1e-5),
  });
}

/** x / sqrt(mean x^2 + eps) * weight and 1 / sqrt(..), written as ONNX Runtime knows it to be SimplifiedLayerNormalization. */
function rmsNorm(call: Call): [Value, Value] {
  const given = call.tensor('input');
  const shape = call.ints('normalized_shape');
  const [x, dtype] = [inSingle(given), given.dtype ?? 'float32'];
  const eps = call.has('eps') ? call.float('eps') : machineEpsilon[call.meta('input')?.dtype ?? dtype];
  const axes = ints(...shape.map((_, axis) => axis + rankOf(x) - shape.length));
  // Of float64 ONNX Runtime fuses a norm that is wrong from the third digit on: it does not know the square by this form.
  const square = x.dtype === 'float64' ? op.mul(x, x) : op.pow(x, like(x, 2));
  const root = op.sqrt(plus(op.reduceMean(square, axes, { keepdims: true }), eps ?? 0));
  const unit = cast(op.div(x, root), dtype);
  // Without a product the fusion does not see the norm.
  const weight = call.optionalTensor('weight') ?? filled(dtype, shape, 1);
  return [op.mul(unit, cast(weight, dtype)), op.reciprocal(root)];
}

/** Normalised over the channels of each group and the places: the result, and mean and inverse deviation [batch, groups]. */
function groupNorm(call: Call, groups: number): [Value, Value, Value] {
  const x = call.tensor('input');
  const rows = op.reshape(x, constant([0, groups, -1], 'int64'));
  const eps = call.float('eps', 1e-5);
  const unit = shapedAs(standardized(rows, groups, eps), x, sizesOf(x));
  const [weight, bias] = [call.optionalTensor('weight'), call.optionalTensor('bias')];
  const scaled = weight === undefined ? unit : op.mul(unit, perChannel(weight, x));
  const output = bias === undefined ? scaled : op.add(scaled, perChannel(bias, x));
  const wide = inSingle(rows);
  const mean = op.reduceMean(wide, ints(2), { keepdims: true });
  const centred = op.sub(wide, mean);
  const variance = op.reduceMean(op.mul(centred, centred), ints(2), { keepdims: false });
  return [output, op.squeeze(mean, ints(2)), op.reciprocal(op.sqrt(plus(variance, eps)))];
}

/** Rows [batch, count, places], each of mean 0 and deviation 1. */
export function standardized(rows: Value, count: number, eps: number): Value {
  const dtype = rows.dtype ?? 'float32';
  if (dtype !== 'float64')
    return op.instanceNormalization(rows, filled(dtype, [count], 1), filled(dtype, [count], 0), { epsilon: eps });
  // ONNX Runtime has no InstanceNormalization of float64.
  const centred = op.sub(rows, op.reduceMean(rows, ints(2), { keepdims: true }));
  const variance = op.reduceMean(op.mul(centred, centred), ints(2), { keepdims: true });
  return op.div(centred, op.sqrt(plus(variance, eps)));
}
