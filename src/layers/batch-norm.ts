import { as, ints, scalar } from '../../ops/precision.ts';
import * as op from '../graph/op.ts';
import type { Value } from '../graph/value.ts';
import { channelsOf, checked, constantOnes, filledWith, rankOf, scaled } from './channels.ts';
import { ones, zeros } from './initial.ts';
import { layer, type Module } from './module.ts';

export interface BatchNormOptions {
  /** Default: axis 1 of `x`. */
  readonly channels?: number | undefined;
  /** Default 1e-5. */
  readonly eps?: number | undefined;
  readonly affine?: boolean | undefined;
  /** Statistics from `running_mean` and `running_var`. Default true; false: those of the batch, as PyTorch without track_running_stats. */
  readonly track?: boolean | undefined;
}

/**
 * nn.BatchNorm1d/2d/3d at inference: x [batch, channels, ..] through the affine map of the running statistics, which ONNX Runtime folds into the
 * convolution before it. Parameters `weight`, `bias`, `running_mean`, `running_var` [channels].
 */
export function batchNorm(module: Module, x: Value, options: BatchNormOptions = {}): Value {
  return layer(batchNorm, module, 'norm', () => {
    const { affine = true, eps = 1e-5, track = true } = options;
    module.atLeast(x, 2, '[batch, channels, ..]');
    const channels = channelsOf(module, x, options.channels);
    if (!track) return withBatchStatistics(module, x, { ...options, channels }).output;
    const mean = module.parameter('running_mean', [channels], zeros);
    const variance = module.parameter('running_var', [channels], ones);
    module.ignore('num_batches_tracked');
    const scale = affine ? module.parameter('weight', [channels], ones) : constantOnes(module, [channels]);
    const shift = affine ? module.parameter('bias', [channels], zeros) : filledWith(module, [channels], 0);
    const [y] = op.batchNormalization(x, scale, shift, mean, variance, { epsilon: checked(eps) });
    return module.mark(y, 'norm', {
      equation: 'an affine map: (x - running mean)/sqrt(running var + eps) * weight + bias',
    });
  });
}

export interface BatchStatistics {
  readonly output: Value;
  /** The running statistics after this batch, [channels]. */
  readonly runningMean: Value;
  readonly runningVar: Value;
}

/**
 * nn.BatchNorm1d/2d/3d in training: normalised by the mean and variance of the batch, with the running statistics moved by `momentum`
 * (default 0.1; the running variance by the unbiased one).
 */
export function trainBatchNorm(
  module: Module,
  x: Value,
  options: Omit<BatchNormOptions, 'track'> & { readonly momentum?: number | undefined } = {},
): BatchStatistics {
  return layer(trainBatchNorm, module, 'norm', () => {
    module.atLeast(x, 2, '[batch, channels, ..]');
    const channels = channelsOf(module, x, options.channels);
    const momentum = options.momentum ?? 0.1;
    module.ignore('num_batches_tracked');
    const { output, mean, variance, count } = withBatchStatistics(module, x, { ...options, channels });
    const flat = (value: Value) => op.reshape(value, ints(channels));
    const one = scalar(1, module.dtype === 'float16' ? 'float32' : module.dtype);
    const unbiased = op.mul(flat(variance), op.div(count, op.sub(count, one)));
    const moved = (name: string, now: Value, initial: typeof ones) =>
      op.add(
        op.mul(module.parameter(name, [channels], initial), scalar(1 - momentum, module.dtype)),
        op.mul(as(now, module.dtype), scalar(momentum, module.dtype)),
      );
    return {
      output,
      runningMean: moved('running_mean', flat(mean), zeros),
      runningVar: moved('running_var', unbiased, ones),
    };
  });
}

function withBatchStatistics(module: Module, x: Value, options: BatchNormOptions & { readonly channels: number }) {
  const { channels, affine = true, eps = 1e-5 } = options;
  const rank = rankOf(x);
  const axes = ints(...Array.from({ length: rank }, (_, axis) => axis).filter((axis) => axis !== 1));
  // Half precision sums in float32.
  const wide = module.dtype === 'float16' ? op.cast(x, { to: 'float32' }) : x;
  const dtype = module.dtype === 'float16' ? 'float32' : module.dtype;
  const mean = op.reduceMean(wide, axes, { keepdims: true });
  const centred = op.sub(wide, mean);
  const variance = op.reduceMean(op.mul(centred, centred), axes, { keepdims: true });
  const scaledToOne = op.div(centred, op.sqrt(op.add(variance, scalar(checked(eps), dtype))));
  const unit = as(scaledToOne, module.dtype);
  const count = op.cast(op.div(op.size(x), scalar(channels, 'int64')), { to: dtype });
  const output = module.mark(affine ? scaled(module, unit, channels, rank) : unit, 'norm', {
    equation: '(x - batch mean)/sqrt(batch var + eps) * weight + bias',
  });
  return { output, mean, variance, count };
}
