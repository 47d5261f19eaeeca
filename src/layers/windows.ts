import { ints, scalar } from '../../ops/precision.ts';
import { HopfcoleError } from '../files/error.ts';
import * as op from '../graph/op.ts';
import type { Value } from '../graph/value.ts';
import type { Module } from './module.ts';

/** A size for all spatial axes, or one for each. */
export type Sizes = number | readonly number[];

/** Windows over the spatial axes of an image [batch, channels, ..]: one entry per spatial axis. */
export interface Windows {
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  /** Before and after each axis. */
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/** One size per spatial axis. @throws BAD_ARGUMENT where there are more or fewer, or one is out of range. */
export function perAxis(module: Module, given: Sizes, count: number, field: string, least = 1): readonly number[] {
  const sizes = typeof given === 'number' ? Array<number>(count).fill(given) : given;
  const expected = `${module.describe()}: expected "${field}" of ${count} whole number${count === 1 ? '' : 's'} of at least ${least}`;
  if (sizes.length !== count || sizes.some((size) => !Number.isInteger(size) || size < least || size > 2 ** 31 - 1))
    throw new HopfcoleError('BAD_ARGUMENT', `${expected}, got ${JSON.stringify(given)}`, { argument: field });
  return sizes;
}

/** How far a window reaches: dilation * (kernel - 1) + 1. */
export function reach({ kernel, dilation }: Pick<Windows, 'kernel' | 'dilation'>): readonly number[] {
  return kernel.map((size, axis) => (dilation[axis] ?? 1) * (size - 1) + 1);
}

/** The pads of ONNX: all before, then all after. */
export function padsOf({ before, after }: Windows): readonly number[] {
  return [...before, ...after];
}

/** The spatial sizes of an image, where they are known. */
export function spatialOf(x: Value): readonly (number | undefined)[] {
  return (x.shape ?? []).slice(2).map((size) => (typeof size === 'number' ? size : undefined));
}

/** @throws SHAPE_MISMATCH naming both layers where an axis is known to be too short for a single window. */
export function expectWindow(module: Module, x: Value, windows: Windows): void {
  const reaches = reach(windows);
  for (const [axis, size] of spatialOf(x).entries()) {
    const needed = (reaches[axis] ?? 1) - (windows.before[axis] ?? 0) - (windows.after[axis] ?? 0);
    if (size !== undefined && size < Math.max(needed, 1))
      throw module.misfit(x, `at least ${Math.max(needed, 1)} on axis ${axis + 2}, one window`);
  }
}

/**
 * With ceil_mode a last window may reach beyond the image, if it begins within it or its padding: what has to be added after each axis for it.
 * The sizes must be known. @throws SHAPE_MISMATCH where they are not.
 */
export function ceiled(module: Module, x: Value, windows: Windows): Windows {
  const reaches = reach(windows);
  const after = spatialOf(x).map((size, axis) => {
    if (size === undefined)
      throw new HopfcoleError(
        'SHAPE_MISMATCH',
        `${module.describe()} with ceilMode needs the height and width of its input`,
        { argument: 'ceilMode' },
        'Give the input fixed sizes, or leave ceilMode out',
      );
    const [stride, before, after] = [windows.stride[axis] ?? 1, windows.before[axis] ?? 0, windows.after[axis] ?? 0];
    const length = size + before + after - (reaches[axis] ?? 1);
    let count = Math.ceil(length / stride) + 1;
    if ((count - 1) * stride >= size + before) count -= 1;
    return Math.max(after, after + (count - 1) * stride - length);
  });
  return { ...windows, after };
}

/** The image with that number around it. */
export function padded(x: Value, windows: Windows, fill: number, mode: string = 'constant'): Value {
  if ([...windows.before, ...windows.after].every((size) => size === 0)) return x;
  const pads = ints(0, 0, ...windows.before, 0, 0, ...windows.after);
  const dtype = x.dtype === 'float64' || x.dtype === 'float16' || x.dtype === 'bfloat16' ? x.dtype : 'float32';
  return op.pad(x, pads, mode === 'constant' ? scalar(fill, dtype) : undefined, undefined, { mode });
}

/**
 * Every window of the image, [batch, channels, entries, ..]: one strided slice per entry of a window, so that sizes may vary from run to run. `fill`
 * stands around the image.
 */
export function unfolded(x: Value, windows: Windows, fill: number): Value {
  const whole = padded(x, windows, fill);
  const reaches = reach(windows);
  const axes = ints(...windows.kernel.map((_, axis) => axis + 2));
  const steps = ints(...windows.stride);
  const entries = offsets(windows.kernel).map((offset) => {
    const starts = offset.map((place, axis) => place * (windows.dilation[axis] ?? 1));
    // The last window ends where the image ends, or up to a stride before: the slice ends as far from it as this entry from the window's end.
    const ends = starts
      .map((start, axis) => start + 1 - (reaches[axis] ?? 1))
      .map((end) => (end === 0 ? 2 ** 31 : end));
    return op.unsqueeze(op.slice(whole, ints(...starts), ints(...ends), axes, steps), ints(2));
  });
  return op.concat(entries, { axis: 2 });
}

/** Every place in a window, row by row. */
function offsets(kernel: readonly number[]): readonly (readonly number[])[] {
  return kernel.reduce<readonly (readonly number[])[]>(
    (all, size) => all.flatMap((before) => Array.from({ length: size }, (_, place) => [...before, place])),
    [[]],
  );
}
