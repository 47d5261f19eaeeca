import { describe, expect, it } from 'vitest';
import { gibbsAttention, hopfLax } from '../../ops/index.ts';
import { independent, type References } from '../../src/analysis/references.ts';
import { fromNumbers } from '../../src/files/tensor.ts';
import { call, defineFunction } from '../../src/graph/define.ts';
import * as ops23 from '../../src/graph/generated/opset23.ts';
import type { Model } from '../../src/graph/graph.ts';
import { constant, input } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { computed, failing, network, verified, weights } from './networks.ts';

const scalar = (value: number) => constant(fromNumbers('float32', [], [value]));
const lastAxis = () => constant(fromNumbers('int64', [1], [-1]));

/** softmax(qk'/eps) v of projections of x, [batch, 2 heads, time, 4], by `make`. */
function attention(
  make: (q: Value, k: Value, v: Value, epsilon: Value) => Value,
  seed = 1,
  epsilon: Value = scalar(2),
): Model {
  const x = input('x', 'float32', ['batch', 2, 'time', 4]);
  const part = (name: string, place: number) => op.matMul(x, weights(name, [4, 4], seed + place));
  return model({ inputs: [x], outputs: { o: make(part('q', 1), part('k', 2), part('v', 3), epsilon) } });
}

/** A function that says it is GibbsAttention and computes something else. */
function impostor(body: (z: Value, epsilon: Value, v: Value) => Value) {
  const definition = defineFunction({
    domain: 'ai.hopfcole',
    name: 'GibbsAttention',
    inputs: ['Q', 'K', 'V', 'epsilon'],
    outputs: ['O'],
    build: ([q, k, v, epsilon]) => {
      if (q === undefined || k === undefined || v === undefined || epsilon === undefined) return [];
      return [body(op.matMul(q, op.transpose(k, { perm: [0, 1, 3, 2] })), epsilon, v)];
    },
  });
  return (q: Value, k: Value, v: Value, epsilon: Value) => call(definition, [q, k, v, epsilon])[0] ?? q;
}

const causal = constant(
  fromNumbers(
    'bool',
    [5, 5],
    Array.from({ length: 25 }, (_, i) => (i % 5 <= Math.floor(i / 5) ? 1 : 0)),
  ),
);
const bias = constant(
  fromNumbers(
    'float32',
    [5, 5],
    Array.from({ length: 25 }, (_, i) => -0.3 * Math.abs((i % 5) - Math.floor(i / 5))),
  ),
);

describe('attention', () => {
  it.each([1, 2, 3])('is the gradient of its log-sum-exp in s, whatever its weights (seed %i)', async (seed) => {
    const checks = await verified(attention(gibbsAttention, seed));
    expect(failing(checks)).toEqual([]);
    expect(computed(checks)).toEqual(['gradient', 'measure', 'weights']);
  });

  it('with a temperature per head, a causal mask and a bias', async () => {
    const perHead = constant(fromNumbers('float32', [2, 1, 1], [0.7, 3]));
    const byHead = attention(gibbsAttention, 4, perHead);
    expect(failing(await verified(byHead))).toEqual([]);
    const masked = await verified(attention((q, k, v, e) => gibbsAttention(q, k, v, e, { mask: causal })));
    expect(failing(masked)).toEqual([]);
    expect(computed(masked)).toContain('mask');
    expect(failing(await verified(attention((q, k, v, e) => gibbsAttention(q, k, v, e, { mask: bias }))))).toEqual([]);
  });

  it('written out by another exporter is held to the same', async () => {
    const written = (q: Value, k: Value, v: Value) => {
      const z = op.div(op.matMul(q, op.transpose(k, { perm: [0, 1, 3, 2] })), scalar(2));
      return op.matMul(op.softmax(op.add(z, bias)), v);
    };
    const checks = await verified(attention(written));
    expect(failing(checks)).toEqual([]);
    expect(computed(checks)).toEqual(['gradient', 'measure', 'weights']);
  });

  it("of ONNX's operator is held too, with heads of its own or side by side", async () => {
    const x = input('x', 'float32', ['batch', 2, 'time', 4]);
    const flat = input('flat', 'float32', ['batch', 'time', 8]);
    const part = (of: Value, name: string, shape: number[], seed: number) =>
      ops23.matMul(of, weights(name, shape, seed));
    const [apart] = ops23.attention(x, x, part(x, 'v', [4, 3], 2), bias, undefined, undefined, { scale: 0.7 });
    const keys = part(flat, 'k', [8, 4], 3);
    const [grouped] = ops23.attention(flat, keys, part(flat, 'w', [8, 4], 4), undefined, undefined, undefined, {
      qNumHeads: 4,
      kvNumHeads: 2,
      isCausal: 1,
    });
    const made = model({ inputs: [x, flat], outputs: { apart, grouped }, opset: 23 });
    const checks = await verified(made);
    expect(failing(checks)).toEqual([]);
    expect(computed(checks)).toEqual(['gradient', 'gradient']);
    const colder: Partial<References> = { logSumExp: (z, epsilon) => independent.logSumExp(z, epsilon / 2) };
    expect(failing(await verified(made, colder))).toEqual(['gradient', 'gradient']);
  });

  it.each<[string, (z: Value, epsilon: Value, v: Value) => Value, string]>([
    ['a missing epsilon', (z, _, v) => op.matMul(op.softmax(z), v), 'gradient'],
    ['a sign', (z, e, v) => op.matMul(op.softmax(op.neg(op.div(z, e))), v), 'gradient'],
    ['twice the temperature', (z, e, v) => op.matMul(op.softmax(op.div(z, op.add(e, e))), v), 'weights'],
    ['a sigmoid for the softmax', (z, e, v) => op.matMul(op.sigmoid(op.div(z, e)), v), 'measure'],
    ['the maximum for the softmax', (z, _, v) => op.matMul(op.hardmax(z), v), 'gradient'],
  ])('finds %s in a body that says it is GibbsAttention', async (_what, body, found) => {
    expect(failing(await verified(attention(impostor(body))))).toContain(found);
  });

  it('finds a mask that masks nothing', async () => {
    const definition = defineFunction({
      domain: 'ai.hopfcole',
      name: 'GibbsAttention',
      inputs: ['Q', 'K', 'V', 'epsilon', 'mask'],
      outputs: ['O'],
      build: ([q, k, v, e]) =>
        q && k && v && e
          ? [op.matMul(op.softmax(op.div(op.matMul(q, op.transpose(k, { perm: [0, 1, 3, 2] })), e)), v)]
          : [],
    });
    const checks = await verified(attention((q, k, v, e) => call(definition, [q, k, v, e, causal])[0] ?? q));
    expect(failing(checks)).toEqual(expect.arrayContaining(['gradient', 'mask']));
  });

  it('finds a wrong reference', async () => {
    const wrong: Partial<References> = { logSumExp: (z, epsilon) => independent.logSumExp(z, 2 * epsilon) };
    expect(failing(await verified(attention(gibbsAttention), wrong))).toContain('gradient');
  });
});

const twice: Partial<References> = {
  decode: (w, b, t) => ({ ...independent.decode(w, b, t), y: independent.decode(w, b, 2 * t).y }),
};
const negated: Partial<References> = {
  decode: (w, b, t) => {
    const { y, g } = independent.decode(w, b, t);
    return { y, g: Float64Array.from(g, (value) => -value) };
  },
};
const maximal: Partial<References> = {
  hopfLax: (x, y, g, t) => ({
    u0: Math.max(...y.map((_, j) => independent.hopfLax(x, [y[j] ?? x], [g[j] ?? 0], t).u0)),
  }),
};
const cold: Partial<References> = {
  hopfCole: (x, y, g, epsilon, t) => independent.hopfCole(x, y, g, epsilon / 2, t),
};

describe('modern Hopfield retrieval', () => {
  const made = (seed = 1, options: object = {}) =>
    network([4], [{ kind: 'hopfield', count: 6, epsilon: 0.4, ...options }], seed);

  it('goes to the foot point of the solution of its patterns, whatever they are', async () => {
    for (const [seed, options] of [
      [1, {}],
      [2, { steps: 3 }],
    ] as const) {
      const checks = await verified(made(seed, options));
      expect(failing(checks)).toEqual([]);
      expect(computed(checks)).toContain('retrieval');
    }
  });

  it.each([
    ['4t as 2t', twice],
    ["g's sign", negated],
    ['a missing epsilon', cold],
  ])('is found wrong where the decoding or the reference has %s wrong', async (_, wrong) => {
    expect(failing(await verified(made(), wrong))).toEqual(['retrieval']);
  });
});

describe('units', () => {
  const layers = [
    { kind: 'linear', out: 6 },
    { kind: 'relu' },
    { kind: 'linear', out: 4 },
    { kind: 'softplus', epsilon: 0.3 },
  ];

  it.each([1, 2])('are solutions of two atoms, whatever the weights (seed %i)', async (seed) => {
    const checks = await verified(network([5], layers, seed));
    expect(failing(checks)).toEqual([]);
    expect(computed(checks)).toEqual(['hopf-lax', 'hopf-cole']);
  });

  it.each([
    ['4t as 2t', twice, ['hopf-lax', 'hopf-cole']],
    ["g's sign", negated, ['hopf-lax', 'hopf-cole']],
    ['min for max', maximal, ['hopf-lax']],
    ['a missing epsilon', cold, ['hopf-cole']],
  ])('fail where the decoding or the reference has %s wrong', async (_, wrong, expected) => {
    expect(failing(await verified(network([5], layers), wrong))).toEqual(expected);
  });

  it('of maxout and max pooling are Hopf-Lax solutions', async () => {
    const x = input('x', 'float32', ['batch', 3, 7, 7]);
    const pooled = model({
      inputs: [x],
      outputs: { y: op.maxPool(x, { kernelShape: [3, 2], strides: [2, 1], pads: [1, 0, 1, 1] })[0] ?? x },
    });
    const tropical = network([5], [{ kind: 'tropical', atoms: 4, units: 3 }]);
    for (const made of [pooled, tropical]) {
      const checks = await verified(made);
      expect(computed(checks)).toEqual(['hopf-lax']);
      expect(failing(checks)).toEqual([]);
      expect(failing(await verified(made, maximal))).toEqual(['hopf-lax']);
    }
  });

  it('of a foreign ReduceLogSumExp and Softmax are held as well', async () => {
    const x = input('x', 'float32', ['batch', 5]);
    const z = op.matMul(x, weights('W', [5, 4]));
    const foreign = model({ inputs: [x], outputs: { f: op.reduceLogSumExp(z, lastAxis()), pi: op.softmax(z) } });
    const checks = await verified(foreign);
    expect(computed(checks)).toEqual(['hopf-cole', 'measure', 'gradient of f', 'convex form']);
    expect(failing(checks)).toEqual([]);
  });
});

describe('Hopf-Cole layers', () => {
  const solution = (options: object) => network([3], [{ kind: 'hopf-cole', dim: 3, atoms: 5, time: 0.8, ...options }]);

  it.each([{ epsilon: 0.4 }, { epsilon: 0.4, anisotropic: true }, { epsilon: 0 }])('%o', async (options) => {
    const checks = await verified(solution(options));
    expect(failing(checks)).toEqual([]);
    expect(computed(checks)).toEqual(options.epsilon === 0 ? ['hopf-lax'] : ['hopf-cole', 'gradient', 'foot point']);
  });

  it('fail against a wrong solution', async () => {
    const half: Partial<References> = { hopfCole: (x, y, g, e, t) => independent.hopfCole(x, y, g, e, t / 2) };
    expect(failing(await verified(solution({ epsilon: 0.4 }), half))).toEqual(['gradient', 'foot point']);
    const wrong: Partial<References> = { logSumExp: (z, e) => independent.logSumExp(z, e / 2) };
    expect(failing(await verified(solution({ epsilon: 0.4 }), wrong))).toEqual(['hopf-cole']);
    expect(failing(await verified(solution({ epsilon: 0 }), maximal))).toEqual(['hopf-lax']);
  });

  it.each<[string, (z: Value, e: Value) => Value]>([
    ['a missing epsilon', (z, e) => op.neg(op.reduceLogSumExp(op.div(z, e), lastAxis(), { keepdims: 0 }))],
    ['the maximum for the minimum', (z) => op.reduceMax(op.neg(z), lastAxis(), { keepdims: 0 })],
  ])('finds %s in a body that says it is HopfCole', async (_, body) => {
    const x = input('x', 'float32', ['batch', 3]);
    const definition = defineFunction({
      domain: 'ai.hopfcole',
      name: 'HopfCole',
      inputs: ['X', 'Y', 'g', 'epsilon', 't'],
      outputs: ['U'],
      build: ([X, Y, g, epsilon, t]) => {
        if (!X || !Y || !g || !epsilon || !t) return [];
        const offset = op.sub(op.unsqueeze(X, constant(fromNumbers('int64', [1], [1]))), Y);
        const square = op.reduceSumSquare(offset, lastAxis(), { keepdims: 0 });
        const z = op.neg(op.add(g, op.div(square, op.mul(t, scalar(4)))));
        return [body(z, epsilon)];
      },
    });
    const [u] = call(definition, [x, weights('y', [5, 3]), weights('g', [5], 2), scalar(0.4), scalar(0.5)]);
    expect(failing(await verified(model({ inputs: [x], outputs: { u: u ?? x } })))).toContain('hopf-cole');
  });

  it('HopfLax that takes the largest is found', async () => {
    const x = input('x', 'float32', ['batch', 3]);
    const given = [weights('y', [5, 3]), weights('g', [5], 2), scalar(0.5)] as const;
    const [right] = hopfLax(x, ...given);
    expect(failing(await verified(model({ inputs: [x], outputs: { u: right } })))).toEqual([]);
    const definition = defineFunction({
      domain: 'ai.hopfcole',
      name: 'HopfLax',
      inputs: ['X', 'Y', 'g', 't'],
      outputs: ['U0'],
      build: ([X, Y, g, t]) => {
        if (!X || !Y || !g || !t) return [];
        const offset = op.sub(op.unsqueeze(X, constant(fromNumbers('int64', [1], [1]))), Y);
        const cost = op.div(op.reduceSumSquare(offset, lastAxis(), { keepdims: 0 }), op.mul(t, scalar(4)));
        return [op.reduceMax(op.add(g, cost), lastAxis(), { keepdims: 0 })];
      },
    });
    const [u] = call(definition, [x, ...given]);
    expect(failing(await verified(model({ inputs: [x], outputs: { u: u ?? x } })))).toEqual(['hopf-lax']);
  });
});
