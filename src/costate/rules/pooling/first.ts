import { fromNumbers } from '../../../files/tensor.ts';
import { constant } from '../../../graph/make.ts';
import * as op from '../../../graph/op.ts';
import type { Value } from '../../../graph/value.ts';
import { staysFinite } from '../../masked.ts';
import { ints, numbers, tensorLike } from '../../pieces.ts';
import { toImage } from '../convolution/image.ts';
import {
  attributesOf,
  behind,
  extent,
  type Framed,
  shaped,
  spatial,
  spatialAxes,
  spatialOf,
  type Windows,
} from '../convolution/windows.ts';
import { repeated, singly } from './spread.ts';

/*
 * The first of the greatest elements of each window. Not by the indices that MaxPool can give: with them it is slow in ONNX Runtime on
 * the CPU (2x2 on 64 channels, 28x28, batch 32, 1 thread: 6.9 against 0.35 ms), and WebGPU has no such kernel.
 */

/**
 * To windows side by side: elements that equal y of their window, of them the one whose rank within it is the greatest. Two pools and
 * three repetitions, 3.8 ms at that size.
 */
export function toFirstBeside(g: Value, x: Value, y: Value, kernel: readonly number[]): Value {
  const total = kernel.reduce((all, count) => all * count, 1);
  const hits = numbers(op.equal(x, repeated(y, kernel)), g);
  const ranks = kernel.reduce<Value | undefined>((sum, count, axis) => {
    const pace = kernel.slice(axis + 1).reduce((all, size) => all * size, 1);
    const first = axis === 0 ? total : 0;
    const size = Number(spatial(x)[axis]);
    const values = Array.from({ length: size }, (_, at) => first - (at % count) * pace);
    const along = tensorLike(g, [size, ...kernel.slice(axis + 1).map(() => 1)], values);
    return sum === undefined ? along : op.add(sum, along);
  }, undefined);
  const ranked = ranks === undefined ? hits : op.mul(hits, ranks);
  const dilations = kernel.map(() => 1);
  const [best] = op.maxPool(ranked, {
    kernelShape: kernel,
    ...attributesOf({ strides: kernel, dilations }, none(kernel), none(kernel)),
  });
  return op.mul(repeated(g, kernel), numbers(op.equal(ranked, repeated(best, kernel)), g));
}

/**
 * To windows anywhere: a convolution with single ones lays each window's elements along an axis, where ArgMax finds the first of
 * the greatest, and the transposed one puts g there. Windows of many elements one axis after the other, the first last.
 */
export function toFirst(g: Value, x: Value, y: Value, pool: Framed, ceils: boolean): Value {
  const { windows } = pool;
  const kernel = windows.kernel.map(Number);
  const wide = kernel.flatMap((count, axis) => (count === 1 && windows.strides[axis] === 1 ? [] : [axis]));
  const [all, sum] = [kernel.reduce((a, b) => a * b, 1), kernel.reduce((a, b) => a + b, 0)];
  if (wide.length < 2 || all <= 2 * sum || pool.rim !== undefined) return toFirstAtOnce(g, x, y, pool);
  // What each pass pooled: the last axis, then the last two, ..
  const passes = [...wide].reverse();
  const made: Value[] = [x];
  for (const axis of passes.slice(0, -1)) {
    const along = alone(windows, axis);
    const [pooled] = op.maxPool(made.at(-1) as Value, {
      kernelShape: along.kernel.map(Number),
      ...attributesOf(along, along.begins, along.ends),
      ...(ceils ? { ceilMode: 1 } : {}),
    });
    made.push(pooled);
  }
  return wide.reduce((bar, axis, index) => {
    const before = made[passes.length - 1 - index] as Value;
    const after = made[passes.length - index] ?? y;
    return toFirstAtOnce(bar, before, after, { image: before, windows: alone(windows, axis), rim: undefined });
  }, g);
}

/** The windows along one axis. */
function alone(windows: Windows, only: number): Windows {
  const keep = <T>(list: readonly T[], otherwise: T): readonly T[] =>
    list.map((entry, axis) => (axis === only ? entry : otherwise));
  return {
    kernel: keep(windows.kernel, 1),
    strides: keep(windows.strides, 1),
    dilations: keep(windows.dilations, 1),
    begins: keep(windows.begins, 0),
    ends: keep(windows.ends, 0),
  };
}

function toFirstAtOnce(g: Value, x: Value, y: Value, pool: Framed): Value {
  const { windows, rim } = pool;
  const kernel = windows.kernel.map(Number);
  const total = kernel.reduce((all, count) => all * count, 1);
  const identity = Array.from({ length: total * total }, (_, at) => (at % (total + 1) === 0 ? 1 : 0));
  const ones = tensorLike(x, [total, 1, ...kernel], identity);
  const laid = op.conv(singly(rimmed(x, y, pool)), ones, undefined, attributesOf(windows, none(kernel), none(kernel)));
  const first = op.argMax(laid, { axis: 1 });
  const elements = constant(
    fromNumbers(
      'int64',
      [total, ...kernel.map(() => 1)],
      Array.from({ length: total }, (_, at) => at),
    ),
  );
  const placed = op.mul(singly(g), numbers(op.equal(first, elements), g));
  const made = toImage(placed, ones, x, y, { windows, group: 1, rim });
  const channels = x.shape?.[1];
  const sizes = spatial(x);
  const known = typeof channels === 'number' && sizes.every((size) => size !== undefined);
  return known ? shaped(made, [-1, channels, ...sizes]) : op.reshape(made, op.shape(x));
}

function none(kernel: readonly number[]): readonly number[] {
  return kernel.map(() => 0);
}

/** The least finite number, which no element is less than: an infinity times zero would be none. */
const least: Readonly<Record<string, number>> = {
  float16: -65504,
  float32: -3.4028234663852886e38,
  float64: -3.4028234663852886e38,
};

/** x with the padding that its windows reach into, all of it finite. */
function rimmed(x: Value, y: Value, { windows, rim }: Framed): Value {
  const rank = windows.kernel.length;
  const low = least[x.dtype ?? 'float32'] ?? -3e38;
  const bound = (value: number): Value => tensorLike(x, [], [value]);
  const held = staysFinite(x) ? x : op.clip(x, bound(low), bound(-low));
  if (rim !== undefined) return op.pad(held, op.concat([...rim], { axis: 0 }), bound(low), spatialAxes(rank));
  const left = behind(x, y, windows);
  if (left.every((count) => count !== undefined)) {
    const ends = windows.ends.map((end, axis) => end + Math.max(-(left[axis] ?? 0), 0));
    if ([...windows.begins, ...ends].every((pad) => pad === 0)) return held;
    return op.pad(held, ints(0, 0, ...windows.begins, 0, 0, ...ends), bound(low));
  }
  // As far as the last window reaches, which ceil_mode lets hang over: known at run time only.
  const reach = windows.kernel.map((count, axis) => extent(Number(count), windows.dilations[axis] ?? 1));
  const covered = op.add(
    op.mul(op.sub(spatialOf(y), ints(...reach.map(() => 1))), ints(...windows.strides)),
    ints(...reach.map((count, axis) => count - (windows.begins[axis] ?? 0))),
  );
  const behindIt = op.sub(covered, spatialOf(x));
  return op.pad(held, op.concat([ints(...windows.begins), behindIt], { axis: 0 }), bound(low), spatialAxes(rank));
}
