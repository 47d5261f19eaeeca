import type { Vector } from '../../ops/float64.ts';
import { argumentsOf } from '../reading/arguments.ts';
import type { Site } from '../reading/sites.ts';
import { type Check, check } from './identities.ts';
import { type Found, queries, rowOf } from './probe.ts';
import type { References } from './references.ts';
import { type Probing, precisionOf } from './site-checks.ts';
import { dot, largest, norm } from './vectors.ts';

/** HopfCole and HopfLax on their own initial data: u by the graph against f of the encoded atoms, and against the float64 solution. */
export function hopfColeProbing({ node }: Site, references: References): Probing | undefined {
  const args = argumentsOf(node);
  const [x, y, g, t] = ['X', 'Y', 'g', 't'].map((name) => args.get(name));
  const [epsilon, metric] = [args.get('epsilon'), args.get('metric')];
  const [u, gradient, foot] = node.outputs;
  if (!x || !y || !g || !t || !u) return undefined;
  const viscous = node.opType === 'HopfCole';
  const more = { ...(epsilon ? { epsilon } : {}), ...(viscous && gradient && foot ? { gradient, foot } : {}) };
  return {
    wanted: { x, y, g, t, u, ...more, ...(metric ? { metric } : {}) },
    checks: (found) => solutionChecks(found, viscous, precisionOf(x), references),
  };
}

function solutionChecks(
  found: Readonly<Record<string, Found>>,
  viscous: boolean,
  precision: number,
  references: References,
): Check[] {
  const own = found as Record<'x' | 'y' | 'g' | 't' | 'u', Found>;
  const { epsilon: temperature, gradient, foot, metric } = found;
  const t = own.t.values[0] ?? Number.NaN;
  const epsilon = viscous ? (temperature?.values[0] ?? Number.NaN) : 0;
  const inverse = metric === undefined ? (v: Vector) => Float64Array.from(v) : solver(metric);
  const d = own.x.shape.at(-1) ?? 0;
  const y = Array.from({ length: own.y.shape[0] ?? 0 }, (_, j) => inverse(rowOf(own.y, [j])));
  const errors = { duality: [] as number[], gradient: [] as number[], foot: [] as number[] };
  const count = Math.min(queries, own.x.shape[0] ?? 0);
  for (let row = 0; row < count; row++) {
    const plain = rowOf(own.x, [row]);
    const x = inverse(plain);
    const u = own.u.values[row] ?? Number.NaN;
    const value = (at: Vector): number => {
      if (!viscous) return references.hopfLax(at, y, own.g.values, t).u0;
      // The other side of the duality: f of the encoded atoms W = y/(2t), b = -g - |y|^2/(4t).
      const z = y.map((atom, j) => dot(atom, at) / (2 * t) - (own.g.values[j] ?? 0) - dot(atom, atom) / (4 * t));
      return dot(at, at) / (4 * t) - references.logSumExp(z, epsilon);
    };
    const spread = Math.max(...y.map((atom) => dot(atom, atom))) / (4 * t) + dot(x, x) / (4 * t);
    const scale = Math.max(Math.abs(u), largest(own.g.values), spread, epsilon);
    errors.duality.push(Math.abs(u - value(x)) / scale);
    if (gradient === undefined || foot === undefined) continue;
    const p = rowOf(gradient, [row]);
    const solved = viscous ? references.hopfCole(x, y, own.g.values, epsilon, t).gradient : x;
    const reach = (norm(x) + Math.max(...y.map(norm))) / (2 * t);
    // In the coordinates x' = L^-1 x the gradient is L' p.
    const mapped = metric === undefined ? p : transposed(metric, p);
    errors.gradient.push(norm(mapped.map((entry, i) => entry - (solved[i] ?? Number.NaN))) / reach);
    const start = inverse(rowOf(foot, [row]));
    const reached = Float64Array.from({ length: d }, (_, i) => (x[i] ?? 0) - 2 * t * (solved[i] ?? Number.NaN));
    errors.foot.push(norm(reached.map((entry, i) => entry - (start[i] ?? Number.NaN))) / (2 * t * reach));
  }
  const loose = metric === undefined ? precision : 10 * precision;
  const duality = viscous
    ? check(
        'hopf-cole',
        'u(x,t) = |x|^2/(4t) - f(x)',
        'u by the graph',
        'log-sum-exp of the encoded atoms (W,b), float64',
        errors.duality,
        loose,
      )
    : check('hopf-lax', 'u(x,t) = min_j g_j + |x - y_j|^2/(4t)', 'u by the graph', 'float64', errors.duality, loose);
  if (errors.gradient.length === 0) return [duality];
  const path = 'gradient of u by Hopf-Cole, float64';
  return [
    duality,
    check('gradient', 'grad u = (x - E_pi y)/(2t)', 'gradient by the graph', path, errors.gradient, loose),
    check('foot point', 'x - 2t grad u = E_pi y', 'foot point by the graph', path, errors.foot, loose),
  ];
}

/** L^-1 v of a lower triangular L, by forward substitution. */
function solver(metric: Found): (v: Vector) => Float64Array {
  const d = metric.shape.at(-1) ?? 0;
  return (v) => {
    const solved = new Float64Array(d);
    for (let i = 0; i < d; i++) {
      let rest = v[i] ?? 0;
      for (let k = 0; k < i; k++) rest -= (metric.values[i * d + k] ?? 0) * (solved[k] ?? 0);
      solved[i] = rest / (metric.values[i * d + i] ?? 0);
    }
    return solved;
  };
}

/** L' v, of the lower triangle alone. */
function transposed(metric: Found, v: Vector): Float64Array {
  const d = metric.shape.at(-1) ?? 0;
  return Float64Array.from({ length: d }, (_, i) => {
    let sum = 0;
    for (let k = i; k < d; k++) sum += (metric.values[k * d + i] ?? 0) * (v[k] ?? 0);
    return sum;
  });
}
