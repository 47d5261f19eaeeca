import * as op from '../../../graph/op.ts';
import { constantTensor } from '../../../graph/passes/constants.ts';
import type { Value } from '../../../graph/value.ts';
import { ints } from '../../pieces.ts';
import { attributesOf, behind, extent, shaped, spatial, spatialAxes, spatialOf, type Windows } from './windows.ts';

/** A convolution y = x * weight as it lies over x. */
export interface Convolution {
  readonly windows: Windows;
  readonly group: number;
  /** Sizes of the rim that x had got before, where it is only known at run time. */
  readonly rim: readonly [begins: Value, ends: Value] | undefined;
}

/**
 * The co-state of the image x: the transposed convolution of g, cut or continued to the sizes of x. `y` is the output. Where the
 * windows lie at every place it is a convolution with the reversed kernel, if that is the faster one.
 */
export function toImage(g: Value, weight: Value, x: Value, y: Value, convolution: Convolution): Value {
  const { windows, group, rim } = convolution;
  if (rim === undefined && reversalPays(g, weight, x, windows)) return byReversal(g, weight, windows, group);
  const rank = windows.strides.length;
  const left = rim === undefined ? behind(x, y, windows) : windows.kernel.map(() => undefined);
  // What the last window did not reach is continued by zeros; a window that hung over is cut.
  const further = left.map((count, axis) =>
    count === undefined ? (windows.strides[axis] ?? 1) - 1 : Math.max(count, 0),
  );
  const ends = windows.ends.map((end, axis) => end + Math.max(-(left[axis] ?? 0), 0));
  const made = op.convTranspose(g, weight, undefined, {
    ...attributesOf(windows, windows.begins, ends),
    ...(group === 1 ? {} : { group }),
    ...(further.every((count) => count === 0) ? {} : { outputPadding: further }),
  });
  if (left.every((count) => count !== undefined)) return made;
  const from = rim?.[0];
  const sizes = spatialOf(x);
  const starts = from ?? ints(...new Array<number>(rank).fill(0));
  return op.slice(made, starts, from === undefined ? sizes : op.add(from, sizes), spatialAxes(rank));
}

/** Kernels up to this size may be reversed where the image's sizes are not known. */
const smallKernel = 16;

/**
 * Whether a convolution with the reversed kernel is faster than ConvTranspose, whose scattering of columns ONNX Runtime's CPU does not
 * share among threads (3x3 on 64 channels, 28x28, batch 32, 2 threads: 8.5 against 17.4 ms; batch 1: 0.31 against 0.54 ms). It reverses a
 * stored kernel once, when a model is loaded; another at every run, which pays where it is small beside the images.
 */
function reversalPays(g: Value, weight: Value, x: Value, windows: Windows): boolean {
  const { kernel, strides, dilations, begins, ends } = windows;
  if (strides.some((stride) => stride !== 1)) return false;
  const fits = kernel.every((count, axis) => {
    if (count === undefined) return false;
    const rim = extent(count, dilations[axis] ?? 1) - 1;
    return rim >= (begins[axis] ?? 0) && rim >= (ends[axis] ?? 0);
  });
  if (!fits || weight.shape?.every((dim) => typeof dim === 'number') !== true) return false;
  const [from, to] = [spatial(x), spatial(g)];
  const known = from.every((size) => size !== undefined) && to.every((size) => size !== undefined);
  const points = known ? product(to) : undefined;
  // Every element of x costs a window of g, those in the rim of zeros too.
  if (points === undefined ? kernel.some((count) => (count ?? 0) > smallKernel) : product(from) > 4 * points)
    return false;
  if (weight.source.kind === 'parameter' || constantTensor(weight) !== undefined) return true;
  const [batch, channels] = [g.shape?.[0], weight.shape[0]];
  return typeof batch === 'number' && points !== undefined && batch * points > 8 * Number(channels);
}

function product(sizes: readonly (number | undefined)[]): number {
  return sizes.reduce<number>((all, size) => all * (size ?? 0), 1);
}

function byReversal(g: Value, weight: Value, windows: Windows, group: number): Value {
  const { kernel, strides, dilations, begins, ends } = windows;
  const rims = kernel.map((count, axis) => extent(count ?? 1, dilations[axis] ?? 1) - 1);
  const [outer, inner] = [Number(weight.shape?.[0]) / group, Number(weight.shape?.[1])];
  const longer = kernel.flatMap((count, axis) => (count === 1 ? [] : [axis + 2]));
  const every = (value: number): Value => ints(...longer.map(() => value));
  const reversed =
    longer.length === 0
      ? weight
      : op.slice(weight, every(-1), every(Number.MIN_SAFE_INTEGER), ints(...longer), every(-1));
  return op.conv(g, withSidesSwapped(reversed, group, outer, inner), undefined, {
    ...attributesOf(
      { strides, dilations },
      rims.map((rim, axis) => rim - (begins[axis] ?? 0)),
      rims.map((rim, axis) => rim - (ends[axis] ?? 0)),
    ),
    ...(group === 1 ? {} : { group }),
  });
}

/** [group outer, inner, ...] to [group inner, outer, ...]: the channels that go in and those that come out change sides. */
function withSidesSwapped(weight: Value, group: number, outer: number, inner: number): Value {
  const kernel = spatial(weight).map(Number);
  const axes = kernel.map((_, axis) => axis);
  if (group === 1) return op.transpose(weight, { perm: [1, 0, ...axes.map((axis) => axis + 2)] });
  if (outer === 1 && inner === 1) return weight;
  const grouped = shaped(weight, [group, outer, inner, ...kernel]);
  const swapped = op.transpose(grouped, { perm: [0, 2, 1, ...axes.map((axis) => axis + 3)] });
  return shaped(swapped, [group * inner, outer, ...kernel]);
}
