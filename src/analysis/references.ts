import { gibbsRow, type Matrix, type Vector } from '../../ops/float64.ts';
import { hopfColeReference } from '../../ops/hopf-cole.ts';
import { hopfLaxReference } from '../../ops/hopf-lax.ts';
import { type HeldCostate, type HeldStep, heldCostate, heldStep } from './linear-ode.ts';
import { type CellCostate, type CellStep, cellCostate, cellStep } from './recurrence.ts';
import { dot } from './vectors.ts';

/** Initial data of the HJ equation. */
export interface InitialData {
  readonly y: Matrix;
  readonly g: Vector;
}

/** The paths in float64 that a graph is compared with: none of them looks at the graph. A test passes wrong ones and sees them found. */
export interface References {
  /** eps log sum_j exp(z_j/eps) */
  readonly logSumExp: (z: Vector, epsilon: number) => number;
  /** (W, b) -> (y, g) at time t. */
  readonly decode: (w: Matrix, b: Vector, t: number) => InitialData;
  /** u(x, t) of the viscous equation and its gradient. */
  readonly hopfCole: (
    x: Vector,
    y: Matrix,
    g: Vector,
    epsilon: number,
    t: number,
  ) => { readonly u: number; readonly gradient: Vector };
  /** u(x, t) of the inviscid equation. */
  readonly hopfLax: (x: Vector, y: Matrix, g: Vector, t: number) => { readonly u0: number };
  /** One step of a recurrent cell's Hamilton-Jacobi equation, and its co-state recursion. */
  readonly cellStep: CellStep;
  readonly cellCostate: CellCostate;
  /** One step of a mode of a state-space model, its input held, and its co-state recursion. */
  readonly heldStep: HeldStep;
  readonly heldCostate: HeldCostate;
}

/** y_j = 2t W_j, g_j = -b_j - t |W_j|^2. */
function decode(w: Matrix, b: Vector, t: number): InitialData {
  const y = w.map((row) => Float64Array.from(row, (value) => 2 * t * value));
  return { y, g: Float64Array.from(w, (row, j) => -(b[j] ?? Number.NaN) - t * dot(row, row)) };
}

export const independent: References = {
  logSumExp: (z, epsilon) => gibbsRow(z, epsilon).f,
  decode,
  hopfCole: hopfColeReference,
  hopfLax: hopfLaxReference,
  cellStep,
  cellCostate,
  heldStep,
  heldCostate,
};
