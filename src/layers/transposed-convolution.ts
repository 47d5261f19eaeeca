import { ints } from '../../ops/precision.ts';
import { HopfcoleError } from '../files/error.ts';
import * as op from '../graph/op.ts';
import type { Value } from '../graph/value.ts';
import {
  type ConvolutionOptions,
  channelsOf,
  divides,
  expectGroups,
  expectImage,
  inFloat64,
  kernelOf,
} from './convolution.ts';
import { fanInUniform } from './initial.ts';
import { layer, type Module } from './module.ts';
import { padded, perAxis, type Sizes, spatialOf, type Windows } from './windows.ts';

export interface TransposedConvolutionOptions extends Omit<ConvolutionOptions, 'padding' | 'paddingMode'> {
  /** What the output loses on both sides. Default 0. */
  readonly padding?: Sizes | undefined;
  /** What the output gains after each axis, less than its stride or dilation. Default 0. */
  readonly outputPadding?: Sizes | undefined;
}

/** nn.ConvTranspose1d: x [batch, in, length]; parameters `weight` [in, out/groups, kernel] and `bias` [out]. */
export function convTranspose1d(module: Module, x: Value, options: TransposedConvolutionOptions = {}): Value {
  return layer(convTranspose1d, module, 'conv-transpose1d', () => transposed(module, x, 1, options));
}

/** nn.ConvTranspose2d: x [batch, in, height, width]; parameters `weight` [in, out/groups, kernel, kernel] and `bias` [out]. */
export function convTranspose2d(module: Module, x: Value, options: TransposedConvolutionOptions = {}): Value {
  return layer(convTranspose2d, module, 'conv-transpose2d', () => transposed(module, x, 2, options));
}

/** nn.ConvTranspose3d: x [batch, in, depth, height, width]; parameters `weight` [in, out/groups, kernel, kernel, kernel] and `bias` [out]. */
export function convTranspose3d(module: Module, x: Value, options: TransposedConvolutionOptions = {}): Value {
  return layer(convTranspose3d, module, 'conv-transpose3d', () => transposed(module, x, 3, options));
}

/** The transpose of a convolution with the same weight. Sizes: (n - 1) stride - 2 padding + dilation (kernel - 1) + outputPadding + 1. */
function transposed(module: Module, x: Value, axes: number, options: TransposedConvolutionOptions): Value {
  const { groups = 1, bias = true } = options;
  const stored = module.shapeOf('weight');
  expectImage(module, x, axes);
  expectGroups(module, groups);
  const channels = channelsOf(module, x, options.in, stored?.[0]);
  const out = options.out ?? module.size(undefined, 'out', 'weight', 1) * groups;
  divides(module, groups, { in: channels, out });
  const kernel = kernelOf(module, options.kernel, axes);
  const stride = perAxis(module, options.stride ?? 1, axes, 'stride');
  const dilation = perAxis(module, options.dilation ?? 1, axes, 'dilation');
  const padding = perAxis(module, options.padding ?? 0, axes, 'padding', 0);
  const extra = perAxis(module, options.outputPadding ?? 0, axes, 'outputPadding', 0);
  const windows = { kernel, stride, dilation, before: padding, after: padding };
  expectExtra(module, x, windows, extra);
  // As PyTorch counts it: by the second axis of the weight.
  const fanIn = (out / groups) * kernel.reduce((all, size) => all * size, 1);
  const W = module.parameter('weight', [channels, out / groups, ...kernel], options.initial ?? fanInUniform(fanIn));
  const b = bias ? module.parameter('bias', [out], fanInUniform(fanIn)) : undefined;
  if (module.dtype === 'float64')
    return module.mark(asConvolution(x, W, b, windows, extra, groups, out, channels), 'convolution', reading);
  const z = op.convTranspose(x, W, b, {
    kernelShape: kernel,
    strides: stride,
    dilations: dilation,
    pads: [...padding, ...padding],
    outputPadding: extra,
    group: groups,
  });
  return module.mark(z, 'convolution', reading);
}

const reading = { equation: "z = W' * x + b, the transpose of a convolution", latex: 'z = W^\\top * x + b' };

/**
 * In float64, for which ONNX Runtime's CPU has no ConvTranspose: zeros between the entries, and a convolution with the kernel turned round and its
 * channels exchanged.
 */
function asConvolution(
  x: Value,
  W: Value,
  b: Value | undefined,
  { kernel, stride, dilation, before }: Windows,
  extra: readonly number[],
  groups: number,
  out: number,
  channels: number,
): Value {
  const turned = kernel.map((_, axis) => axis + 2);
  const grouped = op.reshape(W, ints(groups, channels / groups, out / groups, ...kernel));
  const exchanged = op.transpose(grouped, { perm: [0, 2, 1, ...turned.map((axis) => axis + 1)] });
  const weight = op.slice(
    op.reshape(exchanged, ints(out, channels / groups, ...kernel)),
    ints(...turned.map(() => -1)),
    ints(...turned.map(() => -(2 ** 31))),
    ints(...turned),
    ints(...turned.map(() => -1)),
  );
  const spread = stride.reduce((image, step, axis) => (step === 1 ? image : spreadOut(image, axis + 2, step)), x);
  const rims = kernel.map((size, axis) => (dilation[axis] ?? 1) * (size - 1) - (before[axis] ?? 0));
  const ones = kernel.map(() => 1);
  const rimmed = padded(
    spread,
    { kernel, stride: ones, dilation, before: rims, after: rims.map((rim, axis) => rim + (extra[axis] ?? 0)) },
    0,
  );
  const none = kernel.map(() => 0);
  const windows = { kernel, stride: ones, dilation, before: none, after: none };
  return inFloat64(rimmed, weight, b, windows, groups, out, channels);
}

/** step - 1 zeros between the entries of an axis. */
function spreadOut(x: Value, axis: number, step: number): Value {
  const rank = x.shape?.length ?? axis + 1;
  const apart = op.unsqueeze(x, ints(axis + 1));
  const pads = Array<number>(2 * (rank + 1)).fill(0);
  pads[rank + 1 + axis + 1] = step - 1;
  const filled = op.pad(apart, ints(...pads));
  const shape = op.shape(x);
  const before = op.slice(shape, ints(0), ints(axis), ints(0));
  const after = op.slice(shape, ints(axis + 1), ints(rank), ints(0));
  const joined = op.reshape(filled, op.concat([before, ints(-1), after], { axis: 0 }));
  return op.slice(joined, ints(0), ints(1 - step), ints(axis));
}

/** @throws BAD_ARGUMENT, SHAPE_MISMATCH for paddings that PyTorch does not take either, or that leave nothing. */
function expectExtra(module: Module, x: Value, windows: Windows, extra: readonly number[]): void {
  const { kernel, stride, dilation, before } = windows;
  for (const [axis, size] of extra.entries()) {
    const [step, spacing] = [stride[axis] ?? 1, dilation[axis] ?? 1];
    if (size >= Math.max(step, spacing))
      throw new HopfcoleError(
        'BAD_ARGUMENT',
        `${module.describe()}: expected "outputPadding" below its stride or dilation, ${Math.max(step, spacing)}, got ${size}`,
        { argument: 'outputPadding' },
      );
    const from = spatialOf(x)[axis];
    if (from === undefined) continue;
    const to = (from - 1) * step - 2 * (before[axis] ?? 0) + spacing * ((kernel[axis] ?? 1) - 1) + size + 1;
    if (from < 1 || to < 1) throw module.misfit(x, `an axis ${axis + 2} of which padding leaves something`);
  }
}
