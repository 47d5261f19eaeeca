import { type Check, check } from './identities.ts';
import type { Cell, CellState } from './recurrence.ts';
import type { References } from './references.ts';
import { dot, largest, norm, spread, wave } from './vectors.ts';

/** One sequence through one direction of a recurrent layer as the graph computed it, steps in the order they are taken. */
export interface Sequence {
  readonly cell: Cell;
  readonly first: CellState;
  /** What x and the biases add to the gates, by step. */
  readonly given: readonly Float64Array[];
  /** h after each step. */
  readonly h: readonly Float64Array[];
}

const statements = {
  rnn: 'h_t = h + 1 (phi(Wh + Ux + b) - h): forward Euler of dh/dt = phi - h',
  gru: 'h_t = h + (1-z)*(n-h): forward Euler of dh/dt = (1-z)*(n-h)',
  lstm: "c_t = f*c + i*g is the exact solution of c' = s - lambda c over one step, h_t = o*tanh(c_t)",
} as const;

const costates = {
  rnn: "p(t-1) = W' diag(phi') p",
  gru: 'p(t-1) = z*p + gate terms',
  lstm: 'p_c(t-1) = f*(p_c + o*(1 - tanh(c)^2)*p_h), p_h(t-1) by the gates',
} as const;

/** Directions along which the co-state is compared with differences, and steps at which. */
const directions = 3;
const steps = 3;

/** A recurrent layer against the explicit Hamilton-Jacobi step in float64, and that step's co-state recursion against differences. */
export function recurrentChecks(sequences: readonly Sequence[], precision: number, references: References): Check[] {
  const errors: number[] = [];
  const back: number[] = [];
  let kind: Cell['kind'] = 'rnn';
  for (const { cell, first, given, h } of sequences) {
    kind = cell.kind;
    let state = first;
    const before: CellState[] = [];
    given.forEach((own, step) => {
      before.push(state);
      state = references.cellStep(cell, own, state);
      const seen = h[step] ?? new Float64Array(0);
      const size = Math.max(largest(state.h), 1e-3);
      errors.push(...state.h.map((value, i) => Math.abs(value - (seen[i] ?? Number.NaN)) / size));
    });
    for (const step of spread(given.length, steps)) {
      const own = given[step];
      const at = before[step];
      if (own !== undefined && at !== undefined) back.push(costateError(cell, own, at, references));
    }
  }
  return [
    check(
      'step',
      statements[kind],
      'h at every step by the graph',
      'the Hamilton-Jacobi step from the weights of the graph, float64',
      errors,
      10 * precision,
    ),
    check(
      'co-state recursion',
      costates[kind],
      'the recursion, float64',
      'central differences of the step, float64',
      back,
      1e-6,
    ),
  ];
}

/** <p(t-1), v> against the difference of <p(t), step(state + s v)> in s. */
function costateError(cell: Cell, given: Float64Array, at: CellState, references: References): number {
  const after: CellState = {
    h: wave(cell.hidden, 1),
    c: cell.kind === 'lstm' ? wave(cell.hidden, 2) : new Float64Array(cell.hidden),
  };
  const p = references.cellCostate(cell, given, at, after);
  const scale = 1e-5 * Math.max(1, largest(at.h), largest(at.c));
  let worst = 0;
  for (let k = 0; k < directions; k++) {
    const v = { h: wave(cell.hidden, 3 + k), c: cell.kind === 'lstm' ? wave(cell.hidden, 7 + k) : at.c.map(() => 0) };
    const value = (by: number): number => {
      const next = references.cellStep(cell, given, {
        h: at.h.map((entry, i) => entry + by * (v.h[i] ?? 0)),
        c: at.c.map((entry, i) => entry + by * (v.c[i] ?? 0)),
      });
      return dot(after.h, next.h) + (cell.kind === 'lstm' ? dot(after.c, next.c) : 0);
    };
    const slope = (value(scale) - value(-scale)) / (2 * scale);
    const product = dot(p.h, v.h) + (cell.kind === 'lstm' ? dot(p.c, v.c) : 0);
    const size = Math.max(norm(p.h) * norm(v.h) + norm(p.c) * norm(v.c), 1e-9);
    const error = Math.abs(slope - product) / size;
    worst = Number.isNaN(error) ? Number.POSITIVE_INFINITY : Math.max(worst, error);
  }
  return worst;
}
