import { ints } from '../../../ops/precision.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Result } from '../lower/item.ts';
import type { Rules } from '../lower/rule.ts';
import { rankOf, sizesOf } from '../lower/sizes.ts';
import { inSingle, times } from './kernels.ts';
import { standardized } from './norms.ts';
import { batchStatistics, filled, inverseDeviation, moved, perChannel, shapedAs } from './statistics.ts';

export const batchNormRules: Rules = {
  'aten.batch_norm.default': (call) => batchNorm(call.ignore('cudnn_enabled'), call.bool('training'))[0],
  'aten.native_batch_norm.default': (call) => batchNorm(call, call.bool('training')),
  'aten.cudnn_batch_norm.default': (call) => withReserve(batchNorm(call, call.bool('training'), 'epsilon')),
  'aten.miopen_batch_norm.default': (call) => batchNorm(call, call.bool('training'), 'epsilon'),
  'aten._native_batch_norm_legit.default': (call) => batchNorm(call, call.bool('training')),
  'aten._native_batch_norm_legit.no_stats': (call) => batchNorm(call, call.bool('training')),
  'aten._native_batch_norm_legit_no_training.default': (call) => batchNorm(call, false),
  'aten._batch_norm_no_update.default': (call) => withReserve(batchNorm(call, false)),
  'aten._batch_norm_with_update.default': (call) => withReserve(batchNorm(call, true)),
  'aten._native_batch_norm_legit_functional.default': (call) => functional(call),
  'aten._batch_norm_with_update_functional.default': (call) => {
    const [y, mean, inverse, runningMean, runningVar] = functional(call, true);
    return [y, mean, inverse, undefined, runningMean, runningVar];
  },
  'aten.instance_norm.default': (call) => instanceNorm(call.ignore('cudnn_enabled')),
};

/** Results with the place that CUDA's operators keep notes in, which nothing but their derivative reads. */
function withReserve(results: readonly Result[]): readonly Result[] {
  return [...results, undefined];
}

/** Statistics of the running mean and variance, or of the batch, by which those are then moved: the results in PyTorch's order. */
function batchNorm(call: Call, training: boolean, eps = 'eps'): readonly Result[] {
  const names = ['running_mean', 'running_var'] as const;
  if (!training && call.has('running_mean')) return [withRunning(call, eps)];
  const { output, statistics, inverse } = withOwn(call, call.float(eps, 1e-5));
  const momentum = call.float('momentum', 0.1);
  for (const name of names) {
    if (!call.has(name)) continue;
    const now = name === 'running_mean' ? statistics.mean : statistics.unbiased;
    if (training) call.cell(name).write(moved(call, call.tensor(name), now, momentum));
  }
  return [output, statistics.mean, inverse];
}

function functional(call: Call, training = call.bool('training')): readonly Result[] {
  const [mean, variance] = [call.tensor('running_mean'), call.tensor('running_var')];
  if (!training) return [withRunning(call, 'eps'), undefined, undefined, mean, variance];
  const { output, statistics, inverse } = withOwn(call, call.float('eps', 1e-5));
  const momentum = call.float('momentum', 0.1);
  return [
    output,
    statistics.mean,
    inverse,
    moved(call, mean, statistics.mean, momentum),
    moved(call, variance, statistics.unbiased, momentum),
  ];
}

function affineOf(call: Call, x: Value): { readonly weight: Value; readonly bias: Value } {
  const dtype = x.dtype ?? 'float32';
  const channels = x.shape?.[1];
  const plain = (otherwise: number) =>
    typeof channels === 'number'
      ? filled(dtype, [channels], otherwise)
      : op.expand(filled(dtype, [1], otherwise), op.shape(x, { start: 1, end: 2 }));
  const given = (name: string, otherwise: number) => cast(call.optionalTensor(name) ?? plain(otherwise), dtype);
  return { weight: given('weight', 1), bias: given('bias', 0) };
}

/** The affine map of the running statistics, which runtimes fold into the convolution before it. */
function withRunning(call: Call, eps: string): Value {
  call.ignore('momentum', 'training');
  const x = call.tensor('input');
  const { weight, bias } = affineOf(call, x);
  const dtype = x.dtype ?? 'float32';
  const [mean, variance] = [call.tensor('running_mean'), call.tensor('running_var')];
  const [y] = op.batchNormalization(x, weight, bias, cast(mean, dtype), cast(variance, dtype), {
    epsilon: call.float(eps, 1e-5),
  });
  return y;
}

function withOwn(call: Call, eps: number) {
  const given = call.tensor('input');
  const x = inSingle(given);
  const statistics = batchStatistics(x);
  const inverse = inverseDeviation(statistics.variance, eps);
  return { output: scaled(call, op.mul(statistics.centred, perChannel(inverse, x)), x), statistics, inverse };
}

function scaled(call: Call, unit: Value, x: Value): Value {
  const [weight, bias] = [call.optionalTensor('weight'), call.optionalTensor('bias')];
  const wide = weight === undefined ? unit : op.mul(unit, perChannel(weight, x));
  return bias === undefined ? wide : op.add(wide, perChannel(bias, x));
}

/** Statistics of each channel of each sample, by whose means the running ones are moved where there are any. */
function instanceNorm(call: Call): Value {
  if (!call.bool('use_input_stats')) return withRunning(call, 'eps');
  const x = call.tensor('input');
  const [channels, eps] = [Number(x.shape?.[1]), call.float('eps')];
  const momentum = call.float('momentum');
  call.ignore('running_var');
  if (call.has('running_mean')) {
    const wide = inSingle(x);
    const places = ints(...Array.from({ length: rankOf(x) - 2 }, (_, axis) => axis + 2));
    const mean = op.reduceMean(wide, places, { keepdims: true });
    const centred = op.sub(wide, mean);
    const sum = op.reduceSum(op.mul(centred, centred), places, { keepdims: false });
    const count = op.div(op.size(x), op.size(sum));
    const unbiased = op.div(sum, cast(op.sub(count, constant(1, 'int64')), wide.dtype ?? 'float32'));
    const batchMean = (rows: Value) => op.reduceMean(rows, ints(0), { keepdims: false });
    for (const [name, now] of [
      ['running_mean', batchMean(op.squeeze(mean, places))],
      ['running_var', batchMean(unbiased)],
    ] as const)
      if (call.has(name)) call.cell(name).write(moved(call, call.tensor(name), now, momentum));
  }
  if (x.dtype !== 'float64' && call.has('weight') && call.has('bias')) {
    const { weight, bias } = affineOf(call, x);
    return op.instanceNormalization(x, weight, bias, { epsilon: eps });
  }
  const rows = op.reshape(x, constant([0, channels, -1], 'int64'));
  return scaled(call, shapedAs(standardized(rows, channels, eps), x, sizesOf(x)), times(x, 1));
}
