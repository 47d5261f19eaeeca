import { as, ints, scalar, type WorkType } from '../../../ops/precision.ts';
import { HopfcoleError } from '../../files/error.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { byIndex, type Initial, normal } from '../initial.ts';
import type { Module } from '../module.ts';
import type { Complex } from './complex.ts';

interface Parts {
  readonly re: Value;
  readonly im: Value;
}

/**
 * dh/dt = Ah + x, y = Re(Ch) + Dx with A diagonal and complex, of H channels with M modes each, by zero-order hold:
 * h_t = abar h_(t-1) + bbar x_t. All [H, M].
 */
export interface Discrete {
  readonly channels: number;
  readonly modes: number;
  readonly work: WorkType;
  /** dt A: abar^k = exp(k dt A) */
  readonly rate: Complex;
  readonly abar: Complex;
  /** abar - 1, exact to its last digit where dt is small and abar is not. */
  readonly change: Complex;
  /** (abar - 1)/A */
  readonly bbar: Complex;
  /** 2C: every mode stands for itself and its conjugate. */
  readonly c: Complex;
}

/**
 * S4D's parameters under `kernel`, as the reference code stores them: `log_dt` [H], `C` [H, N/2, 2], `log_A_real` and `A_imag` [H, N/2]; fresh ones are
 * S4D-Lin: A = -1/2 + i pi n, dt log-uniform in [0.001, 0.1]. Of parameters alone, so that ONNX Runtime computes it once, at load.
 */
export function discretise(module: Module, channels: number, state: number | undefined): Discrete {
  const stored = module.shapeOf('C')?.at(1);
  const size = state ?? (stored === undefined ? 64 : 2 * stored);
  if (size % 2 !== 0 || size < 2)
    throw new HopfcoleError(
      'BAD_SPEC',
      `${module.describe()} expects an even state size, got ${size}`,
      { argument: 'state' },
      'The modes come in conjugate pairs, of which the parameters have one each',
    );
  const modes = size / 2;
  const work: WorkType = module.dtype === 'float64' ? 'float64' : 'float32';
  const parameter = (name: string, shape: readonly number[], initial: Initial) =>
    as(module.parameter(name, shape, initial), work);
  const dt = op.unsqueeze(op.exp(parameter('log_dt', [channels], logUniform(0.001, 0.1))), ints(1));
  // Complex entries of unit variance: half of it in each part.
  const pairs = parameter('C', [channels, modes, 2], normal(Math.SQRT1_2));
  const real = op.neg(op.exp(parameter('log_A_real', [channels, modes], () => () => Math.log(0.5))));
  const imaginary = parameter(
    'A_imag',
    [channels, modes],
    byIndex((index) => Math.PI * (index % modes)),
  );
  const rate = { re: op.mul(dt, real), im: op.mul(dt, imaginary) };
  const growth = op.exp(rate.re);
  const abar = { re: op.mul(growth, op.cos(rate.im)), im: op.mul(growth, op.sin(rate.im)) };
  const two = scalar(2, work);
  const part = (index: number) => op.mul(two, op.gather(pairs, scalar(index, 'int64'), { axis: 2 }));
  const c = { re: part(0), im: part(1) };
  const change = lessOne(rate, abar.im, work);
  return { channels, modes, work, rate, abar, change, bbar: quotient(change, { re: real, im: imaginary }), c };
}

/**
 * exp(a + ib) - 1 without the cancellation where both are small: expm1(a) cos b - 2 sin^2(b/2) + i exp(a) sin b, with
 * expm1(a) = 2t/(1 - t), t = tanh(a/2).
 */
function lessOne({ re: a, im: b }: Parts, im: Value, work: WorkType): Parts {
  const two = scalar(2, work);
  const t = op.tanh(op.div(a, two));
  const less = op.div(op.mul(two, t), op.sub(scalar(1, work), t));
  const half = op.sin(op.div(b, two));
  return { re: op.sub(op.mul(less, op.cos(b)), op.mul(two, op.mul(half, half))), im };
}

function quotient(x: Parts, A: Parts): Parts {
  const square = op.add(op.mul(A.re, A.re), op.mul(A.im, A.im));
  return {
    re: op.div(op.add(op.mul(x.re, A.re), op.mul(x.im, A.im)), square),
    im: op.div(op.sub(op.mul(x.im, A.re), op.mul(x.re, A.im)), square),
  };
}

/** abar^k for integers k [n]: [H, n, M]. */
export function powers({ rate, work }: Discrete, exponents: Value): Complex {
  const k = op.unsqueeze(as(exponents, work), ints(1));
  const along = (part: Value | undefined) => op.mul(op.unsqueeze(part ?? k, ints(1)), k);
  const growth = op.exp(along(rate.re));
  const phase = along(rate.im);
  return { re: op.mul(growth, op.cos(phase)), im: op.mul(growth, op.sin(phase)) };
}

/** exp of U(log low, log high), as its logarithm. */
function logUniform(low: number, high: number): Initial {
  const [from, to] = [Math.log(low), Math.log(high)];
  return (random) => () => from + (to - from) * random();
}
