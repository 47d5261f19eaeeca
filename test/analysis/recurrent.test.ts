import { describe, expect, it } from 'vitest';
import { independent, type References } from '../../src/analysis/references.ts';
import { input } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import { computed, failing, network, verified, weights } from './networks.ts';

const recurrent = (kind: string, options: object = {}, seed = 1) =>
  network(['time', 3], [{ kind, hidden: 4, ...options }], seed);

/** The co-state recursion with another sign in one state. */
const flipped = (part: 'h' | 'c'): Partial<References> => ({
  cellCostate: (cell, given, before, after) => {
    const right = independent.cellCostate(cell, given, before, after);
    return { ...right, [part]: right[part].map((value) => -value) };
  },
});

/** One term of the recursion with the other sign: z*p of a GRU, what comes to c through h of an LSTM. */
const oneTerm: Partial<References> = {
  cellCostate: (cell, given, before, after) => {
    if (cell.kind !== 'gru')
      return independent.cellCostate(cell, given, before, { ...after, h: after.h.map((value) => -value) });
    const right = independent.cellCostate(cell, given, before, after);
    const z = (i: number) => {
      const row = cell.r[cell.hidden + i] ?? [];
      return (
        1 / (1 + Math.exp(-(given[cell.hidden + i] ?? 0) - before.h.reduce((sum, h, k) => sum + h * (row[k] ?? 0), 0)))
      );
    };
    return { ...right, h: right.h.map((value, i) => value - 2 * z(i) * (after.h[i] ?? 0)) };
  },
};

/** More of h is left than the equation leaves. */
const wrongStep: Partial<References> = {
  cellStep: (cell, given, before) => {
    const right = independent.cellStep(cell, given, before);
    return { ...right, h: right.h.map((value, i) => value + 0.5 * (before.h[i] ?? 0)) };
  },
};

describe.each(['rnn', 'gru', 'lstm'])('%s', (kind) => {
  it.each([
    { form: 'operator' },
    { form: 'scan' },
    { form: 'operator', bidirectional: true, layers: 2 },
    { form: 'scan', bidirectional: true },
    { form: 'operator', bias: false },
    { form: 'scan', bias: false },
  ])('as %o is the explicit step', async (options) => {
    for (const seed of [1, 2]) {
      const checks = await verified(recurrent(kind, options, seed));
      expect(failing(checks)).toEqual([]);
      expect(computed(checks).slice(0, 2)).toEqual(['step', 'co-state recursion']);
    }
  });

  it('is not another step', async () => {
    expect(failing(await verified(recurrent(kind), wrongStep))).toContain('step');
    expect(failing(await verified(recurrent(kind, { form: 'scan' }), wrongStep))).toContain('step');
  });

  it('has no other co-state', async () => {
    expect(failing(await verified(recurrent(kind), flipped('h')))).toEqual(['co-state recursion']);
    expect(failing(await verified(recurrent(kind), oneTerm))).toEqual(['co-state recursion']);
    if (kind === 'lstm') expect(failing(await verified(recurrent(kind), flipped('c')))).toEqual(['co-state recursion']);
  });
});

describe('recurrent operators of other files', () => {
  const x = input('x', 'float32', ['time', 'batch', 3]);
  const gru = (linearBeforeReset: number) =>
    model({
      inputs: [x],
      outputs: {
        y:
          op.gru(
            x,
            weights('w', [1, 12, 3]),
            weights('r', [1, 12, 4], 2),
            weights('b', [1, 24], 3),
            undefined,
            undefined,
            {
              hiddenSize: 4,
              linearBeforeReset,
            },
          )[0] ?? x,
      },
    });

  it.each([0, 1])("are held with GRU's linear_before_reset = %i", async (form) => {
    const checks = await verified(gru(form));
    expect(failing(checks)).toEqual([]);
    expect(computed(checks)).toEqual(['step', 'co-state recursion']);
    const other: Partial<References> = {
      cellStep: (cell, ...rest) => independent.cellStep({ ...cell, resetAfter: cell.resetAfter === false }, ...rest),
    };
    expect(failing(await verified(gru(form), other))).toContain('step');
  });

  it('backward in time', async () => {
    const made = model({
      inputs: [x],
      outputs: {
        y:
          op.lstm(
            x,
            weights('w', [1, 16, 3]),
            weights('r', [1, 16, 4], 2),
            undefined,
            undefined,
            undefined,
            undefined,
            undefined,
            {
              hiddenSize: 4,
              direction: 'reverse',
            },
          )[0] ?? x,
      },
    });
    expect(failing(await verified(made))).toEqual([]);
  });

  it('with peepholes are only told of', async () => {
    const made = model({
      inputs: [x],
      outputs: {
        y:
          op.lstm(
            x,
            weights('w', [1, 16, 3]),
            weights('r', [1, 16, 4], 2),
            undefined,
            undefined,
            undefined,
            undefined,
            weights('p', [1, 12], 4),
            { hiddenSize: 4 },
          )[0] ?? x,
      },
    });
    const checks = await verified(made);
    expect(computed(checks)).toEqual([]);
    expect(checks).toMatchObject([{ ok: true, statement: expect.stringMatching(/^structural: /) as string }]);
  });
});

describe('log-semiring recursions', () => {
  const chain = (kind: string, seed = 1) =>
    network(['time', 4], [{ kind, ...(kind === 'hmm' ? { epsilon: 0.5 } : {}) }], seed);

  it.each([
    ['hmm', 'hopf-cole recursion'],
    ['viterbi', 'hopf-lax recursion'],
  ])('%s is the discrete solution', async (kind, name) => {
    for (const seed of [1, 2]) {
      const checks = await verified(chain(kind, seed));
      expect(failing(checks)).toEqual([]);
      expect(computed(checks)).toContain(name);
    }
    const wrong: Partial<References> = {
      hopfCole: (y, a, g, epsilon, t) => independent.hopfCole(y, a, g, epsilon / 2, t),
      hopfLax: (y, a, g) => independent.hopfLax(y, a, g, 1),
    };
    expect(failing(await verified(chain(kind), wrong))).toContain(name);
  });
});
