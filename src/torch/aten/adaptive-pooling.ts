import { sameDim } from '../../graph/dim.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Size } from '../lower/item.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { dimOf, rankOf, reshaped, scalarOf, sizeAt, sizesOf } from '../lower/sizes.ts';
import { throughSingle } from './kernels.ts';
import { batched, writable } from './spatial.ts';

function outputSizes(call: Call, count: number): Size[] {
  const sizes = call.sizes('output_size');
  const [only] = sizes;
  return sizes.length === 1 && only !== undefined ? new Array<Size>(count).fill(only) : sizes;
}

/** Means over as many windows as asked for: window i of n reaches from floor(i size / n) to ceil((i + 1) size / n). */
const average =
  (count: number): Lowering =>
  (call) => {
    const x = call.tensor('self');
    const sizes = outputSizes(call, count);
    const axes = sizes.map((_, axis) => rankOf(x) - count + axis);
    if (sizes.every((size) => size === 1)) {
      if (rankOf(x) === count + 2 && x.dtype !== 'float64') return op.globalAveragePool(x);
      return op.reduceMean(x, constant(axes, 'int64'), { keepdims: 1 });
    }
    const kernel = dividing(x, axes, sizes);
    if (kernel !== undefined) {
      if (kernel.every((size) => size === 1)) return x;
      return throughSingle(x, (single) =>
        batched(single, count + 2, (batch) => op.averagePool(batch, { kernelShape: kernel, strides: kernel })),
      );
    }
    return axes.reduce((y, axis, place) => averagedAlong(y, axis, sizes[place] ?? 1), x);
  };

/** Windows of one size side by side, where the sizes divide. */
function dividing(x: Value, axes: readonly number[], sizes: readonly Size[]): number[] | undefined {
  const kernel: number[] = [];
  for (const [place, axis] of axes.entries()) {
    const [from, to] = [x.shape?.[axis], dimOf(sizes[place] ?? 1)];
    if (sameDim(from, to)) kernel.push(1);
    else if (typeof from === 'number' && typeof to === 'number' && to > 0 && from % to === 0) kernel.push(from / to);
    else return undefined;
  }
  return kernel;
}

/** One axis by a matrix [size, n] whose columns are the windows. */
function averagedAlong(x: Value, axis: number, size: Size): Value {
  const rank = rankOf(x);
  const from = sizeAt(x, axis);
  if (sameDim(dimOf(from), dimOf(size))) return x;
  const windows = cast(matrix(from, size), x.dtype ?? 'float32');
  if (axis === rank - 1) return op.matMul(x, windows);
  const across = op.transpose(windows, { perm: [1, 0] });
  if (axis === rank - 2) return op.matMul(across, x);
  // Axes behind are one for the product.
  const sizes = sizesOf(x);
  const flat = op.reshape(x, constant([...new Array<number>(axis + 1).fill(0), -1], 'int64'));
  return reshaped(op.matMul(across, flat), [...sizes.slice(0, axis), size, ...sizes.slice(axis + 1)]);
}

/** Matrices of no more elements are written out. */
const largest = 1 << 16;

function matrix(from: Size, to: Size): Value {
  if (typeof from === 'number' && typeof to === 'number' && from * to <= largest) {
    const windows = Array.from({ length: to }, (_, index) => windowOf(index, from, to));
    return constant(
      Array.from({ length: from }, (_, place) =>
        windows.map(([start, end]) => (place >= start && place < end ? 1 / (end - start) : 0)),
      ),
      'float32',
    );
  }
  const [size, count] = [scalarOf(from), scalarOf(to)];
  const [zero, one] = [constant(0, 'int64'), constant(1, 'int64')];
  const index = op.range(zero, count, one);
  const start = op.div(op.mul(index, size), count);
  const end = op.div(op.sub(op.add(op.mul(op.add(index, one), size), count), one), count);
  const place = op.unsqueeze(op.range(zero, size, one), constant([1], 'int64'));
  const inside = op.and(op.greaterOrEqual(place, start), op.less(place, end));
  return op.div(cast(inside, 'float32'), cast(op.sub(end, start), 'float32'));
}

function windowOf(index: number, from: number, to: number): [start: number, end: number] {
  return [Math.floor((index * from) / to), Math.ceil(((index + 1) * from) / to)];
}

/** The greatest of each window, and where in the plane it stands. */
const greatest =
  (count: number): Lowering =>
  (call) => {
    const x = call.tensor('self');
    const sizes = call.ints('output_size');
    const [only] = sizes;
    const wanted = sizes.length === 1 && only !== undefined ? new Array<number>(count).fill(only) : sizes;
    const rank = rankOf(x);
    const from = (x.shape ?? []).slice(-count);
    const leading = sizesOf(x).slice(0, rank - count);
    const flat = op.reshape(x, constant([...leading.map(() => 0), -1], 'int64'));
    if (wanted.every((size) => size === 1)) {
      const place = op.argMax(flat, { axis: -1, keepdims: 1 });
      const shape = [...leading, ...wanted];
      return [reshaped(op.gatherElements(flat, place, { axis: -1 }), shape), reshaped(place, shape)];
    }
    if (!from.every((size): size is number => typeof size === 'number'))
      throw call.unsupported('spatial sizes that are not known when the program is exported');
    writable(
      call,
      wanted.reduce((total, size, axis) => total * (Number(from[axis]) + size), 1),
    );
    const places = constant(flatWindows(from as number[], wanted), 'int64');
    const windows = op.gather(flat, places, { axis: -1 });
    const best = op.argMax(windows, { axis: -1, keepdims: 1 });
    const shape = [...leading, ...wanted];
    const spread = op.expand(places, op.shape(windows));
    return [
      reshaped(op.gatherElements(windows, best, { axis: -1 }), shape),
      reshaped(op.gatherElements(spread, best, { axis: -1 }), shape),
    ];
  };

/** Places in the flat plane of every window, the last of a shorter one repeated. */
function flatWindows(from: readonly number[], to: readonly number[]): number[][] {
  const axes = from.map((size, axis) => {
    const count = to[axis] ?? 1;
    return Array.from({ length: count }, (_, index) => {
      const [start, end] = windowOf(index, size, count);
      return Array.from({ length: end - start }, (_, offset) => start + offset);
    });
  });
  const windows = axes.reduce<number[][]>(
    (found, ranges, axis) =>
      found.flatMap((places) =>
        ranges.map((range) => places.flatMap((place) => range.map((at) => place * (from[axis] ?? 1) + at))),
      ),
    [[0]],
  );
  const longest = Math.max(...windows.map(({ length }) => length));
  return windows.map((places) => [...places, ...new Array<number>(longest - places.length).fill(places.at(-1) ?? 0)]);
}

export const adaptivePoolingRules: Rules = {
  'aten.adaptive_avg_pool1d.default': average(1),
  'aten.adaptive_avg_pool2d.default': average(2),
  'aten.adaptive_avg_pool3d.default': average(3),
  'aten._adaptive_avg_pool2d.default': average(2),
  'aten._adaptive_avg_pool3d.default': average(3),
  'aten.adaptive_max_pool1d.default': greatest(1),
  'aten.adaptive_max_pool2d.default': greatest(2),
  'aten.adaptive_max_pool3d.default': greatest(3),
};
