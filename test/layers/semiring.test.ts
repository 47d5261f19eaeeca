import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { costate } from '../../src/costate/costate.ts';
import { fromNumbers, type Tensor, toNumbers } from '../../src/files/tensor.ts';
import { input } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import { fromCheckpoint } from '../../src/layers/module.ts';
import { hmm, viterbi } from '../../src/layers/semiring.ts';
import { errorOf, judgedByTorch, ran } from './judge.ts';

const observed = { name: 'x', dtype: 'int64', shape: ['batch', 'time'] };
const scored = { name: 'x', shape: ['batch', 'time', 5] };

const sums = (options: object = {}, x: object = scored) => ({
  inputs: [x],
  layers: [{ kind: 'hmm', name: 'crf', ...options }],
  outputs: { alpha: 'crf.alpha', marginals: 'crf.marginals' },
});
const paths = (options: object = {}, x: object = scored) => ({
  inputs: [x],
  layers: [{ kind: 'viterbi', name: 'crf', ...options }],
  outputs: { score: 'crf.score' },
});

judgedByTorch('recursions in the log-semiring', join(import.meta.dirname, 'semiring.py'), [
  { name: 'hmm', build: sums() },
  { name: 'hmm-temperature', build: sums({ epsilonInput: 'eps' }) },
  { name: 'hmm-lengths', build: sums({ lengths: 'lengths' }) },
  { name: 'hmm-symbols', build: sums({}, observed) },
  { name: 'hmm-forbidden', build: sums({ epsilonInput: 'eps' }) },
  { name: 'viterbi', build: paths() },
  { name: 'viterbi-lengths', build: paths({ lengths: 'lengths' }) },
  { name: 'viterbi-symbols', build: paths({}, observed) },
  { name: 'viterbi-forbidden', build: paths() },
]);

/** A chain of S states over T steps, and all its S^T paths in float64. */
const [S, T] = [3, 5];
const numbers = (count: number, seed: number) => Array.from({ length: count }, (_, i) => 2 * Math.sin(seed + 1.7 * i));
const A = numbers(S * S, 1).with(1, Number.NEGATIVE_INFINITY);
const [start, end, e] = [numbers(S, 2), numbers(S, 3), numbers(T * S, 4)];
const weightsIn = (dtype: 'float32' | 'float64') =>
  new Map<string, Tensor>([
    ['crf.transitions', fromNumbers(dtype, [S, S], A)],
    ['crf.start_transitions', fromNumbers(dtype, [S], start)],
    ['crf.end_transitions', fromNumbers(dtype, [S], end)],
  ]);

const at = (values: ArrayLike<number>, index: number) => values[index] ?? Number.NaN;

const everyPath = Array.from({ length: S ** T }, (_, code) => {
  const states = Array.from({ length: T }, (_, t) => Math.floor(code / S ** t) % S);
  const steps = states.map((state, t) => {
    const before = states[t - 1];
    return at(e, t * S + state) + (before === undefined ? at(start, state) : at(A, before * S + state));
  });
  return { states, score: steps.reduce((sum, step) => sum + step, at(end, states.at(-1) ?? 0)) };
});
const best = everyPath.reduce((a, b) => (b.score > a.score ? b : a));

/** eps log sum over all paths, and how often each state is passed at each step. */
function enumerated(eps: number) {
  const weights = everyPath.map(({ score }) => Math.exp((score - best.score) / eps));
  const sum = weights.reduce((a, b) => a + b);
  const marginals = new Float64Array(T * S);
  for (const [index, { states }] of everyPath.entries())
    for (const [t, state] of states.entries())
      marginals[t * S + state] = at(marginals, t * S + state) + at(weights, index) / sum;
  return { f: best.score + eps * Math.log(sum), marginals };
}

/** f, marginals, path and score of one network with both recursions, at any eps. */
function both(dtype: 'float32' | 'float64', weights: ReadonlyMap<string, Tensor> = weightsIn(dtype)) {
  const root = fromCheckpoint(weights, { dtype });
  const x = input('x', dtype, ['batch', 'time', S]);
  const eps = input('eps', 'float32', []);
  const sum = hmm(root.at('crf'), x, { epsilon: eps });
  const most = viterbi(root.at('crf'), x);
  root.finish();
  return model({
    inputs: [x, eps],
    outputs: { f: sum.f, marginals: sum.marginals, path: most.path, score: most.score },
  });
}

async function answers(dtype: 'float32' | 'float64', eps: number) {
  const feeds = new Map([
    ['x', fromNumbers(dtype, [1, T, S], e)],
    ['eps', fromNumbers('float32', [], [eps])],
  ]);
  const outputs = await ran(both(dtype), feeds);
  const numbersOf = (name: string) => toNumbers(outputs.get(name) ?? fromNumbers('float32', [0], []));
  return {
    f: at(numbersOf('f'), 0),
    marginals: numbersOf('marginals'),
    path: [...numbersOf('path')],
    score: at(numbersOf('score'), 0),
  };
}

describe('the log-semiring recursion', () => {
  it.each([10, 1, 0.5, 0.1, 0.01, 1e-4])(
    'is the sum over all paths at eps = %d, above the best by eps T log S at most',
    async (eps) => {
      const expected = enumerated(Math.fround(eps));
      const { f, marginals, path, score } = await answers('float32', eps);
      expect(f / expected.f).toBeCloseTo(1, 5);
      expect(Math.max(...marginals.map((value, i) => Math.abs(value - at(expected.marginals, i))))).toBeLessThan(
        2e-5 / Math.min(1, eps),
      );
      expect(path).toEqual(best.states);
      expect(score / best.score).toBeCloseTo(1, 6);
      const gap = f - score;
      expect(gap).toBeGreaterThanOrEqual(-1e-6 * Math.abs(score));
      expect(gap).toBeLessThanOrEqual(eps * T * Math.log(S) + 1e-6 * Math.abs(score));
    },
  );

  it('does so in float64 to its digits', async () => {
    const eps = 0.25;
    const { f, marginals } = await answers('float64', eps);
    expect(Math.abs(f - enumerated(eps).f)).toBeLessThan(1e-13);
    const sums = Array.from({ length: T }, (_, t) => marginals.slice(t * S, (t + 1) * S).reduce((a, b) => a + b));
    expect(sums.every((sum) => Math.abs(sum - 1) < 1e-14)).toBe(true);
  });

  it('has the posterior marginals as its co-state with respect to the emissions', async () => {
    const graph = costate(both('float32'), { of: ['f'], wrt: ['x', 'crf.transitions'] });
    const outputs = await ran(
      graph.model,
      new Map([
        ['x', fromNumbers('float32', [1, T, S], e)],
        ['eps', fromNumbers('float32', [], [0.5])],
      ]),
    );
    const [bar, marginals] = ['costate_x', 'marginals'].map((name) => outputs.get(name) as Tensor) as [Tensor, Tensor];
    expect(errorOf(bar, marginals)).toBeLessThan(1e-6);
    // Of the transitions: how often each is taken, T - 1 times in all, and never the one that is forbidden.
    const taken = toNumbers(outputs.get('costate_crf.transitions') as Tensor);
    expect(taken.reduce((a, b) => a + b)).toBeCloseTo(T - 1, 5);
    expect(taken[1]).toBe(0);
  });

  it('gives a path of -inf where none is left, and no NaN', async () => {
    const none = new Map([
      ...weightsIn('float32'),
      ['crf.start_transitions', fromNumbers('float32', [S], Array(S).fill(Number.NEGATIVE_INFINITY))],
    ]);
    const outputs = await ran(
      both('float32', none),
      new Map([
        ['x', fromNumbers('float32', [1, T, S], e)],
        ['eps', fromNumbers('float32', [], [1])],
      ]),
    );
    expect([...toNumbers(outputs.get('f') as Tensor)]).toEqual([Number.NEGATIVE_INFINITY]);
    expect([...toNumbers(outputs.get('score') as Tensor)]).toEqual([Number.NEGATIVE_INFINITY]);
    expect(toNumbers(outputs.get('marginals') as Tensor).every((value) => value === 0)).toBe(true);
  });

  it('of no steps is the initial state where lengths say so, and refused where there are none at all', async () => {
    const root = fromCheckpoint(weightsIn('float32'));
    const [x, lengths] = [input('x', 'float32', ['batch', 'time', S]), input('n', 'int64', ['batch'])];
    const { f, marginals } = hmm(root.at('crf'), x, { lengths });
    const { path, score } = viterbi(root.at('crf'), x, { lengths });
    const made = model({ inputs: [x, lengths], outputs: { f, marginals, path, score } });
    const given = (steps: number) =>
      new Map([
        ['x', fromNumbers('float32', [1, steps, S], e.slice(0, steps * S))],
        ['n', fromNumbers('int64', [1], [0])],
      ]);
    const outputs = await ran(made, given(T));
    const first = start.map((value, state) => value + at(end, state));
    expect(toNumbers(outputs.get('f') as Tensor)[0]).toBeCloseTo(
      Math.log(first.reduce((a, b) => a + Math.exp(b), 0)),
      5,
    );
    expect(toNumbers(outputs.get('score') as Tensor)[0]).toBeCloseTo(Math.max(...first), 5);
    expect(toNumbers(outputs.get('marginals') as Tensor).every((value) => value === 0)).toBe(true);
    expect(toNumbers(outputs.get('path') as Tensor).every((value) => value === -1)).toBe(true);
    await expect(ran(made, given(0))).rejects.toThrow(/out of data bounds/);
  });

  it('recurs in float32 where the network is float16', async () => {
    const root = fromCheckpoint(weightsIn('float32'), { dtype: 'float16' });
    const x = input('x', 'float16', ['batch', 'time', S]);
    const made = model({ inputs: [x], outputs: { f: hmm(root.at('crf'), x).f } });
    const outputs = await ran(made, new Map([['x', fromNumbers('float16', [1, T, S], e)]]));
    expect(outputs.get('f')?.dtype).toBe('float16');
    expect(Math.abs(at(toNumbers(outputs.get('f') as Tensor), 0) / enumerated(1).f - 1)).toBeLessThan(2e-3);
  });
});
