import * as op from '../../../graph/op.ts';
import type { Value } from '../../../graph/value.ts';
import type { RuleCall } from '../../call.ts';
import { ints, scalarLike } from '../../pieces.ts';

/** A size; undefined where only the run time knows it. */
export type Size = number | undefined;

/**
 * How windows lie over an image: element t of window i along an axis is at i stride + t dilation - begin. Sizes of spatial axes only.
 */
export interface Windows {
  readonly kernel: readonly Size[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly begins: readonly number[];
  readonly ends: readonly number[];
}

/** Spatial sizes of a value [n, c, ...]. */
export function spatial(x: Value): readonly Size[] {
  return (x.shape ?? []).slice(2).map((dim) => (typeof dim === 'number' ? dim : undefined));
}

/** Spatial sizes of a value as a vector. */
export function spatialOf(x: Value): Value {
  const sizes = spatial(x);
  return sizes.every((size) => size !== undefined) ? ints(...sizes) : op.shape(x, { start: 2 });
}

/** The axes 2, 3, .. of so many spatial ones. */
export function spatialAxes(rank: number): Value {
  return ints(...Array.from({ length: rank }, (_, axis) => axis + 2));
}

export function listOf(call: RuleCall, name: string, rank: number, otherwise: number): readonly number[] {
  return call.ints(name) ?? new Array<number>(rank).fill(otherwise);
}

/** The spatial sizes of the kernel of Conv and its like. */
export function kernelOf(call: RuleCall, weight: Value): readonly Size[] {
  const given = call.ints('kernel_shape');
  return spatial(weight).map((size, axis) => size ?? given?.[axis]);
}

/** How far a window of so many elements reaches. */
export function extent(size: number, dilation: number): number {
  return (size - 1) * dilation + 1;
}

/** An image with its windows: the image itself, or padded beforehand where its padding is only known at run time. */
export interface Framed {
  readonly image: Value;
  readonly windows: Windows;
  /** How much was padded before and behind each axis; undefined where nothing was. */
  readonly rim: readonly [begins: Value, ends: Value] | undefined;
}

/** The windows of Conv and of the pools over `image`, whose output is `y`. */
export function framed(call: RuleCall, image: Value, y: Value, kernel: readonly Size[], taps?: Value): Framed {
  const rank = kernel.length;
  const strides = listOf(call, 'strides', rank, 1);
  const dilations = listOf(call, 'dilations', rank, 1);
  const none = new Array<number>(rank).fill(0);
  const shape = { kernel, strides, dilations };
  const automatic = call.text('auto_pad', 'NOTSET');
  if (!automatic.startsWith('SAME')) {
    const pads = automatic === 'VALID' ? undefined : call.ints('pads');
    const windows = { ...shape, begins: pads?.slice(0, rank) ?? none, ends: pads?.slice(rank) ?? none };
    return { image, windows, rim: undefined };
  }
  const sizes = spatial(image);
  const totals = kernel.map((count, axis) => {
    const [size, stride, dilation] = [sizes[axis], strides[axis] ?? 1, dilations[axis] ?? 1];
    if (count === undefined) return undefined;
    const reach = extent(count, dilation);
    if (stride === 1) return reach - 1;
    return size === undefined ? undefined : Math.max((Math.ceil(size / stride) - 1) * stride + reach - size, 0);
  });
  const upper = automatic === 'SAME_UPPER';
  if (totals.every((total) => total !== undefined)) {
    const begins = totals.map((total) => (upper ? Math.floor(total / 2) : Math.ceil(total / 2)));
    const ends = totals.map((total, axis) => total - (begins[axis] ?? 0));
    return { image, windows: { ...shape, begins, ends }, rim: undefined };
  }
  const count = taps === undefined ? ints(...kernel.map((size) => size ?? 1)) : spatialOf(taps);
  const one = scalarLike(count, 1);
  const reach = op.add(op.mul(op.sub(count, one), ints(...dilations)), one);
  const covered = op.add(op.mul(op.sub(spatialOf(y), one), ints(...strides)), reach);
  const total = op.max([op.sub(covered, spatialOf(image)), scalarLike(count, 0)]);
  const half = op.div(total, scalarLike(count, 2));
  const rest = op.sub(total, half);
  const rim = upper ? ([half, rest] as const) : ([rest, half] as const);
  return { image: padded(image, rim, rank), windows: { ...shape, begins: none, ends: none }, rim };
}

/** An image with a rim of zeros. */
export function padded(image: Value, [begins, ends]: readonly [Value, Value], rank: number): Value {
  return op.pad(image, op.concat([begins, ends], { axis: 0 }), undefined, spatialAxes(rank));
}

/** What of the padded image lies behind the last window, along each axis; undefined where that is not known. */
export function behind(image: Value, y: Value, windows: Windows): readonly Size[] {
  const [from, to] = [spatial(image), spatial(y)];
  return windows.kernel.map((count, axis) => {
    const [stride, dilation] = [windows.strides[axis] ?? 1, windows.dilations[axis] ?? 1];
    const [size, steps] = [from[axis], to[axis]];
    if (size === undefined || steps === undefined || count === undefined) return stride === 1 ? 0 : undefined;
    const whole = size + (windows.begins[axis] ?? 0) + (windows.ends[axis] ?? 0);
    return whole - ((steps - 1) * stride + extent(count, dilation));
  });
}

/** Attributes of an operator with such windows; what says no more than the default is left out. */
export function attributesOf(
  { strides, dilations }: Pick<Windows, 'strides' | 'dilations'>,
  begins: readonly number[],
  ends: readonly number[],
): { readonly strides: readonly number[]; readonly dilations: readonly number[]; readonly pads: readonly number[] } {
  // All of them, though they have defaults: onnxruntime-web on WebGPU refuses a Conv without dilations.
  return { strides, dilations, pads: [...begins, ...ends] };
}

/** x in a shape of sizes, that may be vectors known at run time only; 0 copies the size of that axis, -1 is what is left. */
export function shaped(x: Value, sizes: readonly (number | Value)[]): Value {
  if (sizes.every((size) => typeof size === 'number')) return op.reshape(x, ints(...sizes));
  const parts = sizes.map((size) => (typeof size === 'number' ? ints(size) : size));
  return op.reshape(x, op.concat(parts, { axis: 0 }));
}
