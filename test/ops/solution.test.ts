import { describe, expect, it } from 'vitest';
import { coState, coStateReference, solution } from '../../ops/co-state.ts';
import { gibbsRow, logitsRow } from '../../ops/float64.ts';
import { logSumExp, logSumExpReference } from '../../ops/log-sum-exp.ts';
import { fromNumbers, type Tensor, toNumbers } from '../../src/files/tensor.ts';
import { parameter } from '../../src/graph/make.ts';
import type { Value } from '../../src/graph/value.ts';
import { hasPython } from '../support/python.ts';
import { type Case, normal, number32, type Results, rowsOf, runAll, worst } from './run.ts';

/** One set of numbers, what to build on it, and what float64 makes of the same numbers. */
interface Trial extends Case {
  readonly name: string;
  readonly x: Tensor;
  readonly w: Tensor;
  readonly b: Tensor;
  readonly epsilon: number;
  readonly tolerance: number;
}

const tolerances = { float32: 3e-6, float64: 1e-13, float16: 2e-3 } as const;
type Tested = keyof typeof tolerances;

function trial(
  name: string,
  dtype: Tested,
  [rows, atoms, d]: readonly [number, number, number],
  epsilon: number,
  form: 'dense' | 'blocked' | 'streamed',
  more: Partial<Case> & { scale?: number } = {},
): Trial {
  const x = normal(dtype, [rows, d], 1, more.scale);
  const w = normal(dtype, [atoms, d], 2);
  const b = normal(dtype, [atoms], 3);
  const blockSize = Math.max(1, Math.ceil(atoms / 3));
  const streamed = form === 'streamed' ? laidOut(w, b, 2) : undefined;
  return {
    name: `${name} ${dtype} ${form} B=${rows} N=${atoms} d=${d} eps=${epsilon}`,
    x,
    w,
    b,
    epsilon: Math.fround(epsilon),
    tolerance: tolerances[dtype],
    inputs: { X: x, ...(streamed ?? {}), epsilon: number32(epsilon) },
    outputs: ({ X, W, b: bias, epsilon: eps }) => {
      const options = { form, blockSize };
      const atomsW = W ?? parameter('weights', w);
      const atomsB = bias ?? parameter('bias', b);
      const [f, p] = solution(X as Value, atomsW, atomsB, eps as Value, options);
      return {
        F: logSumExp(X as Value, atomsW, atomsB, eps as Value, options),
        P: coState(X as Value, atomsW, atomsB, eps as Value, options),
        F2: f,
        P2: p,
      };
    },
    ...more,
  };
}

/** [N, d] and [N] as [blocks, d, n] and [blocks, n]. */
function laidOut(w: Tensor, b: Tensor, blocks: number): { W: Tensor; b: Tensor } {
  const rows = rowsOf(w);
  const d = w.shape[1] ?? 0;
  const n = rows.length / blocks;
  const values: number[] = [];
  for (let k = 0; k < blocks; k++)
    for (let i = 0; i < d; i++) for (let j = 0; j < n; j++) values.push(rows[k * n + j]?.[i] ?? 0);
  return { W: fromNumbers(w.dtype, [blocks, d, n], values), b: { ...b, shape: [blocks, n] } };
}

function check(one: Trial, got: Results): void {
  const rows = rowsOf(one.w);
  const bias = toNumbers(one.b);
  const xs = rowsOf(one.x);
  // float16 has no number for f at large epsilon: infinity is its rounding.
  const exact = xs.map((x) => logSumExpReference(x, rows, bias, one.epsilon));
  const f = toNumbers(fromNumbers(one.x.dtype, [xs.length], exact));
  const p = xs.flatMap((x) => [...coStateReference(x, rows, bias, one.epsilon)]);
  const scale = Math.max(
    1,
    one.epsilon * Math.log(rows.length),
    ...xs.map((x) => Math.abs(gibbsRow(logitsRow(x, rows, bias), 1).max)),
  );
  for (const name of ['F', 'F2'] as const)
    expect(worst(got[name] ?? [], f, scale), `${one.name} ${name}`).toBeLessThan(one.tolerance);
  // z carries an error of its own, which eps divides.
  const slack = 1 + scale / one.epsilon;
  for (const name of ['P', 'P2'] as const)
    expect(worst(got[name] ?? [], p, slack), `${one.name} ${name}`).toBeLessThan(4 * one.tolerance);
}

describe.skipIf(!hasPython)('LogSumExp, CoState and Solution', () => {
  it('equal float64 in every form and element type', () => {
    const trials = (['float32', 'float64', 'float16'] as const).flatMap((dtype) =>
      (['dense', 'blocked', 'streamed'] as const).flatMap((form) => [
        trial('plain', dtype, [5, 12, 3], 0.7, form),
        trial('cold', dtype, [5, 12, 3], 1e-6, form),
        trial('hot', dtype, [5, 12, 3], 1e6, form),
        trial('empty batch', dtype, [0, 12, 3], 0.7, form),
        ...(form === 'streamed' ? [] : [trial('one atom', dtype, [4, 1, 3], 0.3, form)]),
        trial('inlined', dtype, [5, 12, 3], 0.7, form, { inline: true }),
        trial('open shapes', dtype, [5, 12, 3], 0.7, form, { shapes: { X: ['B', 3] } }),
        ...(dtype === 'float16' ? [] : [trial('evaluator', dtype, [5, 12, 3], 0.7, form, { engine: 'reference' })]),
      ]),
    );
    const got = runAll(trials);
    for (const [index, one] of trials.entries()) check(one, got[index] ?? {});
  });
});
