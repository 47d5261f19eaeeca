import type { Vector } from '../../ops/float64.ts';
import { type Check, check } from './identities.ts';
import type { References } from './references.ts';
import { dot, largest, norm, spread } from './vectors.ts';

/** One query of an attention head as the graph computed it, in float64. */
export interface AttentionRow {
  readonly q: Vector;
  /** One row per atom. */
  readonly k: readonly Vector[];
  readonly v: readonly Vector[];
  /** Added to k.q; -inf takes an atom away. */
  readonly bias: Vector | undefined;
  readonly epsilon: number;
  readonly output: Vector;
  /** The weights by the graph, where it gives them. */
  readonly weights: Vector | undefined;
}

/** Directions s, and atoms, along which derivatives are compared with differences. */
const most = 6;

/**
 * Identities of an attention head (docs/theory.md section 4): its output is the gradient of eps log sum_j exp((k_j.q + v_j.s)/eps) in s
 * at s = 0, its weights a measure, the gradient of the same in the logits, and nothing for masked atoms. `rounding` is one unit in the
 * last place of the graph's element type.
 */
export function attentionChecks(
  rows: readonly AttentionRow[],
  precision: number,
  rounding: number,
  { logSumExp }: Pick<References, 'logSumExp'>,
): Check[] {
  const gradient: number[] = [];
  const mass: number[] = [];
  const masked: number[] = [];
  const slopes: number[] = [];
  for (const { q, k, v, bias, epsilon, output, weights } of rows) {
    const z = Float64Array.from(k, (key, j) => dot(key, q) + (bias?.[j] ?? 0));
    const free = z.some((entry) => entry !== -Infinity);
    // Logits that the graph rounds move the weights by their rounding over eps.
    const blur = (rounding * 8 * largest(z)) / epsilon;
    for (const i of spread(output.length, most)) {
      const column = Float64Array.from(v, (row) => row[i] ?? 0);
      const size = Math.max(largest(column), Number.MIN_VALUE);
      const h = (epsilon / size) * 1e-4;
      const at = (s: number) =>
        logSumExp(
          Float64Array.from(z, (entry, j) => entry + s * (column[j] ?? 0)),
          epsilon,
        );
      const slope = free ? (at(h) - at(-h)) / (2 * h) : 0;
      gradient.push(beyond(Math.abs((output[i] ?? Number.NaN) - slope) / size, blur + roughness(z, epsilon, h * size)));
    }
    if (weights === undefined) continue;
    const sum = Array.from(weights).reduce((a, b) => a + b, 0);
    mass.push(Math.abs(sum - (free ? 1 : 0)), ...Array.from(weights, (weight) => Math.max(0, -weight)));
    masked.push(...Array.from(weights, (weight, j) => (z[j] === -Infinity ? Math.abs(weight) : 0)));
    for (const j of spread(z.length, most)) {
      if (z[j] === -Infinity) continue;
      const h = epsilon * 1e-4;
      const at = (by: number) =>
        logSumExp(
          z.map((entry, i) => (i === j ? entry + by : entry)),
          epsilon,
        );
      const slope = (at(h) - at(-h)) / (2 * h);
      slopes.push(beyond(Math.abs((weights[j] ?? Number.NaN) - slope), blur + roughness(z, epsilon, h)));
    }
  }
  const tolerance = Math.max(precision, 1e-6);
  return [
    check(
      'gradient',
      "softmax(qK'/eps) V = d/ds eps log sum exp((k.q + v.s)/eps) at s = 0",
      'output of each head by the graph',
      'central differences in s from the Q, K, V of the graph, float64',
      gradient,
      tolerance,
    ),
    ...(mass.length === 0
      ? []
      : [
          check('measure', 'pi >= 0, sum pi = 1', 'pi by the graph', 'the two conditions', mass, tolerance),
          check(
            'weights',
            'pi_j = df/dz_j, z = k.q',
            'pi by the graph',
            'central differences of f from the Q and K of the graph, float64',
            slopes,
            tolerance,
          ),
        ]),
    ...(mass.length > 0 && rows.some(({ bias }) => bias !== undefined)
      ? [check('mask', 'pi_j = 0 where atom j is masked', 'pi by the graph', 'the mask', masked, 0)]
      : []),
  ];
}

/** Modern Hopfield retrieval: the state goes to the foot point of the solution whose initial data the patterns decode to, t = 1/2. */
export function retrieval(
  rows: readonly AttentionRow[],
  precision: number,
  rounding: number,
  { decode, hopfCole }: Pick<References, 'decode' | 'hopfCole'>,
): Check {
  const errors = rows.map(({ q, k, bias, epsilon, output }) => {
    const free = k.filter((_, j) => bias?.[j] !== -Infinity);
    const { y, g } = decode(free, new Float64Array(free.length), 0.5);
    const { gradient } = hopfCole(q, y, g, epsilon, 0.5);
    const foot = Float64Array.from(q, (value, i) => value - (gradient[i] ?? Number.NaN));
    const size = Math.max(...free.map(norm), Number.MIN_VALUE);
    const blur = (rounding * 8 * Math.max(...free.map((pattern) => Math.abs(dot(pattern, q))))) / epsilon;
    return beyond(norm(foot.map((value, i) => value - (output[i] ?? Number.NaN))) / size, blur);
  });
  return check(
    'retrieval',
    "X softmax(beta X'xi) = xi - grad u(xi, 1/2)",
    'the next state by the graph',
    'the foot point by Hopf-Cole from the decoded patterns, float64',
    errors,
    Math.max(precision, 1e-6),
  );
}

/** What is beyond what rounding explains; NaN stays. */
function beyond(error: number, rounding: number): number {
  return Number.isNaN(error) ? error : Math.max(0, error - rounding);
}

/** Rounding of f in float64, over the step: what a difference cannot tell from the derivative. */
function roughness(z: Vector, epsilon: number, h: number): number {
  return (Math.max(largest(z), epsilon) * 2 ** -50) / h;
}
