import { describe, expect, it } from 'vitest';
import { gibbsWeights, logSumExp } from '../../ops/index.ts';
import type { Check } from '../../src/analysis/identities.ts';
import { independent, type References } from '../../src/analysis/references.ts';
import { verifyModel, verifyReference } from '../../src/analysis/verify.ts';
import { fromNumbers } from '../../src/files/tensor.ts';
import { call, defineFunction } from '../../src/graph/define.ts';
import type { Model } from '../../src/graph/graph.ts';
import { input, parameter } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { sitesOf } from '../../src/reading/sites.ts';
import { openSession } from '../../src/runtime/node/open.ts';

const open = (made: Model) => openSession(encodeModel(toProto(made)), { provider: 'cpu', home: 'process' });

const numbers = (count: number, seed: number) =>
  Array.from({ length: count }, (_, i) => Math.sin(seed + 1.7 * i) * 1.5);

function unit(
  make: (x: Value, W: Value, b: Value, epsilon: Value) => Value,
  options: { dtype?: 'float32' | 'float64'; epsilon?: number } = {},
): Model {
  const { dtype = 'float32', epsilon = 0.4 } = options;
  const x = input('x', dtype, ['batch', 3]);
  const W = parameter('W', fromNumbers(dtype, [6, 3], numbers(18, 1)));
  const b = parameter('b', fromNumbers(dtype, [6], numbers(6, 2)));
  const E = parameter('epsilon', fromNumbers('float32', [], [epsilon]));
  return model({ inputs: [x], outputs: { f: make(x, W, b, E) } });
}

function failing(checks: readonly Check[]): string[] {
  return checks.filter(({ ok }) => !ok).map(({ name }) => name.replace(/^.*: /, ''));
}

/** A function that says it is LogSumExp and computes something else. */
function impostor(body: (z: Value, epsilon: Value) => Value): (x: Value, W: Value, b: Value, epsilon: Value) => Value {
  const definition = defineFunction({
    domain: 'ai.hopfcole',
    name: 'LogSumExp',
    inputs: ['X', 'W', 'b', 'epsilon'],
    outputs: ['F'],
    build: ([x, W, b, epsilon]) => {
      if (x === undefined || W === undefined || b === undefined || epsilon === undefined) return [];
      return [body(op.add(op.matMul(x, op.transpose(W)), b), epsilon)];
    },
  });
  return (x, W, b, epsilon) => call(definition, [x, W, b, epsilon])[0] ?? x;
}

const lastAxis = () => op.constant({ valueInts: [-1] });
const lse = (z: Value) => op.reduceLogSumExp(z, lastAxis(), { keepdims: false });

describe('verify', () => {
  it('holds for the reference atoms at every viscosity', async () => {
    const checks = await verifyReference(open);
    expect(checks.length).toBeGreaterThan(60);
    expect(failing(checks)).toEqual([]);
  });

  it.each([0.01, 0.4, 20])('holds for any weights at epsilon %f', async (epsilon) => {
    expect(failing(await verifyModel(unit(logSumExp, { epsilon }), open))).toEqual([]);
  });

  it('verifies the blocked form, whose weights are several values', async () => {
    const blocked = unit((x, W, b, E) => logSumExp(x, W, b, E, { form: 'blocked', blockSize: 4 }));
    expect(sitesOf(blocked)).toMatchObject([{ kind: 'lse', atoms: 6, dim: 3 }]);
    const checks = await verifyModel(blocked, open);
    expect(checks.length).toBeGreaterThan(5);
    expect(failing(checks)).toEqual([]);
  });

  it('does not take rounding of differences for a wrong equation where atoms are far apart', async () => {
    const far = (x: Value, W: Value, b: Value, E: Value) => {
      const scale = (value: Value) =>
        'tensor' in value.source
          ? parameter(
              `far_${value.name}`,
              fromNumbers(
                'float32',
                value.shape as number[],
                numbers(value.shape?.length === 2 ? 18 : 6, 1).map((n) => n * 1e4),
              ),
            )
          : value;
      return logSumExp(x, scale(W), scale(b), E);
    };
    expect(failing(await verifyModel(unit(far, { epsilon: 0.01 }), open))).toEqual([]);
  });

  it('holds a float64 model to float64', async () => {
    const checks = await verifyModel(unit(logSumExp, { dtype: 'float64', epsilon: 0.5 }), open);
    expect(failing(checks)).toEqual([]);
    expect(checks.find(({ name }) => name.endsWith('hopf-cole'))?.error).toBeLessThan(1e-12);
  });

  it.each<[string, (z: Value, epsilon: Value) => Value]>([
    ['a missing epsilon', (z, epsilon) => lse(op.div(z, epsilon))],
    ['the maximum', (z) => op.reduceMax(z, lastAxis(), { keepdims: false })],
    ['the minimum for the maximum', (z) => op.reduceMin(z, lastAxis(), { keepdims: false })],
    ['a sign', (z, epsilon) => op.neg(op.mul(epsilon, lse(op.div(z, epsilon))))],
    [
      'twice the temperature',
      (z, epsilon) => op.mul(op.add(epsilon, epsilon), lse(op.div(z, op.add(epsilon, epsilon)))),
    ],
  ])('finds %s in a body that says it is LogSumExp', async (_what, body) => {
    expect(failing(await verifyModel(unit(impostor(body)), open))).toContain('hopf-cole');
  });

  it('holds a softmax head, and finds one that lies', async () => {
    const head = (make: (z: Value, epsilon: Value) => Value) =>
      unit((x, W, b, epsilon) => make(op.add(op.matMul(x, op.transpose(W)), b), epsilon));
    expect(failing(await verifyModel(head(gibbsWeights), open))).toEqual([]);
    const liar = defineFunction({
      domain: 'ai.hopfcole',
      name: 'GibbsWeights',
      inputs: ['Z', 'epsilon'],
      outputs: ['Pi'],
      build: ([z]) => (z === undefined ? [] : [op.softmax(z)]),
    });
    const checks = await verifyModel(
      head((z, epsilon) => call(liar, [z, epsilon])[0] ?? z),
      open,
    );
    expect(failing(checks)).toEqual(['gradient of f', 'convex form']);
  });

  it('passes a body of other operators that computes the same', async () => {
    const same = impostor((z, epsilon) => op.mul(epsilon, lse(op.div(z, epsilon))));
    expect(failing(await verifyModel(unit(same), open))).toEqual([]);
  });

  it.each<[string, Partial<References>, string[]]>([
    [
      "g's sign in the decoding",
      {
        decode: (w, b, t) => {
          const { y, g } = independent.decode(w, b, t);
          return { y, g: Float64Array.from(g, (value) => -value) };
        },
      },
      ['hopf-cole', 'co-state'],
    ],
    [
      '2t as 4t in the decoding',
      { decode: (w, b, t) => ({ y: independent.decode(w, b, 2 * t).y, g: independent.decode(w, b, t).g }) },
      ['hopf-cole', 'co-state'],
    ],
    [
      '4t as 2t in Hopf-Cole',
      { hopfCole: (x, y, g, epsilon, t) => independent.hopfCole(x, y, g, epsilon, t / 2) },
      ['hopf-cole', 'co-state'],
    ],
    [
      'a missing epsilon in Hopf-Cole',
      {
        hopfCole: (x, y, g, epsilon, t) => {
          const { u, gradient } = independent.hopfCole(x, y, g, epsilon, t);
          return { u: u / epsilon, gradient };
        },
      },
      ['hopf-cole', 'hamilton-jacobi equation'],
    ],
    [
      'the maximum for the minimum in Hopf-Lax',
      {
        hopfLax: (x, y, g, t) => ({
          u0: Math.max(...y.map((atom, j) => independent.hopfLax(x, [atom], [g[j] ?? 0], t).u0)),
        }),
      },
      ['hopf-lax'],
    ],
    [
      "the temperature's sign in df/deps",
      { logSumExp: (z, epsilon) => -independent.logSumExp(z, epsilon) },
      ['entropy'],
    ],
  ])('finds %s', async (_what, wrong, expected) => {
    const found = failing(await verifyModel(unit(logSumExp), open, { ...independent, ...wrong }));
    expect(found).toEqual(expect.arrayContaining(expected));
  });
});
