import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { rankOf } from '../lower/sizes.ts';
import { batched, sides, spatial } from './spatial.ts';

interface Weights {
  readonly x: Value;
  readonly weight: Value;
  readonly bias: Value | undefined;
  /** Spatial axes. */
  readonly count: number;
}

function weightsOf(call: Call, input = 'input'): Weights {
  const weight = call.tensor('weight');
  return { x: call.tensor(input), weight, bias: call.optionalTensor('bias'), count: rankOf(weight) - 2 };
}

/** A convolution of any number of axes with padding in numbers; [C, ...] is a batch of one. */
const plain: Lowering = (call) => {
  const given = weightsOf(call);
  return convolved(call, given, sides(spatial(call, 'padding', given.count, [0])));
};

/** Padding by name. */
const named: Lowering = (call) => {
  const given = weightsOf(call);
  const padding = call.text('padding', 'valid');
  if (padding === 'valid') return convolved(call, given, sides(new Array<number>(given.count).fill(0)));
  if (padding !== 'same') throw call.unsupported(`padding='${padding}'`);
  const dilation = spatial(call, 'dilation', given.count, [1]);
  const total = kernelOf(call, given).map((size, axis) => (dilation[axis] ?? 1) * (size - 1));
  // The odd one stands behind, as in PyTorch (SAME_UPPER of ONNX).
  const before = total.map((size) => Math.floor(size / 2));
  return convolved(call, given, [...before, ...total.map((size, axis) => size - (before[axis] ?? 0))]);
};

function convolved(call: Call, { x, weight, bias, count }: Weights, pads: readonly number[]): Value {
  const attributes = {
    strides: spatial(call, 'stride', count, [1]),
    dilations: spatial(call, 'dilation', count, [1]),
    group: call.int('groups', 1),
    pads,
  };
  return batched(x, count + 2, (batch) => inRuntimes(batch, weight, bias, (...given) => op.conv(...given, attributes)));
}

/** Runtimes have convolutions of single precision alone: float64 goes through it. */
function inRuntimes(
  x: Value,
  weight: Value,
  bias: Value | undefined,
  maker: (x: Value, weight: Value, bias: Value | undefined) => Value,
): Value {
  if (x.dtype !== 'float64') return maker(x, weight, bias);
  const single = (value: Value) => cast(value, 'float32');
  return cast(maker(single(x), single(weight), bias === undefined ? undefined : single(bias)), 'float64');
}

function kernelOf(call: Call, { weight }: Weights): number[] {
  return (weight.shape ?? []).slice(2).map((size) => {
    if (typeof size === 'number') return size;
    throw call.unsupported('weights of a size that is not known');
  });
}

const transposed: Lowering = (call) => transposedOf(call, weightsOf(call));

function transposedOf(call: Call, { x, weight, bias, count }: Weights): Value {
  const attributes = {
    strides: spatial(call, 'stride', count, [1]),
    dilations: spatial(call, 'dilation', count, [1]),
    outputPadding: spatial(call, 'output_padding', count, [0]),
    group: call.int('groups', 1),
    pads: sides(spatial(call, 'padding', count, [0])),
  };
  return batched(x, count + 2, (batch) =>
    inRuntimes(batch, weight, bias, (...given) => op.convTranspose(...given, attributes)),
  );
}

/** Both kinds in one operator, as decompositions leave it. */
const either: Lowering = (call) => {
  call.ignore('benchmark', 'deterministic', 'cudnn_enabled', 'allow_tf32');
  if (call.bool('transposed', false)) return transposed(call);
  call.ignore('output_padding');
  return plain(call);
};

export const convolutionRules: Rules = {
  'aten.conv1d.default': plain,
  'aten.conv2d.default': plain,
  'aten.conv3d.default': plain,
  'aten.conv1d.padding': named,
  'aten.conv2d.padding': named,
  'aten.conv3d.padding': named,
  'aten._convolution_mode.default': named,
  'aten.conv_transpose1d.default': transposed,
  'aten.conv_transpose2d.input': transposed,
  'aten.conv_transpose3d.input': transposed,
  'aten.convolution.default': either,
  'aten._convolution.default': either,
  'aten._convolution.deprecated': either,
};
