import { ints } from '../../../ops/precision.ts';
import type { DType } from '../../files/dtype.ts';
import { fromNumbers } from '../../files/tensor.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Size } from '../lower/item.ts';
import { rankOf, reshaped } from '../lower/sizes.ts';
import { countOf, sizeAs } from './axes.ts';
import { like, plus, times } from './kernels.ts';

/** A constant of one number. */
export function filled(dtype: DType, shape: readonly number[], number: number): Value {
  const count = shape.reduce((product, size) => product * size, 1);
  return constant(fromNumbers(dtype, shape, Array<number>(count).fill(number)));
}

/** `made` in the sizes of `x`, known or not. */
export function shapedAs(made: Value, x: Value, sizes: readonly Size[]): Value {
  const unknown = sizes.filter((size) => typeof size !== 'number').length;
  if (unknown === 0 || (unknown === 1 && typeof sizes[0] !== 'number')) return reshaped(made, sizes);
  return op.reshape(made, op.shape(x));
}

/** What is one number for each channel, [channels], as it broadcasts to x [batch, channels, ..]. */
export function perChannel(numbers: Value, x: Value): Value {
  const own = cast(numbers, x.dtype ?? 'float32');
  const rank = rankOf(x);
  return rank <= 2 ? own : op.unsqueeze(own, ints(...Array.from({ length: rank - 2 }, (_, axis) => axis + 1)));
}

export interface BatchStatistics {
  /** [1, channels, 1, ..] */
  readonly centred: Value;
  /** [channels], of the whole batch, in float32 for half precision. */
  readonly mean: Value;
  readonly variance: Value;
  /** The variance of a sample, by which running statistics are moved. */
  readonly unbiased: Value;
}

/** Mean and variance of each channel of x [batch, channels, ..]. */
export function batchStatistics(x: Value): BatchStatistics {
  const axes = Array.from({ length: rankOf(x) }, (_, axis) => axis).filter((axis) => axis !== 1);
  const kept = op.reduceMean(x, ints(...axes), { keepdims: true });
  const centred = op.sub(x, kept);
  const mean = op.squeeze(kept, ints(...axes));
  const variance = op.reduceMean(op.mul(centred, centred), ints(...axes), { keepdims: false });
  const count = countOf(x, axes);
  const one = like(x, 1);
  const factor =
    typeof count === 'number' ? like(x, count / (count - 1)) : op.div(sizeAs(count, x), op.sub(sizeAs(count, x), one));
  return { centred, mean, variance, unbiased: op.mul(variance, factor) };
}

/** A running statistic after this batch. */
export function moved(call: Call, running: Value, now: Value, momentum: number): Value {
  const dtype = running.dtype ?? 'float32';
  if (!Number.isFinite(momentum)) throw call.unsupported('momentum=None');
  return op.add(times(running, 1 - momentum), times(cast(now, dtype), momentum));
}

/** 1 / sqrt(variance + eps) */
export function inverseDeviation(variance: Value, eps: number): Value {
  return op.reciprocal(op.sqrt(plus(variance, eps)));
}
