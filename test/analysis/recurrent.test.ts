import { describe, expect, it } from 'vitest';
import { independent, type References } from '../../src/analysis/references.ts';
import { input } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { fresh } from '../../src/layers/module.ts';
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

/** A Scan that says it is a layer's step and computes something else: gates z, state h (and c). */
function impostor(kind: 'rnn' | 'gru' | 'lstm', step: (z: Value, h: Value, c: Value, own: Value) => readonly Value[]) {
  const gates = { rnn: 1, gru: 3, lstm: 4 }[kind];
  const x = input('x', 'float32', ['time', 'batch', 3]);
  const given = op.matMul(x, weights('w', [3, 4 * gates]));
  const r = weights('r', [4 * gates, 4], 2);
  const zero = op.matMul(op.squeeze(op.slice(x, at(0), at(1), at(0)), at(0)), weights('zero', [3, 4], 3, 0));
  const states = kind === 'lstm' ? [zero, zero] : [zero];
  const made = op.scan(states, [given], ([h = x, c = x], [own = x]) => {
    const [next = x, cell = x] =
      kind === 'gru'
        ? step(own, h, c, op.gemm(h, r, undefined, { transB: 1 }))
        : step(op.gemm(h, r, own, { transB: 1 }), h, c, own);
    return { carried: kind === 'lstm' ? [next, cell] : [next], scanned: [next] };
  });
  return model({ inputs: [x], outputs: { y: fresh().at('cell').mark(made, kind).at(-1) ?? x } });
}

const at = (index: number) => op.constant({ valueInts: [index] });
const parts = (z: Value, count: number) => op.split(z, undefined, { axis: 1, numOutputs: count });
const one = () => op.constant({ valueFloat: 1 });

/** The step of each kind, and wrong ones. */
const bodies: Readonly<
  Record<string, Readonly<Record<string, (z: Value, h: Value, c: Value, own: Value) => readonly Value[]>>>
> = {
  rnn: {
    right: (z) => [op.tanh(z)],
    'a step of half': (z, h) => [op.mul(op.add(op.tanh(z), h), op.constant({ valueFloat: 0.5 }))],
    'a sign': (z) => [op.neg(op.tanh(z))],
  },
  gru: {
    right: (z, h, _, own) => gruBody(z, h, own, (gate, n) => op.add(op.mul(gate, h), op.mul(op.sub(one(), gate), n))),
    'z for 1 - z': (z, h, _, own) =>
      gruBody(z, h, own, (gate, n) => op.add(op.mul(op.sub(one(), gate), h), op.mul(gate, n))),
    'a sign': (z, h, _, own) =>
      gruBody(z, h, own, (gate, n) => op.sub(op.mul(gate, h), op.mul(op.sub(one(), gate), n))),
  },
  lstm: {
    right: (z, _, c) => lstmBody(z, (i, f, g) => op.add(op.mul(f, c), op.mul(i, g))),
    'i for f': (z, _, c) => lstmBody(z, (i, f, g) => op.add(op.mul(i, c), op.mul(f, g))),
    'a sign': (z, _, c) => lstmBody(z, (i, f, g) => op.sub(op.mul(f, c), op.mul(i, g))),
    'coupled gates': (z, _, c) => lstmBody(z, (__, f, g) => op.add(op.mul(f, c), op.mul(op.sub(one(), f), g))),
  },
};

function gruBody(z: Value, h: Value, own: Value, next: (gate: Value, n: Value) => Value): readonly Value[] {
  const [givenR = z, givenZ = z, givenN = z] = parts(z, 3);
  const [ownR = h, ownZ = h, ownN = h] = parts(own, 3);
  const n = op.tanh(op.add(givenN, op.mul(op.sigmoid(op.add(givenR, ownR)), ownN)));
  return [next(op.sigmoid(op.add(givenZ, ownZ)), n)];
}

function lstmBody(z: Value, next: (i: Value, f: Value, g: Value) => Value): readonly Value[] {
  const [i = z, f = z, g = z, o = z] = parts(z, 4);
  const cell = next(op.sigmoid(i), op.sigmoid(f), op.tanh(g));
  return [op.mul(op.sigmoid(o), op.tanh(cell)), cell];
}

describe('a body that says it is a recurrent step', () => {
  const cases = Object.entries(bodies).flatMap(([kind, own]) => Object.keys(own).map((what) => [kind, what] as const));
  it.each(cases)('of %s with %s', async (kind, what) => {
    const made = impostor(kind as 'rnn', bodies[kind]?.[what] ?? (() => []));
    expect(failing(await verified(made))).toEqual(what === 'right' ? [] : ['step']);
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

describe('a body that says it is a log-semiring recursion', () => {
  const axis = () => op.constant({ valueInts: [2] });
  const lse = (z: Value) => op.reduceLogSumExp(z, axis(), { keepdims: 0 });
  const bodies: Readonly<Record<string, (z: Value, epsilon: Value) => Value>> = {
    right: (z, epsilon) => op.mul(epsilon, lse(op.div(z, epsilon))),
    'a missing epsilon': (z, epsilon) => lse(op.div(z, epsilon)),
    'the maximum': (z, epsilon) => op.add(op.reduceMax(z, axis(), { keepdims: 0 }), op.sub(epsilon, epsilon)),
    'a sign': (z, epsilon) => op.neg(op.mul(epsilon, lse(op.div(op.neg(z), epsilon)))),
  };

  it.each(Object.keys(bodies))('with %s', async (what) => {
    const emissions = input('x', 'float32', ['time', 'batch', 4]);
    const into = weights('A', [4, 4]);
    const epsilon = op.constant({ valueFloat: 0.5 });
    const start = op.mul(op.squeeze(op.slice(emissions, at(0), at(1), at(0)), at(0)), op.constant({ valueFloat: 0 }));
    const time = op.squeeze(op.shape(emissions, { start: 0, end: 1 }), at(0));
    const isFirst = op.unsqueeze(
      op.equal(op.range(scalar(0), time, scalar(1)), scalar(0)),
      op.constant({ valueInts: [1, 2] }),
    );
    const made = op.scan([start], [emissions, isFirst], ([before = start], [e = start, begins = start]) => {
      const z = op.add(op.unsqueeze(before, at(1)), into);
      const next = op.add(op.where(begins, before, bodies[what]?.(z, epsilon) ?? e), e);
      return { carried: [next], scanned: [next] };
    });
    const said = fresh().at('chain').mark(made, 'log-semiring', { viscosity: 0.5 });
    const checks = await verified(model({ inputs: [emissions], outputs: { alpha: said[1] ?? start } }));
    expect(computed(checks)).toEqual(['hopf-cole recursion']);
    expect(failing(checks)).toEqual(what === 'right' ? [] : ['hopf-cole recursion']);
  });
});

function scalar(value: number): Value {
  return op.squeeze(at(value), at(0));
}
