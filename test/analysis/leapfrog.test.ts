import { describe, expect, it } from 'vitest';
import type { Model } from '../../src/graph/graph.ts';
import { input } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { leapfrog } from '../../src/layers/leapfrog.ts';
import { fresh } from '../../src/layers/module.ts';
import { sitesOf } from '../../src/reading/sites.ts';
import { computed, failing, verified, weights } from './networks.ts';

const number = (value: number) => op.constant({ valueFloat: value });

/** Leapfrog of H = sum log cosh(Kp) + sum log cosh(Wq), so many times, with its parts to be changed. */
function made({ kick = 0.25, last = kick }: { kick?: number; last?: number } = {}, seed = 1): Model {
  const x = input('x', 'float32', ['batch', 4]);
  const W = weights('W', [4, 4], seed);
  const K = weights('K', [4, 4], seed + 1);
  const gradient = (at: Value, of: Value) => op.matMul(op.tanh(op.matMul(at, of)), op.transpose(of, { perm: [1, 0] }));
  let [q, p]: [Value, Value] = [op.sin(x), op.cos(x)];
  const root = fresh();
  for (let layer = 0; layer < 2; layer++) {
    const half = op.sub(p, op.mul(gradient(q, W), number(kick)));
    const next = op.add(q, op.mul(gradient(half, K), number(0.5)));
    const forced = op.sub(half, op.mul(gradient(next, W), number(last)));
    p = root.at(layer).mark(forced, 'leapfrog', { step: 0.5 });
    q = next;
  }
  return model({ inputs: [x], outputs: { q, p } });
}

describe('the leapfrog layer', () => {
  const x = input('x', 'float32', ['batch', 4]);
  const W = weights('W', [4, 4], 3);
  const potential = (at: Value) => op.matMul(op.tanh(op.matMul(at, W)), op.transpose(W, { perm: [1, 0] }));
  const start = { q: op.sin(x), p: op.cos(x) };

  it.each([{ step: 0.5 }, { step: 1 }, { step: 0.3, kinetic: (p: Value) => op.tanh(p) }])(
    'is of order 2 and reversible with %o',
    async (options) => {
      const { q, p } = leapfrog(fresh().at('step'), start, { potential, ...options });
      const made = model({ inputs: [x], outputs: { q, p } });
      expect(sitesOf(made)).toMatchObject([
        { name: 'step', kind: 'residual', architecture: 'leapfrog', step: options.step },
      ]);
      const checks = await verified(made);
      expect(failing(checks)).toEqual([]);
      expect(computed(checks)).toEqual(['step', 'reversible', 'order']);
    },
  );

  it('refuses halves and gradients that do not fit, and steps that are none', () => {
    const other = input('y', 'float32', ['batch', 3]);
    expect(() => leapfrog(fresh().at('step'), { q: x, p: other }, { potential })).toThrow(/'p' of the shape/);
    expect(() => leapfrog(fresh().at('step'), start, { potential: () => other })).toThrow(/'F' of the shape/);
    expect(() => leapfrog(fresh().at('step'), start, { potential, step: 0 })).toThrow(/a step that is not 0/);
  });
});

describe('leapfrog', () => {
  it.each([1, 5])('is of order 2 and reversible, whatever its weights (seed %i)', async (seed) => {
    const checks = await verified(made({}, seed));
    expect(failing(checks)).toEqual([]);
    expect(computed(checks)).toEqual(['step', 'reversible', 'order', 'step', 'reversible', 'order']);
  });

  it.each([
    ['a whole first kick', { kick: 0.5, last: 0.25 }],
    ['a last kick of the other sign', { last: -0.25 }],
  ])('is not what has %s', async (_, options) => {
    expect(failing(await verified(made(options))).length).toBeGreaterThan(0);
  });
});
