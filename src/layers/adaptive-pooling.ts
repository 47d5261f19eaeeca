import { ints } from '../../ops/precision.ts';
import { HopfcoleError } from '../files/error.ts';
import { fromNumbers } from '../files/tensor.ts';
import { constant } from '../graph/make.ts';
import * as op from '../graph/op.ts';
import type { Value } from '../graph/value.ts';
import { layer, type Module } from './module.ts';
import { averageReading, maxReading } from './pooling.ts';
import { spatialOf } from './windows.ts';

export interface GlobalPoolOptions {
  /** [batch, channels] instead of [batch, channels, 1, ..]. Default false. */
  readonly flatten?: boolean | undefined;
}

/** The mean of each channel, nn.AdaptiveAvgPool*d(1): x [batch, channels, ..] -> [batch, channels, 1, ..], or [batch, channels]. */
export function globalAveragePool(module: Module, x: Value, options: GlobalPoolOptions = {}): Value {
  return layer(globalAveragePool, module, 'global-avg-pool', () => {
    const axes = spatialAxes(module, x);
    // ONNX Runtime's CPU has no float64 GlobalAveragePool.
    const mean =
      module.dtype === 'float64' ? op.reduceMean(x, ints(...axes), { keepdims: true }) : op.globalAveragePool(x);
    return flat(module.mark(mean, 'convolution', averageReading('each channel')), axes, options);
  });
}

/** The greatest entry of each channel, nn.AdaptiveMaxPool*d(1): x [batch, channels, ..] -> [batch, channels, 1, ..], or [batch, channels]. */
export function globalMaxPool(module: Module, x: Value, options: GlobalPoolOptions = {}): Value {
  return layer(globalMaxPool, module, 'global-max-pool', () => {
    const axes = spatialAxes(module, x);
    const greatest = op.reduceMax(x, ints(...axes), { keepdims: true });
    return flat(module.mark(greatest, 'max', maxReading('each channel')), axes, options);
  });
}

function flat(pooled: Value, axes: readonly number[], { flatten = false }: GlobalPoolOptions): Value {
  return flatten ? op.squeeze(pooled, ints(...axes)) : pooled;
}

/** The axes after the channels. @throws SHAPE_MISMATCH where there are none. */
function spatialAxes(module: Module, x: Value): readonly number[] {
  const rank = module.rank(x, [3, 4, 5], '[batch, channels, ..] with 1 to 3 more');
  return Array.from({ length: rank - 2 }, (_, axis) => axis + 2);
}

/** Output sizes: one for all axes, or one for each; null keeps an axis as it is. */
export type AdaptiveSizes = number | readonly (number | null)[];

/**
 * nn.AdaptiveAvgPool1d/2d/3d: x [batch, channels, ..] -> the means of `output` windows along each axis, from floor(i n/m) to ceil((i + 1) n/m) of n
 * entries. The input's sizes must be known where an output is not 1.
 */
export function adaptiveAveragePool(module: Module, x: Value, options: { readonly output: AdaptiveSizes }): Value {
  return layer(adaptiveAveragePool, module, 'adaptive-avg-pool', () => {
    const outputs = outputsOf(module, x, options.output);
    if (outputs.length > 0 && outputs.every(({ to }) => to === 1) && outputs.length === (x.shape?.length ?? 0) - 2)
      return globalAveragePool(module, x);
    const pooled = outputs.reduce((value, { axis, from, to }) => {
      if (to === 1) return op.reduceMean(value, ints(axis), { keepdims: true });
      const means = Array.from({ length: to }, (_, place) => {
        const [start, end] = windowOf(place, from, to);
        return Array.from({ length: from }, (_, j) => (j >= start && j < end ? 1 / (end - start) : 0));
      });
      return along(module, value, axis, means);
    }, x);
    return pooled === x ? x : module.mark(pooled, 'convolution', averageReading('each window'));
  });
}

/** nn.AdaptiveMaxPool1d/2d/3d: as `adaptiveAveragePool`, with the greatest entry of each window: the maximum goes along one axis after the other. */
export function adaptiveMaxPool(module: Module, x: Value, options: { readonly output: AdaptiveSizes }): Value {
  return layer(adaptiveMaxPool, module, 'adaptive-max-pool', () => {
    const pooled = outputsOf(module, x, options.output).reduce((value, { axis, from, to }) => {
      if (to === 1) return op.reduceMax(value, ints(axis), { keepdims: true });
      const parts = Array.from({ length: to }, (_, place) => {
        const [start, end] = windowOf(place, from, to);
        return op.reduceMax(op.slice(value, ints(start), ints(end), ints(axis)), ints(axis), { keepdims: true });
      });
      return op.concat(parts, { axis });
    }, x);
    return pooled === x ? x : module.mark(pooled, 'max', maxReading('each window'));
  });
}

function windowOf(place: number, from: number, to: number): readonly [number, number] {
  return [Math.floor((place * from) / to), Math.ceil(((place + 1) * from) / to)];
}

/** The rows of a matrix [to, from] times the entries along one axis. */
function along(module: Module, x: Value, axis: number, rows: readonly (readonly number[])[]): Value {
  const matrix = constant(fromNumbers(module.dtype, [rows.length, rows[0]?.length ?? 0], rows.flat()));
  const axes = Array.from({ length: x.shape?.length ?? 0 }, (_, other) => other);
  if (axis === axes.length - 1) return op.matMul(x, op.transpose(matrix, { perm: [1, 0] }));
  if (axis === axes.length - 2) return op.matMul(matrix, x);
  const perm = axes.map((other) => (other === axis ? axes.length - 1 : other === axes.length - 1 ? axis : other));
  const last = op.matMul(op.transpose(x, { perm }), op.transpose(matrix, { perm: [1, 0] }));
  return op.transpose(last, { perm });
}

interface AdaptiveAxis {
  readonly axis: number;
  readonly from: number;
  readonly to: number;
}

/** The axes that change. @throws BAD_ARGUMENT for sizes that cannot be, SHAPE_MISMATCH where a size has to be known. */
function outputsOf(module: Module, x: Value, given: AdaptiveSizes): readonly AdaptiveAxis[] {
  const axes = spatialAxes(module, x);
  const sizes = typeof given === 'number' ? axes.map(() => given) : given;
  const isSize = (size: number | null) => size === null || (Number.isInteger(size) && size >= 1);
  if (sizes.length !== axes.length || !sizes.every(isSize))
    throw new HopfcoleError(
      'BAD_ARGUMENT',
      `${module.describe()}: expected "output" of ${axes.length} sizes of at least 1 (or null), got ${JSON.stringify(given)}`,
      { argument: 'output' },
    );
  return axes.flatMap((axis, place) => {
    const [from, to] = [spatialOf(x)[place], sizes[place] ?? null];
    if (to === null || (from === to && to !== 1)) return [];
    if (from === undefined && to !== 1)
      throw new HopfcoleError(
        'SHAPE_MISMATCH',
        `${module.describe()} needs the size of axis ${axis} of its input`,
        { argument: 'output' },
        'Give the input fixed sizes, or an output of 1 or null',
      );
    return [{ axis, from: from ?? 1, to }];
  });
}
