import { ints } from '../../ops/precision.ts';
import { HopfcoleError } from '../files/error.ts';
import * as op from '../graph/op.ts';
import type { Value } from '../graph/value.ts';
import { fanInUniform, type Initial } from './initial.ts';
import { layer, type Module } from './module.ts';
import {
  expectWindow,
  padded,
  padsOf,
  perAxis,
  reach,
  type Sizes,
  spatialOf,
  unfolded,
  type Windows,
} from './windows.ts';

export const paddingModes = ['zeros', 'reflect', 'replicate', 'circular'] as const;
export type PaddingMode = (typeof paddingModes)[number];

export interface ConvolutionOptions {
  /** Input channels; default: those of `x`. */
  readonly in?: number | undefined;
  /** Output channels; may be left out where a checkpoint says them. */
  readonly out?: number | undefined;
  /** Sizes of the kernel; may be left out where a checkpoint says them. */
  readonly kernel?: Sizes | undefined;
  /** Default 1. */
  readonly stride?: Sizes | undefined;
  /** On both sides, 'same' (stride 1 alone) or 'valid' (none). Default 0. */
  readonly padding?: Sizes | 'same' | 'valid' | undefined;
  /** What stands around the image; default zeros. */
  readonly paddingMode?: PaddingMode | undefined;
  /** Default 1. */
  readonly dilation?: Sizes | undefined;
  /** Default 1. */
  readonly groups?: number | undefined;
  /** Default true. */
  readonly bias?: boolean | undefined;
  /** How a fresh weight starts; default as nn.Conv2d's. */
  readonly initial?: Initial | undefined;
}

const modes = { zeros: 'constant', reflect: 'reflect', replicate: 'edge', circular: 'wrap' } as const;

/** nn.Conv1d: x [batch, in, length] -> [batch, out, length']; parameters `weight` [out, in/groups, kernel] and `bias` [out]. */
export function conv1d(module: Module, x: Value, options: ConvolutionOptions = {}): Value {
  return layer(conv1d, module, 'conv1d', () => convolution(module, x, 1, options));
}

/** nn.Conv2d: x [batch, in, height, width]; parameters `weight` [out, in/groups, kernel, kernel] and `bias` [out]. */
export function conv2d(module: Module, x: Value, options: ConvolutionOptions = {}): Value {
  return layer(conv2d, module, 'conv2d', () => convolution(module, x, 2, options));
}

/** nn.Conv3d: x [batch, in, depth, height, width]; parameters `weight` [out, in/groups, kernel, kernel, kernel] and `bias` [out]. */
export function conv3d(module: Module, x: Value, options: ConvolutionOptions = {}): Value {
  return layer(conv3d, module, 'conv3d', () => convolution(module, x, 3, options));
}

/** z = W * x + b, a carrier: the equations are in the units after it. @throws SHAPE_MISMATCH naming both layers, BAD_SPEC, BAD_ARGUMENT. */
function convolution(module: Module, x: Value, axes: number, options: ConvolutionOptions): Value {
  const { groups = 1, paddingMode = 'zeros', bias = true } = options;
  const stored = module.shapeOf('weight');
  expectImage(module, x, axes);
  expectGroups(module, groups);
  const channels = channelsOf(module, x, options.in, stored?.[1] === undefined ? undefined : stored[1] * groups);
  const out = module.size(options.out, 'out', 'weight', 0);
  divides(module, groups, { in: channels, out });
  const kernel = kernelOf(module, options.kernel, axes);
  const windows = windowsOf(module, kernel, options);
  expectWindow(module, x, windows);
  const fanIn = (channels / groups) * kernel.reduce((all, size) => all * size, 1);
  const W = module.parameter('weight', [out, channels / groups, ...kernel], options.initial ?? fanInUniform(fanIn));
  const b = bias ? module.parameter('bias', [out], fanInUniform(fanIn)) : undefined;
  const isPadded = paddingMode === 'zeros';
  if (!isPadded) expectRim(module, x, windows, paddingMode);
  const image = isPadded ? x : padded(x, windows, 0, modes[paddingMode]);
  const none = kernel.map(() => 0);
  const inside = isPadded ? windows : { ...windows, before: none, after: none };
  const z =
    module.dtype === 'float64'
      ? inFloat64(image, W, b, inside, groups, out, channels)
      : op.conv(image, W, b, {
          kernelShape: kernel,
          strides: windows.stride,
          dilations: windows.dilation,
          pads: padsOf(inside),
          group: groups,
        });
  return module.mark(z, 'convolution');
}

/** ONNX Runtime's CPU convolves in float32 alone: in float64 the windows are laid out, and one product per group gives all outputs. */
export function inFloat64(
  x: Value,
  W: Value,
  b: Value | undefined,
  windows: Windows,
  groups: number,
  out: number,
  channels: number,
): Value {
  // [batch, channels, entries, ..] -> [batch, groups, channels/groups * entries, places]
  const columns = unfolded(x, windows, 0);
  const [batch, places] = [part(columns, 0, 1), part(columns, 3, 2 ** 31)];
  const entries = windows.kernel.reduce((all, size) => all * size, 1);
  const inner = (channels / groups) * entries;
  const rows = op.reshape(columns, op.concat([batch, ints(groups, inner, -1)], { axis: 0 }));
  const z = op.matMul(op.reshape(W, ints(groups, out / groups, inner)), rows);
  const image = op.reshape(z, op.concat([batch, ints(out), places], { axis: 0 }));
  return b === undefined ? image : op.add(image, op.reshape(b, ints(out, ...windows.kernel.map(() => 1))));
}

/** Some of the sizes of a value, for a Reshape. */
function part(x: Value, start: number, end: number): Value {
  return op.slice(op.shape(x), ints(start), ints(end), ints(0));
}

function windowsOf(module: Module, kernel: readonly number[], options: ConvolutionOptions): Windows {
  const { padding = 0 } = options;
  const stride = perAxis(module, options.stride ?? 1, kernel.length, 'stride');
  const dilation = perAxis(module, options.dilation ?? 1, kernel.length, 'dilation');
  if (padding !== 'same') {
    const pads = perAxis(module, padding === 'valid' ? 0 : padding, kernel.length, 'padding', 0);
    return { kernel, stride, dilation, before: pads, after: pads };
  }
  if (stride.some((step) => step !== 1))
    throw new HopfcoleError('BAD_ARGUMENT', `${module.describe()}: padding 'same' needs stride 1, got ${stride}`, {
      argument: 'padding',
    });
  const whole = reach({ kernel, dilation }).map((size) => size - 1);
  const before = whole.map((size) => Math.floor(size / 2));
  return { kernel, stride, dilation, before, after: whole.map((size, axis) => size - (before[axis] ?? 0)) };
}

/** @throws SHAPE_MISMATCH where the rim that an image is continued by is longer than the image. */
function expectRim(module: Module, x: Value, { before, after }: Windows, mode: PaddingMode): void {
  for (const [axis, size] of spatialOf(x).entries()) {
    const rim = Math.max(before[axis] ?? 0, after[axis] ?? 0) + (mode === 'reflect' ? 1 : 0);
    if (size !== undefined && size < rim && mode !== 'replicate')
      throw module.misfit(x, `at least ${rim} on axis ${axis + 2}, which ${mode} padding needs`);
  }
}

/** @throws SHAPE_MISMATCH where the input is no image of that many axes. */
export function expectImage(module: Module, x: Value, axes: number): void {
  const names = [
    '[batch, channels, length]',
    '[batch, channels, height, width]',
    '[batch, channels, depth, height, width]',
  ];
  module.rank(x, [axes + 2], names[axes - 1] ?? '');
}

export function expectGroups(module: Module, groups: number): void {
  if (Number.isInteger(groups) && groups >= 1) return;
  throw new HopfcoleError('BAD_ARGUMENT', `${module.describe()}: expected "groups" of at least 1, got ${groups}`, {
    argument: 'groups',
  });
}

/** @throws BAD_ARGUMENT where the groups do not divide the channels. */
export function divides(module: Module, groups: number, channels: { readonly in: number; readonly out: number }): void {
  for (const field of ['in', 'out'] as const)
    if (channels[field] % groups !== 0)
      throw new HopfcoleError(
        'BAD_ARGUMENT',
        `${module.describe()} divides ${channels[field]} channels ("${field}") among ${groups} groups`,
        { argument: 'groups' },
        `${channels[field]} must be a multiple of "groups"`,
      );
}

/** The channels on axis 1. @throws SHAPE_MISMATCH naming both layers where they are not those said or stored. */
export function channelsOf(module: Module, x: Value, said: number | undefined, stored: number | undefined): number {
  const own = x.shape?.[1];
  const channels = said ?? stored ?? (typeof own === 'number' ? own : undefined);
  if (channels === undefined)
    throw new HopfcoleError('BAD_SPEC', `${module.describe()} does not say "in", its channels`, {}, 'Add "in"');
  if (typeof own === 'number' && own !== channels) throw module.misfit(x, `${channels} channels on axis 1`);
  return channels;
}

/** The kernel said, or stored. @throws BAD_SPEC where neither says it. */
export function kernelOf(module: Module, said: Sizes | undefined, axes: number): readonly number[] {
  const given = said ?? module.shapeOf('weight')?.slice(2);
  if (given !== undefined) return perAxis(module, given, axes, 'kernel');
  if (module.has('weight') === false) return Array<number>(axes).fill(1);
  throw new HopfcoleError('BAD_SPEC', `${module.describe()} does not say "kernel"`, {}, 'Add "kernel"');
}
