import { at, average, dot, gibbsRow, logitsRow, type Matrix, type Vector } from '../../ops/float64.ts';
import { independent, type References } from './references.ts';

/** One identity of docs/theory.md, computed by two independent paths. */
export interface Check {
  readonly name: string;
  readonly statement: string;
  readonly pathA: string;
  readonly pathB: string;
  readonly error: number;
  readonly tolerance: number;
  readonly ok: boolean;
}

/** The atoms of one LSE unit, in float64. */
export interface Atoms {
  readonly w: Matrix;
  readonly b: Vector;
  readonly epsilon: number;
}

/** What a graph gave for one query x. */
export interface Given {
  readonly x: Vector;
  readonly f: number;
  readonly costate: Vector;
  readonly entropy: number;
  /** All atoms' weights by atom. */
  readonly weights: Vector;
  /** f without each atom, minus f, by atom. */
  readonly leaveOneOut: Vector;
}

/** t is a gauge: at 1/2 the atoms are the weights themselves. */
const t = 0.5;
/** Directions along which derivatives are compared with differences. */
const directions = 3;
/** Beyond so many multiplications the Laplacian, which takes every coordinate, is left out. */
const laplacianLimit = 5e7;
/** Float64 identities hold to rounding times the size of what cancels in them. */
const exact = 1e-9;
/** Central differences of a float64 function, at steps near the cube root of its precision. */
const differenced = 1e-6;

/** Magnitude that rounding errors of f are relative to: max(|z|, eps log N). */
function scaleOf(atoms: Atoms, x: Vector): number {
  const z = logitsRow(x, atoms.w, atoms.b);
  const largest = z.reduce((most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most), 0);
  return Math.max(
    largest,
    atoms.epsilon * Math.log(Math.max(2, atoms.w.length)),
    dot(x, x) / (4 * t),
    Number.MIN_VALUE,
  );
}

/**
 * Identities between what a graph gave and the solution of the viscous HJ equation with the initial data decoded from the weights.
 * `precision` is the relative precision of the graph's element type (1e-5 for float32).
 */
export function graphChecks(
  atoms: Atoms,
  rows: readonly Given[],
  precision: number,
  { decode, hopfCole, logSumExp }: References = independent,
): Check[] {
  const { y, g } = decode(atoms.w, atoms.b, t);
  const { epsilon } = atoms;
  const duality: number[] = [];
  const gradient: number[] = [];
  const heat: number[] = [];
  const convex: number[] = [];
  const removal: number[] = [];
  for (const row of rows) {
    const { x } = row;
    const scale = scaleOf(atoms, x);
    const solved = hopfCole(x, y, g, epsilon, t);
    duality.push(Math.abs(row.f - (dot(x, x) / (4 * t) - solved.u)) / scale);
    const reach = Math.max(largestNorm(atoms.w), Number.MIN_VALUE);
    gradient.push(
      norm(
        difference(
          row.costate,
          Float64Array.from(x, (value, i) => value / (2 * t) - at(solved.gradient, i)),
        ),
      ) / reach,
    );
    const z = logitsRow(x, atoms.w, atoms.b);
    const h = epsilon * 1e-4;
    const slope = (logSumExp(z, epsilon + h) - logSumExp(z, epsilon - h)) / (2 * h);
    heat.push(Math.abs(row.entropy - slope) / Math.max(1, Math.log(atoms.w.length)));
    const mean = Array.from(row.weights).reduce((sum, pi, j) => (pi > 0 ? sum + pi * at(z, j) : sum), 0);
    convex.push(Math.abs(row.f - (mean + epsilon * row.entropy)) / scale);
    removal.push(removalError(row, z, epsilon) / scale);
  }
  const coarse = Math.max(precision, 1e-5);
  return [
    check(
      'hopf-cole',
      'f(x) + u(x,t) = |x|^2/(4t)',
      'f by the graph',
      'u by Hopf-Cole from the decoded initial data (y,g), float64',
      duality,
      precision,
    ),
    check(
      'co-state',
      'p = x/(2t) - grad u',
      'p by the graph',
      'gradient of u from the decoded initial data, float64',
      gradient,
      precision,
    ),
    check(
      'entropy',
      'df/deps = H(pi)',
      'H by the graph',
      'central difference of f over epsilon, float64',
      heat,
      coarse * 10,
    ),
    check(
      'convex form',
      'f = E_pi z + eps H',
      'f by the graph',
      'pi and H by the graph on float64 logits',
      convex,
      coarse * 10,
    ),
    check(
      'leave-one-out',
      'f without atom j, minus f',
      'by the graph, from pi and F_rest',
      'log-sum-exp of the other atoms, float64',
      removal,
      precision,
    ),
  ];
}

/** Of the atoms that matter most: the heaviest, and three spread over the rest. */
function removalError(row: Given, z: Float64Array, epsilon: number): number {
  const order = [...z.keys()].sort((i, j) => at(z, j) - at(z, i));
  const whole = gibbsRow(z, epsilon).f;
  const picked = [0, 1, order.length >> 1, order.length - 1].filter(
    (place, i, all) => place >= 0 && place < order.length && all.indexOf(place) === i,
  );
  return Math.max(
    0,
    ...picked.map((place) => {
      const atom = order[place] ?? 0;
      const rest = gibbsRow(
        z.filter((_, j) => j !== atom),
        epsilon,
      ).f;
      const got = at(row.leaveOneOut, atom);
      if (rest === -Infinity) return got === -Infinity ? 0 : Infinity;
      return Math.abs(got - (rest - whole));
    }),
  );
}

/** Identities of the solution that the weights encode, in float64: the graph takes no part, so they tell weights that encode none. */
export function solutionChecks(
  atoms: Atoms,
  rows: readonly Vector[],
  { decode, hopfCole, hopfLax }: References = independent,
): Check[] {
  const { epsilon, w, b } = atoms;
  const { y, g } = decode(w, b, t);
  const value = (x: Vector) => gibbsRow(logitsRow(x, w, b), epsilon).f;
  const solution = (x: Vector, time: number) => hopfCole(x, y, g, epsilon, time).u;
  const slope: number[] = [];
  const gap: number[] = [];
  const merged: number[] = [];
  const scaled: number[] = [];
  const lax: number[] = [];
  const pde: number[] = [];
  for (const x of rows) {
    const scale = scaleOf(atoms, x);
    const z = logitsRow(x, w, b);
    const { f, weights, max } = gibbsRow(z, epsilon);
    const p = average(weights, w);
    const size = Math.max(largestNorm(w), 1e-300);
    const step = (epsilon / size) * 1e-3;
    for (const v of unitVectors(x.length)) {
      const numeric = (value(moved(x, v, step)) - value(moved(x, v, -step))) / (2 * step);
      // Rounding of f, divided by the step, is what a difference cannot tell from the derivative.
      const rounding = (scale * 2 ** -50) / step;
      slope.push(Math.max(0, Math.abs(numeric - dot(p, v)) - rounding) / size);
    }
    gap.push(Math.max(0, max - f, f - max - epsilon * Math.log(w.length)) / scale);
    merged.push(Math.abs(mergedValue(z, epsilon) - f) / scale);
    const c = 3;
    const wide = gibbsRow(
      z.map((entry) => c * entry),
      epsilon,
    ).f;
    scaled.push(Math.abs(wide - c * gibbsRow(z, epsilon / c).f) / (c * scale));
    const u = solution(x, t);
    const { u0: limit } = hopfLax(x, y, g, t);
    lax.push(Math.max(0, u - limit, limit - epsilon * Math.log(w.length) - u) / scale);
    if (w.length * x.length * x.length <= laplacianLimit)
      pde.push(residual(x, solution, epsilon, step, scale + t * size ** 2));
  }
  return [
    check(
      'gradient',
      'grad f = E_pi W',
      'E_pi W, float64',
      'central differences of f, float64',
      slope,
      differenced * 10,
    ),
    check('tropical gap', '0 <= f - max z <= eps log N', 'f, float64', 'the two bounds', gap, exact),
    check('merge', 'f of all atoms = LSE_eps of f of two halves', 'all atoms at once', 'halves, merged', merged, exact),
    check('scaling', 'f_eps(cW, cb) = c f_(eps/c)(W, b)', 'logits scaled', 'temperature scaled', scaled, exact),
    check('hopf-lax', 'u_0 - eps log N <= u_eps <= u_0', 'u by Hopf-Cole', 'u_0 by Hopf-Lax', lax, exact),
    ...(pde.length === 0
      ? []
      : [
          check(
            'hamilton-jacobi equation',
            'u_t + |grad u|^2 - eps Lap u = -eps d/(2t)',
            'differences of u in x and t, float64',
            'the constant that the normalisation leaves',
            pde,
            1e-3,
          ),
        ]),
  ];
}

/**
 * Residual of the PDE by central differences, relative to the largest of its terms. Rounding of u, of size `scale`, divided by the steps
 * is what differences cannot tell from derivatives.
 */
function residual(
  x: Vector,
  u: (x: Vector, time: number) => number,
  epsilon: number,
  step: number,
  scale: number,
): number {
  const h = step * 30;
  const dt = t * 1e-4;
  const here = u(x, t);
  const time = (u(x, t + dt) - u(x, t - dt)) / (2 * dt);
  let square = 0;
  let laplacian = 0;
  for (let i = 0; i < x.length; i++) {
    const direction = axis(x.length, i);
    const ahead = u(moved(x, direction, h), t);
    const behind = u(moved(x, direction, -h), t);
    square += ((ahead - behind) / (2 * h)) ** 2;
    laplacian += (ahead - 2 * here + behind) / h ** 2;
  }
  const constant = (-epsilon * x.length) / (2 * t);
  const terms = Math.max(Math.abs(time), square, Math.abs(epsilon * laplacian), Math.abs(constant));
  const ulp = scale * 2 ** -50;
  const rounding = ulp / dt + (2 * ulp * Math.sqrt(square * x.length)) / h + (4 * epsilon * ulp * x.length) / h ** 2;
  return Math.max(0, Math.abs(time + square - epsilon * laplacian - constant) - rounding) / terms;
}

/** LSE of the two halves of the atoms (docs/theory.md, merging). */
function mergedValue(z: Float64Array, epsilon: number): number {
  const middle = z.length >> 1;
  if (middle === 0) return gibbsRow(z, epsilon).f;
  const halves = [z.subarray(0, middle), z.subarray(middle)].map((half) => gibbsRow(half, epsilon).f);
  return gibbsRow(halves, epsilon).f;
}

/** One line of the report: the worst of the errors against the tolerance; NaN counts as infinite. */
export function check(
  name: string,
  statement: string,
  pathA: string,
  pathB: string,
  errors: readonly number[],
  tolerance: number,
): Check {
  const error = errors.reduce((worst, one) => (Number.isNaN(one) ? Infinity : Math.max(worst, one)), 0);
  return { name, statement, pathA, pathB, error, tolerance, ok: error <= tolerance };
}

/** A few fixed directions: the same at every call, none along an axis where d > 1. */
function unitVectors(d: number): Float64Array[] {
  return Array.from({ length: directions }, (_, k) => {
    const v = Float64Array.from({ length: d }, (_unused, i) => Math.cos((i + 1) * (k + 1) * 1.7) + 0.1);
    const length = norm(v);
    return v.map((value) => value / length);
  });
}

function axis(d: number, i: number): Float64Array {
  const v = new Float64Array(d);
  v[i] = 1;
  return v;
}

function moved(x: Vector, v: Vector, by: number): Float64Array {
  return Float64Array.from(x, (value, i) => value + by * at(v, i));
}

function difference(a: Vector, b: Vector): Float64Array {
  return Float64Array.from(a, (value, i) => value - at(b, i));
}

function norm(v: Vector): number {
  return Math.sqrt(dot(v, v));
}

function largestNorm(rows: Matrix): number {
  return rows.reduce((most, row) => Math.max(most, norm(row)), 0);
}
