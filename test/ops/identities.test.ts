import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { attribution } from '../../ops/attribution.ts';
import { solution } from '../../ops/co-state.ts';
import { gibbsRow, logitsRow } from '../../ops/float64.ts';
import { gibbsEntropy } from '../../ops/gibbs-entropy.ts';
import { hopfCole } from '../../ops/hopf-cole.ts';
import { hopfLax } from '../../ops/hopf-lax.ts';
import { logSumExp } from '../../ops/log-sum-exp.ts';
import { fromNumbers, type Tensor, toNumbers } from '../../src/files/tensor.ts';
import { constant } from '../../src/graph/make.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { hasPython } from '../support/python.ts';
import { type Case, normal, number32, rowsOf, runAll, worst } from './run.ts';

function is(value: Value | undefined): Value {
  if (value === undefined) throw new Error('missing value');
  return value;
}

const float64 = (shape: readonly number[], values: ArrayLike<number>): Value =>
  constant(fromNumbers('float64', shape, values));

describe.skipIf(!hasPython)('identities of theory.md section 2, by independent paths', () => {
  const [rows, atoms, d] = [5, 6, 3];
  const x = normal('float64', [rows, d], 1);
  const y = normal('float64', [atoms, d], 2);
  const g = normal('float64', [atoms], 3);

  it('f + u = |x|^2 / 4t, u from (y, g) and f from the encoded (W, b), at every t and epsilon', () => {
    const settings = [0.25, 0.5, 2].flatMap((t) => [0.125, 1, 4].map((epsilon) => ({ t, epsilon })));
    const cases = settings.map(({ t, epsilon }): Case => {
      const w = toNumbers(y).map((value) => value / (2 * t));
      const b = rowsOf(y).map(
        (row, j) => -(toNumbers(g)[j] ?? 0) - row.reduce((sum, value) => sum + value * value, 0) / (4 * t),
      );
      return {
        inputs: { X: x, Y: y, g, epsilon: number32(epsilon), t: number32(t) },
        outputs: (v) => {
          const [u, gradient, foot] = hopfCole(is(v.X), is(v.Y), is(v.g), is(v.epsilon), is(v.t));
          const [f, p] = solution(is(v.X), float64([atoms, d], w), float64([atoms], b), is(v.epsilon));
          return { u, gradient, foot, f, p };
        },
      };
    });
    runAll(cases).forEach(({ u, gradient, foot, f, p }, index) => {
      const { t = 1 } = settings[index] ?? {};
      const square = rowsOf(x).map((row) => row.reduce((sum, value) => sum + value * value, 0) / (4 * t));
      expect(
        worst(
          square.map((_, i) => (f?.[i] ?? 0) + (u?.[i] ?? 0)),
          square,
        ),
      ).toBeLessThan(1e-12);
      // grad f + grad u = x / 2t, and the foot point is x - 2t grad u = 2t grad f.
      const flat = toNumbers(x);
      expect(
        worst(
          flat.map((_, i) => (p?.[i] ?? 0) + (gradient?.[i] ?? 0)),
          flat.map((value) => value / (2 * t)),
        ),
      ).toBeLessThan(1e-12);
      expect(
        worst(
          foot ?? [],
          flat.map((_, i) => 2 * t * (p?.[i] ?? 0)),
        ),
      ).toBeLessThan(1e-12);
    });
  });

  it('HopfCole nears HopfLax from below, within epsilon log N', () => {
    const epsilons = [1, 0.1, 0.01];
    const cases = epsilons.map(
      (epsilon): Case => ({
        inputs: { X: x, Y: y, g, epsilon: number32(epsilon), t: number32(0.5) },
        outputs: (v) => ({
          u: hopfCole(is(v.X), is(v.Y), is(v.g), is(v.epsilon), is(v.t))[0],
          u0: hopfLax(is(v.X), is(v.Y), is(v.g), is(v.t))[0],
        }),
      }),
    );
    runAll(cases).forEach(({ u, u0 }, index) => {
      for (let i = 0; i < rows; i++) {
        const gap = (u0?.[i] ?? 0) - (u?.[i] ?? 0);
        expect(gap).toBeGreaterThanOrEqual(0);
        expect(gap).toBeLessThanOrEqual((epsilons[index] ?? 0) * Math.log(atoms) + 1e-9);
      }
    });
  });

  it('F_rest is a run with the top atom removed, where pi rounds to 1 in float32 too, and log1p(-pi) the rest', () => {
    const w = normal('float32', [8, d], 4);
    const cases = [1, 40, 4000].map((scale): Case => {
      const b = fromNumbers(
        'float32',
        [8],
        toNumbers(normal('float32', [8], 5)).map((value) => value * scale),
      );
      return {
        inputs: { X: normal('float32', [rows, d], 6), W: w, b, epsilon: number32(0.5) },
        outputs: (v) => {
          const options = { form: 'dense' } as const;
          const made = attribution(
            is(v.X),
            is(v.W),
            is(v.b),
            is(v.epsilon),
            constant(fromNumbers('int64', [], [8])),
            options,
          );
          const removed = Array.from({ length: 8 }, (_, j) => {
            const keep = constant(
              fromNumbers(
                'bool',
                [8],
                Array.from({ length: 8 }, (__, i) => Number(i !== j)),
              ),
            );
            return [`without${j}`, logSumExp(is(v.X), is(v.W), is(v.b), is(v.epsilon), { mask: keep })] as const;
          });
          return {
            f: made.f,
            rest: made.rest,
            indices: made.indices,
            weights: made.weights,
            top: made.top,
            ...Object.fromEntries(removed),
          };
        },
      };
    });
    let rounded = 0;
    for (const got of runAll(cases)) {
      for (let i = 0; i < rows; i++) {
        const scale = Math.max(1, Math.abs(got.top?.[i] ?? 0));
        const order = got.indices?.slice(i * 8, i * 8 + 8) ?? [];
        const removed = (j: number): number => got[`without${j}`]?.[i] ?? Number.NaN;
        expect(Math.abs((got.rest?.[i] ?? 0) - removed(order[0] ?? 0)) / scale).toBeLessThan(1e-6);
        if (got.weights?.[i * 8] === 1) rounded++;
        for (let place = 1; place < 8; place++) {
          const estimate = (got.f?.[i] ?? 0) + 0.5 * Math.log1p(-(got.weights?.[i * 8 + place] ?? 0));
          expect(Math.abs(estimate - removed(order[place] ?? 0)) / scale).toBeLessThan(1e-6);
        }
      }
    }
    expect(rounded).toBeGreaterThan(3);
  });

  it('dF/deps = H, by central differences in epsilon', () => {
    const step = 2 ** -10;
    const build = (epsilon: number): Case => ({
      inputs: { X: x, Y: y, g, epsilon: number32(epsilon) },
      outputs: (v) => ({
        F: logSumExp(is(v.X), is(v.Y), is(v.g), is(v.epsilon)),
        H: gibbsEntropy(op.gemm(is(v.X), is(v.Y), is(v.g), { transB: 1 }), is(v.epsilon)),
      }),
    });
    const [down, middle, up] = runAll([0.75 - step, 0.75, 0.75 + step].map(build));
    const slopes = Array.from({ length: rows }, (_, i) => ((up?.F?.[i] ?? 0) - (down?.F?.[i] ?? 0)) / (2 * step));
    expect(worst(slopes, middle?.H ?? [])).toBeLessThan(1e-5);
  });
});

describe.skipIf(!hasPython)('any shapes, epsilons and masks', () => {
  it('give the same dense, in blocks and in float64', () => {
    const trials = fc.sample(
      fc.record({
        rows: fc.integer({ min: 0, max: 5 }),
        atoms: fc.integer({ min: 1, max: 9 }),
        d: fc.integer({ min: 1, max: 4 }),
        blockSize: fc.integer({ min: 1, max: 9 }),
        epsilon: fc.double({ min: -6, max: 6, noNaN: true }).map((power) => Math.fround(10 ** power)),
        seed: fc.integer({ min: 1, max: 1000 }),
        keep: fc.array(fc.boolean(), { minLength: 45, maxLength: 45 }),
        dtype: fc.constantFrom('float32' as const, 'float64' as const),
      }),
      { numRuns: 60, seed: 7 },
    );
    const made = trials.map(({ rows, atoms, d, seed, keep, dtype, epsilon }) => ({
      X: normal(dtype, [rows, d], seed),
      W: normal(dtype, [atoms, d], seed + 1),
      b: normal(dtype, [atoms], seed + 2),
      mask: fromNumbers('bool', [rows, atoms], keep.slice(0, rows * atoms).map(Number)),
      epsilon: number32(epsilon),
    }));
    const cases = trials.map(
      ({ blockSize }, index): Case => ({
        inputs: made[index] as Record<string, Tensor>,
        outputs: (v) => {
          const call = (form: 'dense' | 'blocked'): readonly [Value, Value] =>
            solution(is(v.X), is(v.W), is(v.b), is(v.epsilon), { form, blockSize, mask: is(v.mask) });
          const [f, p] = call('dense');
          const [f2, p2] = call('blocked');
          return { f, p, f2, p2 };
        },
      }),
    );
    runAll(cases).forEach((got, index) => {
      const { X, W, b } = made[index] as { X: Tensor; W: Tensor; b: Tensor };
      const { epsilon, keep, atoms, dtype } = trials[index] as (typeof trials)[number];
      const exact = rowsOf(X).map((row, i) => {
        const z = logitsRow(row, rowsOf(W), toNumbers(b)).map((value, j) =>
          keep[i * atoms + j] === true ? value : -Infinity,
        );
        return gibbsRow(z, epsilon).f;
      });
      const scale = Math.max(10, epsilon * Math.log(atoms));
      const tolerance = dtype === 'float32' ? 1e-6 : 1e-14;
      expect(worst(got.f ?? [], exact, scale), JSON.stringify(trials[index])).toBeLessThan(tolerance);
      expect(worst(got.f2 ?? [], exact, scale), JSON.stringify(trials[index])).toBeLessThan(tolerance);
      expect(worst(got.p2 ?? [], got.p ?? [], 1 + 10 / epsilon)).toBeLessThan(10 * tolerance);
    });
  });
});
