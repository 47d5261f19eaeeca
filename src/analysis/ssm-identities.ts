import { type Check, check } from './identities.ts';
import type { Complex } from './linear-ode.ts';
import type { References } from './references.ts';
import { largest } from './vectors.ts';

/** One channel of a state-space model over one sequence: y_t = Re(sum over modes of c h) + D x_t as the graph computed it. */
export interface Channel {
  /** A, by mode. */
  readonly a: readonly Complex[];
  readonly dt: (step: number) => number;
  /** What enters each mode over the step, held. */
  readonly drive: (step: number, mode: number) => number;
  /** What the mode gets at once at the step's end: the input term of codes that take dt B x for it. */
  readonly jump: (step: number, mode: number) => number;
  readonly c: (step: number, mode: number) => Complex;
  /** D x_t */
  readonly past: (step: number) => number;
  readonly y: readonly number[];
}

/** A state-space model against its equation, followed over every step in float64, and its co-state against differences. */
export function ssmChecks(
  channels: readonly Channel[],
  precision: number,
  rounding: number,
  exact: boolean,
  references: References,
): Check[] {
  const errors: number[] = [];
  const back: number[] = [];
  for (const { a, dt, drive, jump, c, past, y } of channels) {
    let states: Complex[] = a.map(() => ({ re: 0, im: 0 }));
    const expected = y.map((_, step) => {
      states = states.map((h, mode) => {
        const held = references.heldStep(h, at(a, mode), { re: drive(step, mode), im: 0 }, dt(step));
        return { re: held.re + jump(step, mode), im: held.im };
      });
      return states.reduce((sum, h, mode) => {
        const own = c(step, mode);
        return sum + own.re * h.re - own.im * h.im;
      }, past(step));
    });
    // The term D x may be far larger than what comes from the states: its rounding is no error of theirs.
    const size = Math.max(largest(expected.map((value, step) => value - past(step))), 1e-9);
    const blur = 4 * rounding * largest(expected);
    errors.push(
      ...expected.map((value, step) => {
        const error = Math.abs(value - (y[step] ?? Number.NaN));
        return Number.isNaN(error) ? error : Math.max(0, error - blur) / size;
      }),
    );
    a.slice(0, 4).forEach((own) => {
      back.push(costateError(own, dt(0), references));
    });
  }
  return [
    check(
      exact ? 'zero-order hold' : 'step',
      exact
        ? 'h_t is the exact solution of dh/dt = Ah + Bx over each step, x held; y = Re(Ch) + Dx'
        : 'h_t = exp(dt A) h + dt B x: A exact over each step, the input term Euler; y = Ch + Dx',
      'y at every step by the graph',
      'dh/dt = Ah + Bx by small steps of RK4 from the parameters, float64',
      errors,
      10 * precision,
    ),
    check(
      'co-state recursion',
      "p(t-1) = Abar' p",
      'the recursion, float64',
      'central differences of the step, float64',
      back,
      1e-6,
    ),
  ];
}

/** <p(t-1), v> against the difference of <p, h(t)> along v; the step is linear, so any size of the difference will do. */
function costateError(a: Complex, dt: number, references: References): number {
  const p = { re: 0.6, im: -0.8 };
  const before = references.heldCostate(p, a, dt);
  let worst = 0;
  for (const v of [
    { re: 1, im: 0 },
    { re: 0, im: 1 },
  ]) {
    const value = (by: number) => {
      const h = references.heldStep({ re: 0.3 + by * v.re, im: 0.2 + by * v.im }, a, { re: 1, im: 0 }, dt);
      return p.re * h.re + p.im * h.im;
    };
    const error = Math.abs(value(0.5) - value(-0.5) - (before.re * v.re + before.im * v.im));
    worst = Number.isNaN(error) ? Number.POSITIVE_INFINITY : Math.max(worst, error);
  }
  return worst;
}

function at(values: readonly Complex[], index: number): Complex {
  return values[index] ?? { re: Number.NaN, im: Number.NaN };
}
