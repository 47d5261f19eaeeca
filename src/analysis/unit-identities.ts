import type { Vector } from '../../ops/float64.ts';
import { type Check, check } from './identities.ts';
import type { References } from './references.ts';
import { dot, largest } from './vectors.ts';

/** One value that is said to be eps log sum_j exp(z_j/eps) of its arguments (the largest of them at eps = 0). */
export interface UnitRow {
  readonly z: Vector;
  readonly f: number;
}

const t = 0.5;

/** f(z) = |z|^2/(4t) - u(z, t) by Hopf-Cole, or at eps = 0 by Hopf-Lax, from the decoded initial data of the unit vectors (and of 0). */
export function hopfValue(
  z: Vector,
  epsilon: number,
  atoms: 'all' | 'against zero',
  { decode, hopfCole, hopfLax }: References,
): number {
  const unit = (j: number) => Float64Array.from({ length: z.length }, (_, i) => Number(i === j));
  const w = [...Array.from(z, (_, j) => unit(j)), ...(atoms === 'all' ? [] : [new Float64Array(z.length)])];
  const { y, g } = decode(w, new Float64Array(w.length), t);
  const u = epsilon === 0 ? hopfLax(z, y, g, t).u0 : hopfCole(z, y, g, epsilon, t).u;
  return dot(z, z) / (4 * t) - u;
}

/**
 * The arguments z of a unit are a query of its own: f(z) = |z|^2/(4t) - u(z, t) with u the solution whose atoms are the unit vectors (for
 * softplus and ReLU, e_1 and 0: two atoms), decoded to (y, g), by Hopf-Cole, or at eps = 0 by Hopf-Lax.
 */
export function unitChecks(
  rows: readonly UnitRow[],
  epsilon: number,
  atoms: 'all' | 'against zero',
  precision: number,
  references: References,
): Check[] {
  const errors = rows.map(({ z, f }) => {
    const scale = Math.max(largest(z), epsilon, 1e-30);
    // What |z|^2/(4t) loses in float64 is no error of the graph.
    const rounding = dot(z, z) * 2 ** -48;
    const error = Math.abs(f - hopfValue(z, epsilon, atoms, references));
    return Number.isNaN(error) ? error : Math.max(0, error - rounding) / scale;
  });
  const [name, path] = epsilon === 0 ? ['hopf-lax', 'u by Hopf-Lax'] : ['hopf-cole', 'u by Hopf-Cole'];
  const of = atoms === 'all' ? 'all atoms' : 'two atoms';
  return [
    check(
      name,
      `f(z) + u(z,t) = |z|^2/(4t), ${of}`,
      'f by the graph',
      `${path} from the decoded initial data (y,g), float64`,
      errors,
      precision,
    ),
  ];
}
