import { gibbsRow } from '../../ops/float64.ts';
import { gibbsAttentionReference } from '../../ops/gibbs-attention.ts';
import { hopfColeReference } from '../../ops/hopf-cole.ts';
import { hopfLaxReference } from '../../ops/hopf-lax.ts';
import { type CellState, cellStep } from '../../src/analysis/recurrence.ts';
import type { ReadingKind } from '../../src/layers/reading.ts';
import { type Picture, sampled } from './drawing.ts';

/** The initial data of the paper's first experiment, t = 1. */
const y = [[-1.5], [-0.5], [0.5], [1.5]];
const g = [1, 0.3, 0.3, 1];
const w = y.map(([atom = 0]) => atom / 2);
const b = y.map(([atom = 0], j) => -(g[j] ?? 0) - atom ** 2 / 4);
const lse = (x: number, epsilon: number) =>
  epsilon === 0
    ? Math.max(...w.map((slope, j) => slope * x + (b[j] ?? 0)))
    : gibbsRow(
        w.map((slope, j) => slope * x + (b[j] ?? 0)),
        epsilon,
      ).f;
const softplus = (z: number, epsilon: number) => (epsilon === 0 ? Math.max(z, 0) : gibbsRow([z, 0], epsilon).f);
const sigmoid = (z: number) => 1 / (1 + Math.exp(-z));
const named = (epsilon: number) => `eps ${epsilon}`;

function byEpsilon(values: readonly number[], f: (x: number, epsilon: number) => number, from: number, to: number) {
  return values.map((epsilon, color) => ({
    label: epsilon === 0 ? 'eps → 0' : named(epsilon),
    color,
    dashed: epsilon === 0,
    points: sampled(from, to, (x) => f(x, epsilon)),
  }));
}

/** The flow of dx/dt = F(x) by many small steps of the midpoint rule. */
function flow(F: (x: number) => number, from: number, time: number): [number, number][] {
  const points: [number, number][] = [[0, from]];
  let x = from;
  const h = time / 400;
  for (let i = 1; i <= 400; i++) {
    x += h * F(x + (h / 2) * F(x));
    if (i % 4 === 0) points.push([i * h, x]);
  }
  return points;
}

function euler(F: (x: number) => number, from: number, h: number, steps: number): [number, number][] {
  const points: [number, number][] = [[0, from]];
  let x = from;
  for (let i = 1; i <= steps; i++) {
    x += h * F(x);
    points.push([i * h, x]);
  }
  return points;
}

/** h of one step after another of a one-dimensional cell whose gates see a constant input. */
function cell(
  kind: 'rnn' | 'gru' | 'lstm',
  given: readonly number[],
  start: number,
  steps: number,
): [number, number][] {
  let state: CellState = { h: Float64Array.of(kind === 'lstm' ? 0 : start), c: Float64Array.of(start) };
  const points: [number, number][] = [[0, start]];
  const r = given.map(() => [0]);
  for (let t = 1; t <= steps; t++) {
    state = cellStep({ kind, hidden: 1, r, nonlinearity: 'tanh' }, given, state);
    points.push([t, (kind === 'lstm' ? state.c : state.h)[0] ?? 0]);
  }
  return points;
}

/** A pendulum, H = p^2/2 - cos q, by two methods: points (q, p). */
function pendulum(leap: boolean, h: number, steps: number): [number, number][] {
  let [q, p] = [1.2, 0];
  const points: [number, number][] = [[q, p]];
  for (let i = 0; i < steps; i++) {
    if (leap) {
      const half = p - (h / 2) * Math.sin(q);
      q += h * half;
      p = half - (h / 2) * Math.sin(q);
    } else [q, p] = [q + h * p, p - h * Math.sin(q)];
    points.push([q, p]);
  }
  return points;
}

/** Log-sum-exp over all paths of a chain of S states and T steps, minus the best path. */
function pathGap(epsilon: number): number {
  const [S, T] = [3, 6];
  const A = (i: number, j: number) => Math.sin(1 + 2.3 * i + 1.1 * j);
  const e = (t: number, j: number) => Math.cos(0.5 + 1.7 * t + 2.9 * j);
  const run = (sum: (z: readonly number[]) => number) => {
    let alpha = Array.from({ length: S }, (_, j) => e(0, j));
    for (let t = 1; t < T; t++) alpha = alpha.map((_, j) => sum(alpha.map((value, i) => value + A(i, j))) + e(t, j));
    return sum(alpha);
  };
  return run((z) => gibbsRow(z, epsilon).f) - run((z) => Math.max(...z));
}

const decay = -0.3;
const kernel = [0.1, 0.2, 0.4, 0.2, 0.1];
const signal = Array.from({ length: 40 }, (_, i) => Math.sin(i / 5) + 0.5 * Math.sin(2.4 * i));
const patterns = [-1.6, 0.2, 1.7];
const vectors = Array.from({ length: 8 }, (_, i) => [Math.cos(0.9 * i), Math.sin(0.9 * i), Math.cos(2.1 * i)]);

/** A picture of each row of the table, of numbers that are computed here. */
export const pictures: Readonly<Partial<Record<ReadingKind, Picture>>> = {
  lse: {
    alt: 'Log-sum-exp of four atoms for falling eps: it tends to the maximum of four lines',
    x: [-2.5, 2.5],
    y: [-1, 1.5],
    xLabel: 'x',
    yLabel: 'f(x)',
    curves: byEpsilon([1, 0.5, 0.2, 0], lse, -2.5, 2.5),
  },
  'hopf-cole': {
    alt: 'The viscous solution u(x, 1) of four atoms for falling eps: it tends to the Hopf-Lax solution',
    x: [-2.5, 2.5],
    y: [-1.2, 1.5],
    xLabel: 'x',
    yLabel: 'u(x, 1)',
    curves: byEpsilon(
      [1, 0.5, 0.2, 0],
      (x, epsilon) => (epsilon === 0 ? hopfLaxReference([x], y, g, 1).u0 : hopfColeReference([x], y, g, epsilon, 1).u),
      -2.5,
      2.5,
    ),
  },
  'softmax-head': {
    alt: 'Gibbs weights of three logits 1, 0 and -1 as the temperature rises: from one atom to all',
    x: [0.05, 4],
    y: [0, 1],
    xLabel: 'eps',
    yLabel: 'pi',
    curves: [1, 0, -1].map((z, color) => ({
      label: `z = ${z}`,
      color,
      points: sampled(0.05, 4, (epsilon) => gibbsRow([1, 0, -1], epsilon).weights[color] ?? 0),
    })),
  },
  softplus: {
    alt: 'Softplus between its two atoms, the lines 0 and z, for three eps',
    x: [-3, 3],
    y: [0, 3.2],
    xLabel: 'z',
    curves: byEpsilon([1, 0.5, 0.2], softplus, -3, 3),
  },
  relu: {
    alt: 'ReLU as the limit of softplus for falling eps',
    x: [-2, 2],
    y: [0, 2.2],
    xLabel: 'z',
    curves: byEpsilon([0.5, 0.2, 0.05, 0], softplus, -2, 2),
  },
  max: {
    alt: 'Four lines, and their maximum: the Hopf-Lax solution',
    x: [-2.5, 2.5],
    y: [-2, 1.5],
    xLabel: 'x',
    curves: [
      ...w.map((slope, j) => ({
        color: 4,
        dashed: true,
        points: sampled(-2.5, 2.5, (x) => slope * x + (b[j] ?? 0)),
      })),
      { label: 'maximum', color: 0, points: sampled(-2.5, 2.5, (x) => lse(x, 0)) },
    ],
  },
  'lse-feed-forward': {
    alt: 'A block with weights of both signs: the difference of two solutions need not be convex',
    x: [-3, 3],
    y: [-0.2, 3],
    xLabel: 'x',
    curves: [
      { label: 'f1', color: 4, dashed: true, points: sampled(-3, 3, (x) => softplus(x + 1, 0.3)) },
      { label: 'f2', color: 4, dashed: true, points: sampled(-3, 3, (x) => softplus(x - 1, 0.3)) },
      { label: 'f1 - f2', color: 0, points: sampled(-3, 3, (x) => softplus(x + 1, 0.3) - softplus(x - 1, 0.3)) },
    ],
  },
  'feed-forward': {
    alt: 'SiLU beside softplus: it is not convex, so no log-sum-exp of two atoms gives it',
    x: [-4, 3],
    y: [-0.5, 3],
    xLabel: 'z',
    curves: [
      { label: 'SiLU', color: 1, points: sampled(-4, 3, (z) => z * sigmoid(z)) },
      { label: 'softplus', color: 0, dashed: true, points: sampled(-4, 3, (z) => softplus(z, 1)) },
    ],
  },
  activation: {
    alt: 'GELU (tanh form) beside ReLU: below 0 it dips, no log-sum-exp of two atoms does',
    x: [-3, 2],
    y: [-0.4, 2],
    xLabel: 'z',
    curves: [
      {
        label: 'GELU',
        color: 1,
        points: sampled(-3, 2, (z) => 0.5 * z * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (z + 0.044715 * z ** 3)))),
      },
      { label: 'ReLU', color: 0, dashed: true, points: sampled(-3, 2, (z) => softplus(z, 0)) },
    ],
  },
  convex: {
    alt: 'A log-sum-exp of log-sum-exps with weights that are not negative stays convex',
    x: [-2.5, 2.5],
    y: [-1, 2.5],
    xLabel: 'x',
    curves: [
      { label: 'layer 1', color: 4, dashed: true, points: sampled(-2.5, 2.5, (x) => lse(x, 0.3)) },
      {
        label: 'layer 2',
        color: 0,
        points: sampled(-2.5, 2.5, (x) => gibbsRow([1.5 * lse(x, 0.3) + 0.3 * x, 0.6 - 0.9 * x, -0.5], 0.3).f),
      },
    ],
  },
  residual: {
    alt: 'The flow of dx/dt = x - x^3 and forward Euler with two steps h',
    x: [0, 4],
    y: [0, 1.3],
    xLabel: 't (depth)',
    yLabel: 'x',
    curves: [
      { label: 'the flow', color: 4, points: flow((x) => x - x ** 3, 0.1, 4) },
      { label: 'h = 1', color: 1, points: euler((x) => x - x ** 3, 0.1, 1, 4) },
      { label: 'h = 1/4', color: 0, points: euler((x) => x - x ** 3, 0.1, 0.25, 16) },
    ],
    dots: [{ color: 1, points: euler((x) => x - x ** 3, 0.1, 1, 4) }],
  },
  leapfrog: {
    alt: 'A pendulum by leapfrog, which stays on its orbit, and by forward Euler, which leaves it',
    x: [-3.65, 3.65],
    y: [-2.6, 2.6],
    xLabel: 'q',
    yLabel: 'p',
    curves: [
      { label: 'leapfrog', color: 0, points: pendulum(true, 0.3, 60) },
      { label: 'Euler', color: 1, dashed: true, points: pendulum(false, 0.3, 24) },
    ],
  },
  attention: {
    alt: 'Weights of a causal head over eight positions, eps = sqrt 3',
    x: [0, 1],
    y: [0, 1],
    xLabel: 'atom j ≤ i, one row per query i',
    cells: {
      color: 0,
      weights: vectors.map((q, i) => {
        const keys = vectors.slice(0, i + 1).map((key) => key.map((value) => 2 * value));
        const { weights } = gibbsAttentionReference(q, keys, keys, Math.sqrt(3));
        return vectors.map((_, j) => weights[j] ?? 0);
      }),
    },
  },
  hopfield: {
    alt: 'The energy u of three patterns at beta = 4, and a state that is retrieved in three steps',
    x: [-2.2, 2.2],
    y: [-1.7, 0.6],
    xLabel: 'xi',
    yLabel: 'u',
    curves: [{ label: 'u(xi, 1/2)', color: 0, points: sampled(-2.2, 2.2, energy) }],
    dots: [{ label: 'xi', color: 1, points: retrieved(0.75, 4).map((xi) => [xi, energy(xi)] as const) }],
  },
  norm: {
    alt: 'Points in the plane and where RMS normalisation puts them: on a circle',
    x: [-3.65, 3.65],
    y: [-2.6, 2.6],
    xLabel: 'x',
    curves: [{ color: 4, dashed: true, points: circle(Math.SQRT2) }],
    dots: [
      { label: 'x', color: 4, points: scattered() },
      { label: 'RMS(x)', color: 0, points: scattered().map(([a, c]) => onCircle(a, c)) },
    ],
  },
  rnn: {
    alt: 'The flow of dh/dt = tanh(1.8 h + 0.2) - h and the recursion, its Euler steps of size 1',
    x: [0, 6],
    y: [-0.2, 1.1],
    xLabel: 't',
    yLabel: 'h',
    curves: [{ label: 'the flow', color: 4, points: flow((h) => Math.tanh(1.8 * h + 0.2) - h, -0.05, 6) }],
    dots: [{ label: 'h_t', color: 0, points: euler((h) => Math.tanh(1.8 * h + 0.2) - h, -0.05, 1, 6) }],
  },
  gru: {
    alt: 'A state that moves towards n = 0.8 by the part 1 - z of the way at each step, for two gates z',
    x: [0, 8],
    y: [-1, 1],
    xLabel: 't',
    yLabel: 'h',
    curves: [
      { label: 'n', color: 4, dashed: true, points: sampled(0, 8, () => 0.8) },
      { label: 'z = 0.5', color: 0, points: cell('gru', [0, logit(0.5), Math.atanh(0.8)], -0.9, 8) },
      { label: 'z = 0.9', color: 1, points: cell('gru', [0, logit(0.9), Math.atanh(0.8)], -0.9, 8) },
    ],
  },
  lstm: {
    alt: "The cell's recursion c = f c + i g on the curve of c' = s - lambda c, for two forget gates",
    x: [0, 8],
    y: [0, 2.2],
    xLabel: 't',
    yLabel: 'c',
    curves: [0.9, 0.5].map((f, color) => ({ label: `f = ${f}`, color, points: linearFlow(f, 0.1, 2) })),
    dots: [0.9, 0.5].map((f, color) => ({
      color,
      points: cell('lstm', [logit(0.5), logit(f), Math.atanh(0.2), 0], 2, 8),
    })),
  },
  ssm: {
    alt: 'One mode of a state-space model after an impulse: the flow of h\u2032 = (-0.3 + 2i) h and its samples by zero-order hold',
    x: [0, 8],
    y: [-1, 1],
    xLabel: 't',
    yLabel: 'Re h',
    curves: [{ label: 'the flow', color: 4, points: sampled(0, 8, (t) => Math.exp(decay * t) * Math.cos(2 * t)) }],
    dots: [{ label: 'step 1/4', color: 0, points: mode(0.25, 32) }],
  },
  'log-semiring': {
    alt: 'Log-sum-exp over all paths of three states in six steps minus the best path, below eps T log S',
    x: [0.02, 1],
    y: [0, 7],
    xLabel: 'eps',
    curves: [
      { label: 'f - Viterbi', color: 0, points: sampled(0.02, 1, pathGap) },
      {
        label: 'eps T log S',
        color: 4,
        dashed: true,
        points: sampled(0.02, 1, (epsilon) => epsilon * 6 * Math.log(3)),
      },
    ],
  },
  linear: {
    alt: 'A linear layer turns and stretches the plane: a circle becomes an ellipse',
    x: [-3.65, 3.65],
    y: [-2.6, 2.6],
    xLabel: 'z = Wx',
    curves: [
      { label: 'x', color: 4, dashed: true, points: circle(1) },
      { label: 'Wx', color: 0, points: circle(1).map(([a, c]) => [1.6 * a + 0.6 * c, -0.4 * a + 1.1 * c] as const) },
    ],
  },
  convolution: {
    alt: 'A signal and its convolution with a kernel of five taps',
    x: [0, 39],
    y: [-1.6, 1.6],
    xLabel: 'position',
    curves: [
      { label: 'x', color: 4, dashed: true, points: signal.map((value, i) => [i, value] as const) },
      {
        label: 'W * x',
        color: 0,
        points: signal.map(
          (_, i) => [i, kernel.reduce((sum, tap, k) => sum + tap * (signal[i + k - 2] ?? 0), 0)] as const,
        ),
      },
    ],
  },
  embedding: {
    alt: 'A table of eight rows, and the three rows that three tokens read',
    x: [-1.97, 1.97],
    y: [-1.4, 1.4],
    xLabel: 'E',
    dots: [
      { label: 'rows', color: 4, points: vectors.map(([a = 0, c = 0]) => [a, c] as const) },
      {
        label: 'tokens',
        color: 0,
        points: [1, 4, 6].map((i) => [vectors[i]?.[0] ?? 0, vectors[i]?.[1] ?? 0] as const),
      },
    ],
  },
};

function energy(xi: number): number {
  const data = patterns.map((pattern) => -(pattern ** 2) / 2);
  const { u } = hopfColeReference(
    [xi],
    patterns.map((pattern) => [pattern]),
    data,
    0.25,
    0.5,
  );
  return u;
}

/** xi <- X softmax(beta X' xi). */
function retrieved(from: number, beta: number): number[] {
  const states = [from];
  for (let step = 0; step < 3; step++) {
    const { weights } = gibbsRow(
      patterns.map((pattern) => pattern * (states.at(-1) ?? 0)),
      1 / beta,
    );
    states.push(patterns.reduce((sum, pattern, j) => sum + pattern * (weights[j] ?? 0), 0));
  }
  return states;
}

function circle(radius: number): [number, number][] {
  return sampled(0, 2 * Math.PI, (angle) => angle, 72).map(([angle]) => [
    radius * Math.cos(angle),
    radius * Math.sin(angle),
  ]);
}

function scattered(): [number, number][] {
  return Array.from({ length: 9 }, (_, i) => [2.2 * Math.cos(1.9 * i) * Math.cos(i / 3), 2 * Math.sin(2.6 * i + 0.4)]);
}

function onCircle(a: number, b: number): [number, number] {
  const rms = Math.sqrt((a * a + b * b) / 2);
  return [a / rms, b / rms];
}

function logit(p: number): number {
  return Math.log(p / (1 - p));
}

/** c' = s - lambda c with lambda = -log f and s = i g lambda/(1 - f). */
function linearFlow(f: number, drive: number, start: number): [number, number][] {
  const lambda = -Math.log(f);
  const rest = drive / (1 - f);
  return sampled(0, 8, (t) => rest + (start - rest) * Math.exp(-lambda * t));
}

/** h <- exp(dt (-0.3 + 2i)) h from 1: the real part. */
function mode(dt: number, steps: number): [number, number][] {
  const [re, im] = [Math.exp(decay * dt) * Math.cos(2 * dt), Math.exp(decay * dt) * Math.sin(2 * dt)];
  let [a, b] = [1, 0];
  return Array.from({ length: steps + 1 }, (_, i) => {
    const point: [number, number] = [i * dt, a];
    [a, b] = [re * a - im * b, im * a + re * b];
    return point;
  });
}
