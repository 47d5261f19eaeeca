import { as, ints, scalar } from '../../../ops/precision.ts';
import { HopfcoleError } from '../../files/error.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { byIndex, fanInUniform, type Initial, ones, uniform } from '../initial.ts';
import { linear } from '../linear.ts';
import { layer, type Module } from '../module.ts';
import { withSteps } from '../recurrent/time.ts';
import { stateOf } from './s4d.ts';
import { type SelectiveForm, selectiveScan } from './selective.ts';

export interface SelectiveScanOptions {
  /** Features of a token (d_model); default: those of `x`. */
  readonly in?: number | undefined;
  /** Channels inside (d_inner); default: as the checkpoint has, or twice the features. */
  readonly inner?: number | undefined;
  /** States of a channel (d_state); default: as the checkpoint has, or 16. */
  readonly state?: number | undefined;
  /** Width of the causal convolution (d_conv); default: as the checkpoint has, or 4. */
  readonly conv?: number | undefined;
  /** Rank of dt (dt_rank); default: as the checkpoint has, or features/16 rounded up. */
  readonly dtRank?: number | undefined;
  /** Whether in_proj and out_proj have biases; default: as the checkpoint has, or false. */
  readonly bias?: boolean | undefined;
  /** Whether conv1d has one; default: as the checkpoint has, or true. */
  readonly convBias?: boolean | undefined;
  /** Default: 'recurrence' for a single step and where there is a `past` (a decoder's steps are single), 'blocks' otherwise. */
  readonly form?: SelectiveForm | undefined;
  /** What is before the first step; default: nothing. */
  readonly past?: SelectiveState | undefined;
}

/** What a selective scan carries from call to call. */
export interface SelectiveState {
  /** The last inputs of the convolution, [batch, inner, conv - 1]. */
  readonly conv: Value;
  /** h, [batch, inner, state]. */
  readonly ssm: Value;
}

export interface SelectiveScanValues {
  /** [batch, time, features] */
  readonly output: Value;
  readonly present: SelectiveState;
}

/** The sizes of a mixer. */
export interface SelectiveSizes {
  readonly features: number;
  readonly inner: number;
  readonly state: number;
  readonly conv: number;
  readonly rank: number;
}

/** The sizes said, stored, or Mamba's own for so many features. @throws BAD_SPEC where they are none. */
export function selectiveSizes(module: Module, features: number, options: SelectiveScanOptions): SelectiveSizes {
  const stored = (name: string, axis: number) => module.shapeOf(name)?.at(axis);
  const conv = options.conv ?? stored('conv1d.weight', 2) ?? 4;
  if (conv < 2)
    throw new HopfcoleError(
      'BAD_SPEC',
      `${module.describe()} expects a convolution of at least 2 steps, got ${conv}`,
      { argument: 'conv' },
      'Mamba has 4',
    );
  return {
    features,
    inner: options.inner ?? stored('A_log', 0) ?? 2 * features,
    state: options.state ?? stored('A_log', 1) ?? 16,
    conv,
    rank: options.dtRank ?? stored('dt_proj.weight', 1) ?? Math.ceil(features / 16),
  };
}

/**
 * Selective scan, Mamba's mixer: x [batch, time, features] -> in_proj -> causal depthwise convolution and SiLU -> dt, B, C from the input ->
 * h_t = exp(dt A) h_(t-1) + dt B x_t, y = C h + D x -> * SiLU(gate) -> out_proj. A by zero-order hold (exact); the input term is Euler's, as Mamba's code has it
 * (structural). Parameters `in_proj`, `conv1d`, `x_proj`, `dt_proj`, `A_log` [inner, state], `D` [inner], `out_proj`, as mamba_ssm and Hugging Face.
 */
export function mambaMixer(module: Module, x: Value, options: SelectiveScanOptions = {}): SelectiveScanValues {
  return layer(mambaMixer, module, 'selective-scan', () => {
    module.rank(x, [3], '[batch, time, features]');
    const features = module.features(x, options.in, 'in', module.shapeOf('in_proj.weight')?.[1]);
    const sizes = selectiveSizes(module, features, options);
    const { inner } = sizes;
    const ssm = stateOf(module, options.past?.ssm, [inner, sizes.state]);
    const conv = stateOf(module, options.past?.conv, [inner, sizes.conv - 1]);
    const bias = options.bias ?? module.has('in_proj.bias') ?? false;
    const both = linear(module.at('in_proj'), x, { out: 2 * inner, bias });
    const [signal = x, gate = x] = op.split(both, undefined, { axis: 2, numOutputs: 2 });
    const convolved = causal(module, signal, sizes.conv, conv, options.convBias);
    const active = silu(convolved.y);
    const { y, state } = scanned(module, active, sizes, { form: options.form, past: ssm, before: x });
    const output = linear(module.at('out_proj'), op.mul(y, silu(gate)), { out: features, bias });
    return { output, present: { conv: convolved.last, ssm: as(state, module.dtype) } };
  });
}

/** y [batch, time, inner] of the state-space model with its term D x. */
function scanned(
  module: Module,
  x: Value,
  { inner, state: N, rank }: SelectiveSizes,
  { form, past, before }: { form: SelectiveForm | undefined; past: Value | undefined; before: Value },
): { readonly y: Value; readonly state: Value } {
  const work = module.dtype === 'float64' ? 'float64' : 'float32';
  const chosen = linear(module.at('x_proj'), x, { out: rank + 2 * N, bias: false });
  const [low = x, B = x, C = x] = op.split(chosen, ints(rank, N, N), { axis: 2 });
  const initial = { weight: uniform(rank ** -0.5), bias: softplusInverse(0.001, 0.1) };
  const dt = softplus(as(linear(module.at('dt_proj'), low, { out: inner, initial }), work), work);
  const logA = byIndex((index) => Math.log((index % N) + 1));
  const A = op.neg(op.exp(as(module.parameter('A_log', [inner, N], logA), work)));
  const turned = (value: Value) => as(op.transpose(value, { perm: [1, 0, 2] }), work);
  const steps = withSteps(module, turned(x), before);
  const made = selectiveScan(
    { x: steps, dt: turned(dt), A, B: turned(B), C: turned(C), initial: past && as(past, work) },
    form ?? (past !== undefined || x.shape?.[1] === 1 ? 'recurrence' : 'blocks'),
  );
  const D = as(module.parameter('D', [inner], ones), work);
  const y = module.mark(op.add(made.y, op.mul(D, steps)), 'ssm', {
    status: 'structural',
    step: 'dt = softplus(W x + b)',
    discretisation: 'zero-order hold for A (exact); the input term is dt B x (forward Euler, structural)',
    equation: 'dh/dt = Ah + B(x)x, y = C(x)h + Dx, step {h}: h_t = exp(dt A) h_(t-1) + dt B x_t',
    latex: '\\dot h = A h + B(x) x,\\quad h_t = e^{\\Delta A} h_{t-1} + \\Delta B x_t,\\quad y_t = C(x) h_t + D x_t',
  });
  return { y: as(op.transpose(y, { perm: [1, 0, 2] }), module.dtype), state: made.state };
}

/**
 * Depthwise convolution over the steps so far, x [batch, time, inner]: `width` shifted products, which in this layout is faster than ONNX Runtime's Conv and
 * runs in float64, which its CPU has no Conv for.
 */
function causal(
  module: Module,
  x: Value,
  width: number,
  past: Value | undefined,
  said: boolean | undefined,
): { readonly y: Value; readonly last: Value } {
  const place = module.at('conv1d');
  const inner = module.features(x, undefined, 'inner');
  const weight = place.parameter('weight', [inner, 1, width], fanInUniform(width));
  const before =
    past === undefined
      ? op.pad(x, ints(0, width - 1, 0, 0, 0, 0))
      : op.concat([op.transpose(past, { perm: [0, 2, 1] }), x], { axis: 1 });
  const end = (lag: number) => ints(lag === 0 ? Number.MAX_SAFE_INTEGER : -lag);
  const taps = Array.from({ length: width }, (_, tap) => {
    const seen = op.slice(before, ints(tap), end(width - 1 - tap), ints(1));
    return op.mul(seen, op.squeeze(op.slice(weight, ints(tap), ints(tap + 1), ints(2)), ints(1, 2)));
  });
  const sum = taps.reduce((all, tap) => op.add(all, tap));
  const biased = said ?? place.has('bias') ?? true;
  const y = biased ? op.add(sum, place.parameter('bias', [inner], fanInUniform(width))) : sum;
  const last = op.slice(before, ints(1 - width), ints(Number.MAX_SAFE_INTEGER), ints(1));
  return { y, last: op.transpose(last, { perm: [0, 2, 1] }) };
}

/** In float64 without the product with a sigmoid, which ONNX Runtime makes a QuickGelu that its CPU has for float32 alone. */
function silu(z: Value): Value {
  if (z.dtype !== 'float64') return op.mul(z, op.sigmoid(z));
  return op.div(z, op.add(scalar(1, 'float64'), op.exp(op.neg(z))));
}

/** ONNX Runtime's CPU has no float64 Softplus: max(z, 0) + log(1 + exp(-|z|)). */
function softplus(z: Value, work: 'float32' | 'float64'): Value {
  if (work === 'float32') return op.softplus(z);
  return op.add(op.relu(z), op.log(op.add(op.exp(op.neg(op.abs(z))), scalar(1, work))));
}

/** z with softplus(z) log-uniform in [low, high]: how dt starts. */
function softplusInverse(low: number, high: number): Initial {
  const [from, to] = [Math.log(low), Math.log(high)];
  return (random) => () => {
    const dt = Math.max(Math.exp(from + (to - from) * random()), 1e-4);
    return dt + Math.log(-Math.expm1(-dt));
  };
}
