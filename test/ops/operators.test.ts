import { describe, expect, it } from 'vitest';
import { attribution, attributionReference } from '../../ops/attribution.ts';
import { gibbsAttentionReading, gibbsAttentionReference } from '../../ops/gibbs-attention.ts';
import { gibbsEntropy, gibbsEntropyReference } from '../../ops/gibbs-entropy.ts';
import { gibbsWeights, gibbsWeightsReference } from '../../ops/gibbs-weights.ts';
import { hopfCole, hopfColeReference } from '../../ops/hopf-cole.ts';
import { hopfLax, hopfLaxReference } from '../../ops/hopf-lax.ts';
import { mergeSolutions } from '../../ops/merge-solutions.ts';
import { fromNumbers, type Tensor, toNumbers } from '../../src/files/tensor.ts';
import { constant, parameter } from '../../src/graph/make.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { hasPython } from '../support/python.ts';
import { type Case, normal, number32, type Results, rowsOf, runAll, worst } from './run.ts';

const tolerances = { float32: 4e-6, float64: 1e-12, float16: 3e-3 } as const;
type Tested = keyof typeof tolerances;
const tested: readonly Tested[] = ['float32', 'float64', 'float16'];

interface Trial extends Case {
  readonly name: string;
  readonly check: (got: Results) => void;
}

function runTrials(trials: readonly Trial[]): void {
  const got = runAll(trials);
  for (const [index, trial] of trials.entries()) trial.check(got[index] ?? {});
}

/** The variants each operator is run in: ONNX Runtime, inlined, the reference evaluator, with open shapes. */
function variants(trial: Trial, open: Case['shapes']): Trial[] {
  return [
    trial,
    { ...trial, name: `${trial.name} inlined`, inline: true },
    { ...trial, name: `${trial.name} evaluator`, engine: 'reference' },
    ...(open === undefined ? [] : [{ ...trial, name: `${trial.name} open`, shapes: open }]),
  ];
}

function near(
  name: string,
  got: ArrayLike<number> | undefined,
  expected: ArrayLike<number>,
  tolerance: number,
  scale = 1,
): void {
  const error = worst(got ?? [], expected, scale);
  expect(error, `${name}: ${Array.from(got ?? []).slice(0, 6)} for ${Array.from(expected).slice(0, 6)}`).toBeLessThan(
    tolerance,
  );
}

function is(value: Value | undefined): Value {
  if (value === undefined) throw new Error('missing value');
  return value;
}

const int = (value: number): Value => constant(fromNumbers('int64', [], [value]));

function gibbsTrial(dtype: Tested, rows: readonly (readonly number[])[], epsilon: number, name: string): Trial {
  const z = fromNumbers(dtype, [rows.length, rows[0]?.length ?? 0], rows.flat());
  const eps = Math.fround(epsilon);
  return {
    name: `${name} ${dtype} eps=${epsilon}`,
    inputs: { Z: z, epsilon: number32(epsilon) },
    outputs: ({ Z, epsilon: e }) => ({ Pi: gibbsWeights(is(Z), is(e)), H: gibbsEntropy(is(Z), is(e)) }),
    check(got) {
      const exact = rowsOf(z);
      const weights = exact.flatMap((row) => [...gibbsWeightsReference(row, eps)]);
      near(`${this.name} Pi`, got.Pi, weights, tolerances[dtype]);
      near(
        `${this.name} H`,
        got.H,
        exact.map((row) => gibbsEntropyReference(row, eps)),
        tolerances[dtype],
        Math.log(20),
      );
    },
  };
}

const low = Number.NEGATIVE_INFINITY;

describe.skipIf(!hasPython)('GibbsWeights and GibbsEntropy', () => {
  it('equal float64, from eps = 1e-6 to 1e6, at logits of 1e4, under -inf and for one atom', () => {
    const spread = [1, 2, 3].map((seed) => [...toNumbers(normal('float32', [9], seed, 3))]);
    runTrials(
      tested.flatMap((dtype) =>
        [1e-6, 1e-3, 0.5, 8, 1e6].flatMap((epsilon) => [
          ...variants(gibbsTrial(dtype, spread, epsilon, 'spread'), { Z: ['B', 'N'] }),
          gibbsTrial(
            dtype,
            [
              [1e4, 9999, 1e4, -1e4],
              [-1e4, -1e4, -1e4, -9992],
            ],
            epsilon,
            'large',
          ),
          gibbsTrial(
            dtype,
            [
              [low, 1, 2, low],
              [low, low, low, low],
              [low, low, low, -3],
            ],
            epsilon,
            'masked',
          ),
          gibbsTrial(dtype, [[3], [low], [-1e4]], epsilon, 'one atom'),
        ]),
      ),
    );
  });

  it('take masks of booleans and of numbers, and an epsilon per head', () => {
    const z = normal('float32', [2, 3, 4, 5], 5);
    const keep = Array.from({ length: 20 }, (_, i) => (i % 3 === 1 || i < 5 ? 0 : 1));
    const mask = fromNumbers('bool', [4, 5], keep);
    const added = fromNumbers(
      'float32',
      [4, 5],
      keep.map((one) => (one === 1 ? 0.25 : low)),
    );
    const epsilon = fromNumbers('float32', [3, 1, 1], [0.5, 1, 2]);
    const [byBool, byNumber] = runAll(
      [mask, added].map((given) => ({
        inputs: { Z: z, epsilon, mask: given },
        outputs: (v) => ({
          Pi: gibbsWeights(is(v.Z), is(v.epsilon), { mask: is(v.mask) }),
          H: gibbsEntropy(is(v.Z), is(v.epsilon), { mask: is(v.mask) }),
        }),
      })),
    );
    const rows = rowsOf(z).map((row, i) => row.map((value, j) => (keep[(i % 4) * 5 + j] === 1 ? value : low)));
    const expected = rows.flatMap((row, i) => [...gibbsWeightsReference(row, [0.5, 1, 2][Math.floor(i / 4) % 3] ?? 1)]);
    near('bool', byBool?.Pi, expected, 1e-6);
    near('number', byNumber?.Pi, expected, 1e-6);
    expect(Array.from(byBool?.H ?? []).filter((h) => h === 0).length).toBe(6);
  });

  it('give what is documented for +inf, NaN and an epsilon that is not positive', () => {
    const z = fromNumbers('float32', [2, 2], [1, Number.NaN, Infinity, 1]);
    const plain = fromNumbers('float32', [1, 2], [1, 2]);
    const outputs: Case['outputs'] = (v) => ({ Pi: gibbsWeights(is(v.Z), is(v.epsilon)) });
    const results = runAll([
      { inputs: { Z: z, epsilon: number32(1) }, outputs },
      ...[0, -1, Number.NaN].map((epsilon) => ({ inputs: { Z: plain, epsilon: number32(epsilon) }, outputs })),
    ]);
    expect([...(results[0]?.Pi ?? [])]).toEqual([Number.NaN, Number.NaN, Number.NaN, 0]);
    for (const result of results.slice(1)) expect([...(result.Pi ?? [])]).toEqual([Number.NaN, Number.NaN]);
  });
});

describe.skipIf(!hasPython)('HopfCole and HopfLax', () => {
  const [rows, atoms, d] = [4, 7, 3];
  /** A lower triangular metric, its inverse by hand (forward substitution), and data mapped by it in float64. */
  const lower = [
    [1.5, 0, 0],
    [0.3, 0.8, 0],
    [-0.4, 0.2, 2],
  ];
  const solve = (row: ArrayLike<number>): Float64Array => {
    const out = new Float64Array(d);
    for (let i = 0; i < d; i++) {
      let rest = row[i] ?? 0;
      for (let j = 0; j < i; j++) rest -= (lower[i]?.[j] ?? 0) * (out[j] ?? 0);
      out[i] = rest / (lower[i]?.[i] ?? 1);
    }
    return out;
  };

  function trial(dtype: Tested, epsilon: number, t: number, shift: number, metric: boolean, gone = -1): Trial {
    const moved = (tensor: Tensor): Tensor =>
      fromNumbers(
        dtype,
        tensor.shape,
        toNumbers(tensor).map((value) => value + shift),
      );
    const x = moved(normal(dtype, [rows, d], 1));
    const y = moved(normal(dtype, [atoms, d], 2));
    const g = fromNumbers(
      dtype,
      [atoms],
      toNumbers(normal(dtype, [atoms], 3)).map((value, j) => (j === gone ? Infinity : value)),
    );
    const l = fromNumbers(dtype, [d, d], lower.flat());
    return {
      name: `${dtype} eps=${epsilon} t=${t} shift=${shift} metric=${metric}`,
      inputs: { X: x, Y: y, g, epsilon: number32(epsilon), t: number32(t), ...(metric ? { L: l } : {}) },
      outputs: (v) => {
        const [u, gradient, foot] = hopfCole(
          is(v.X),
          is(v.Y),
          is(v.g),
          is(v.epsilon),
          is(v.t),
          metric ? { metric: is(v.L) } : {},
        );
        const [u0, index] = hopfLax(is(v.X), is(v.Y), is(v.g), is(v.t));
        return { u, gradient, foot, u0, index };
      },
      check(got) {
        const data = toNumbers(g);
        const [eps, time] = [Math.fround(epsilon), Math.fround(t)];
        const mapped = (tensor: Tensor): Float64Array[] =>
          metric && dtype !== 'float16' ? rowsOf(tensor).map(solve) : rowsOf(tensor);
        const exact = mapped(x).map((row) => hopfColeReference(row, mapped(y), data, eps, time));
        const limit = rowsOf(x).map((row) => hopfLaxReference(row, rowsOf(y), data, time));
        const tolerance = tolerances[dtype] * (shift === 0 ? 1 : 40) * 20;
        near(
          `${this.name} u`,
          got.u,
          exact.map(({ u }) => u),
          tolerance,
          5,
        );
        near(
          `${this.name} u0`,
          got.u0,
          limit.map(({ u0 }) => u0),
          tolerance,
          5,
        );
        expect([...(got.index ?? [])], this.name).toEqual(limit.map(({ index }) => index));
        // Weights carry the error of the logits, which eps divides.
        const slack = (1 + 3 / epsilon) * (1 + Math.abs(shift));
        if (!metric)
          near(
            `${this.name} foot`,
            got.foot,
            exact.flatMap(({ foot }) => [...foot]),
            tolerance,
            slack,
          );
        if (!metric)
          near(
            `${this.name} gradient`,
            got.gradient,
            exact.flatMap(({ gradient }) => [...gradient]),
            tolerance,
            slack / time,
          );
      },
    };
  }

  it('equal float64, far from the origin too, and with atoms taken away', () => {
    runTrials([
      ...tested.flatMap((dtype) => [trial(dtype, 0.4, 0.5, 0, false), trial(dtype, 2, 3, 0, false, 2)]),
      ...(['float32', 'float64'] as const).flatMap((dtype) => [
        ...variants(trial(dtype, 0.4, 0.5, 0, false), { X: ['B', 3], Y: ['N', 3], g: ['N'] }),
        trial(dtype, 0.4, 0.5, 100, false),
        trial(dtype, 1e-6, 0.5, 0, false),
        trial(dtype, 0.4, 0.7, 0, true),
      ]),
    ]);
  });

  it('with a metric give gradient A^-1 (x - foot) / 2t and the average of y as the foot point', () => {
    const one = trial('float64', 0.4, 0.7, 0, true);
    const [got] = runAll([one]);
    const x = rowsOf(is2(one.inputs.X));
    const y = rowsOf(is2(one.inputs.Y));
    const g = toNumbers(is2(one.inputs.g));
    const [eps, time] = [Math.fround(0.4), Math.fround(0.7)];
    const step = 1e-5;
    x.forEach((row, b) => {
      const u = (at: Float64Array): number => hopfColeReference(solve(at), y.map(solve), g, eps, time).u;
      for (let i = 0; i < d; i++) {
        const [up, down] = [row.slice(), row.slice()];
        up[i] = (up[i] ?? 0) + step;
        down[i] = (down[i] ?? 0) - step;
        expect(got?.gradient?.[b * d + i]).toBeCloseTo((u(up) - u(down)) / (2 * step), 7);
      }
      const { foot } = hopfColeReference(solve(row), y.map(solve), g, eps, time);
      const back = lower.map((line) => line.reduce((sum, l, j) => sum + l * (foot[j] ?? 0), 0));
      near('foot', got?.foot?.slice(b * d, b * d + d), back, 1e-12);
    });
  });
});

function is2(tensor: Tensor | undefined): Tensor {
  if (tensor === undefined) throw new Error('missing tensor');
  return tensor;
}

describe.skipIf(!hasPython)('GibbsAttention', () => {
  function trial(dtype: Tested, masked: '' | 'bool' | 'number', epsilon: Tensor): Trial {
    const [heads, rows, keys, features, values] = [2, 3, 4, 5, 6];
    const q = normal(dtype, [1, heads, rows, features], 1);
    const k = normal(dtype, [1, heads, keys, features], 2);
    const v = normal(dtype, [1, heads, keys, values], 3);
    const kept = (row: number, key: number): boolean => masked === '' || (row > 0 && key <= row);
    const pairs = Array.from({ length: rows * keys }, (_, i) => kept(Math.floor(i / keys), i % keys));
    const mask =
      masked === 'bool'
        ? fromNumbers('bool', [rows, keys], pairs.map(Number))
        : fromNumbers(
            dtype,
            [rows, keys],
            pairs.map((keep) => (keep ? 0 : low)),
          );
    return {
      name: `${dtype} ${masked}`,
      inputs: { Q: q, K: k, V: v, epsilon, ...(masked === '' ? {} : { mask }) },
      outputs: (given) => {
        const options = masked === '' ? {} : { mask: is(given.mask) };
        const { output, weights, entropy, logSumExp } = gibbsAttentionReading(
          is(given.Q),
          is(given.K),
          is(given.V),
          is(given.epsilon),
          options,
        );
        return { output, weights, entropy, logSumExp };
      },
      check(got) {
        const eps = toNumbers(epsilon);
        const perHead = Array.from({ length: heads * rows }, (_, i) => {
          const head = Math.floor(i / rows);
          const allowed = Array.from({ length: keys }, (_, key) => key).filter((key) => kept(i % rows, key));
          const keysOf = (tensor: Tensor): Float64Array[] =>
            allowed.map((key) => rowsOf(tensor)[head * keys + key] ?? new Float64Array());
          const query = rowsOf(q)[i] ?? new Float64Array();
          return gibbsAttentionReference(query, keysOf(k), keysOf(v), eps[eps.length === 1 ? 0 : head] ?? 1);
        });
        const tolerance = tolerances[dtype] * 4;
        near(
          `${this.name} O`,
          got.output,
          perHead.flatMap(({ output }) => (output.length > 0 ? [...output] : new Array<number>(values).fill(0))),
          tolerance,
        );
        near(
          `${this.name} H`,
          got.entropy,
          perHead.map(({ entropy }) => entropy),
          tolerance,
        );
        near(
          `${this.name} LSE`,
          got.logSumExp,
          perHead.map(({ logSumExp }) => logSumExp),
          tolerance,
          5,
        );
      },
    };
  }

  it('equals float64, one epsilon or one per head, causal and with rows that see no key', () => {
    const perHead = fromNumbers('float32', [2, 1, 1], [0.7, 2.5]);
    const open = { Q: ['B', 2, 'T', 5], K: ['B', 2, 'S', 5], V: ['B', 2, 'S', 6] };
    runTrials(
      tested.flatMap((dtype) =>
        (['', 'bool', 'number'] as const).flatMap((masked) => [
          ...(dtype === 'float16'
            ? [trial(dtype, masked, number32(2))]
            : variants(trial(dtype, masked, number32(2)), open)),
          trial(dtype, masked, perHead),
        ]),
      ),
    );
  });
});

describe.skipIf(!hasPython)('Attribution and MergeSolutions', () => {
  const names = ['f', 'costate', 'entropy', 'weights', 'indices', 'rest', 'top'] as const;

  function trial(
    dtype: Tested,
    blockSize: number | undefined,
    k: number,
    epsilon: number,
    sharp: boolean,
    atoms = 10,
  ): Trial {
    const [rows, d] = [4, 3];
    const x = normal(dtype, [rows, d], 1, sharp ? 30 : 1);
    const w = normal(dtype, [atoms, d], 2, sharp ? 30 : 1);
    const b = fromNumbers(
      dtype,
      [atoms],
      toNumbers(normal(dtype, [atoms], 3)).map((value, j) => (j === 1 && atoms > 1 ? low : value)),
    );
    return {
      name: `${dtype} blocks=${blockSize} k=${k} eps=${epsilon} sharp=${sharp} N=${atoms}`,
      inputs: { X: x, epsilon: number32(epsilon), k: fromNumbers('int64', [], [k]) },
      outputs: (v) =>
        Object.fromEntries(
          Object.entries(
            attribution(
              is(v.X),
              parameter('w', w),
              parameter('b', b),
              is(v.epsilon),
              is(v.k),
              blockSize === undefined ? { form: 'dense' } : { form: 'blocked', blockSize },
            ),
          ),
        ),
      check(got) {
        const eps = Math.fround(epsilon);
        const exact = rowsOf(x).map((row) =>
          attributionReference(row, rowsOf(w), toNumbers(b), eps, Math.min(k, atoms)),
        );
        const scale = Math.max(1, ...exact.map(({ top }) => Math.abs(top)));
        const tolerance = tolerances[dtype] * 4;
        near(
          `${this.name} f`,
          got.f,
          exact.map(({ f }) => f),
          tolerance,
          scale,
        );
        near(
          `${this.name} rest`,
          got.rest,
          exact.map(({ rest }) => rest),
          tolerance,
          scale,
        );
        near(
          `${this.name} top`,
          got.top,
          exact.map(({ top }) => top),
          tolerance,
          scale,
        );
        const slack = 1 + scale / eps;
        near(
          `${this.name} H`,
          got.entropy,
          exact.map(({ entropy }) => entropy),
          tolerance,
          slack,
        );
        near(
          `${this.name} weights`,
          got.weights,
          exact.flatMap(({ weights }) => weights),
          tolerance,
          slack,
        );
        near(
          `${this.name} P`,
          got.costate,
          exact.flatMap(({ costate }) => [...costate]),
          tolerance,
          slack * (sharp ? 30 : 1),
        );
        if (dtype !== 'float16')
          expect([...(got.indices ?? [])], this.name).toEqual(exact.flatMap(({ indices }) => indices));
      },
    };
  }

  it('Attribution equals float64, dense and in blocks, where pi rounds to 1 too', () => {
    runTrials(
      tested.flatMap((dtype) =>
        [undefined, 4, 3].flatMap((size) => [
          ...(dtype === 'float16'
            ? [trial(dtype, size, 3, 0.8, false)]
            : variants(trial(dtype, size, 3, 0.8, false), { X: ['B', 3] })),
          trial(dtype, size, 1, 0.8, false),
          trial(dtype, size, 50, 0.8, false),
          ...(dtype === 'float16' ? [] : [trial(dtype, size, 2, 0.8, true)]),
          trial(dtype, size, 2, 0.8, false, 1),
          // More blocks than are merged at a time.
          ...(size === 3 ? [trial(dtype, 1, 3, 0.8, false, 40)] : []),
        ]),
      ),
    );
  });

  it('MergeSolutions of shards equals Attribution of all atoms, in any grouping', () => {
    const [rows, atoms, d] = [3, 12, 4];
    const x = normal('float64', [rows, d], 1);
    const w = normal('float64', [atoms, d], 2);
    const b = fromNumbers(
      'float64',
      [atoms],
      toNumbers(normal('float64', [atoms], 3)).map((value, j) => (j >= 4 && j < 8 ? low : value)),
    );
    const cut = (from: number, to: number): readonly [Value, Value] => [
      constant(fromNumbers('float64', [to - from, d], toNumbers(w).slice(from * d, to * d))),
      constant(fromNumbers('float64', [to - from], toNumbers(b).slice(from, to))),
    ];
    type Values = ReturnType<typeof attribution>;
    const stack = (parts: readonly Values[], offsets: readonly number[], e: Value): Values => {
      const joined = (name: (typeof names)[number]): Value =>
        op.concat(
          parts.map((part) => op.unsqueeze(part[name], constant(fromNumbers('int64', [1], [0])))),
          { axis: 0 },
        );
      const stacked = Object.fromEntries(names.map((name) => [name, joined(name)])) as unknown as Values;
      return mergeSolutions(stacked, constant(fromNumbers('int64', [offsets.length], offsets)), e, int(3));
    };
    const outputs: Case['outputs'] = (v) => {
      const of = (from: number, to: number): Values => attribution(is(v.X), ...cut(from, to), is(v.epsilon), int(3));
      const together = stack([of(0, 4), of(4, 8), of(8, 12)], [0, 4, 8], is(v.epsilon));
      const left = stack([stack([of(0, 4), of(4, 8)], [0, 4], is(v.epsilon)), of(8, 12)], [0, 8], is(v.epsilon));
      const right = stack([of(0, 4), stack([of(4, 8), of(8, 12)], [4, 8], is(v.epsilon))], [0, 0], is(v.epsilon));
      const whole = of(0, 12);
      const named = (prefix: string, values: Values): [string, Value][] =>
        names.map((name) => [`${prefix}_${name}`, values[name]]);
      return Object.fromEntries([
        ...named('together', together),
        ...named('left', left),
        ...named('right', right),
        ...named('whole', whole),
      ]);
    };
    const cases: Case[] = (['ort', 'reference'] as const).map((engine) => ({
      inputs: { X: x, epsilon: number32(0.6) },
      outputs,
      engine,
    }));
    for (const got of runAll(cases))
      for (const group of ['together', 'left', 'right'])
        for (const name of names) near(`${group} ${name}`, got[`${group}_${name}`], got[`whole_${name}`] ?? [], 1e-12);
  });
});
