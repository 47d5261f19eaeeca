import { describe, expect, it } from 'vitest';
import { residualChecks } from '../../src/analysis/residual-identities.ts';
import { fromNumbers, type Tensor } from '../../src/files/tensor.ts';
import type { Model } from '../../src/graph/graph.ts';
import { input, parameter } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { fresh } from '../../src/layers/module.ts';
import { residual } from '../../src/layers/residual.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { residualChains } from '../../src/reading/residual.ts';
import { openSession } from '../../src/runtime/node/open.ts';
import type { Session } from '../../src/runtime/session.ts';
import { normal } from '../ops/run.ts';

const open = (made: Model): Promise<Session> =>
  openSession(encodeModel(toProto(made)), { provider: 'cpu', home: 'process' });

function feeds(session: Session): Map<string, Tensor> {
  return new Map(
    session.inputs.map(({ name, dtype, shape }) => {
      const sizes = (shape ?? []).map((dim) => (typeof dim === 'number' ? dim : 2));
      const count = sizes.reduce((a, b) => a * b, 1);
      return [
        name,
        fromNumbers(
          dtype,
          sizes,
          Float64Array.from({ length: count }, (_, i) => Math.sin(1 + 2.1 * i)),
        ),
      ];
    }),
  );
}

/** x + h tanh(x W + b), so many layers, with weights of their own or shared. */
function flow(layers: number, tied: boolean, step = 0.3): Model {
  const x = input('x', 'float32', ['batch', 5]);
  const weights = (layer: number): readonly [Value, Value] => [
    parameter(`layers.${layer}.weight`, normal('float32', [5, 5], layer + 1, 0.7)),
    parameter(`layers.${layer}.bias`, normal('float32', [5], layer + 50, 0.3)),
  ];
  const shared = weights(0);
  let state: Value = op.tanh(x);
  for (let layer = 0; layer < layers; layer++) {
    const [w, b] = tied ? shared : weights(layer);
    const branch = op.tanh(op.add(op.matMul(state, w), b));
    state = op.add(state, op.mul(branch, op.constant({ valueFloat: step })));
  }
  const head = parameter('head.weight', normal('float32', [5, 1], 99));
  return model({ inputs: [x], outputs: { y: op.matMul(op.sin(state), head) } });
}

describe('residual chains', () => {
  it('are found, tied or not, and only where each state is the one way through', () => {
    expect(residualChains(flow(4, true).graph)).toMatchObject([{ tied: true, steps: { length: 4 } }]);
    expect(residualChains(flow(3, false).graph)).toMatchObject([{ tied: false, steps: { length: 3 } }]);
    const x = input('x', 'float32', [2, 3]);
    const a = op.add(x, op.tanh(x));
    const b = op.add(a, op.sin(a));
    // The first state is read again behind the chain.
    expect(residualChains(model({ inputs: [x], outputs: { y: op.mul(b, a) } }).graph)).toEqual([]);
  });

  it('keep <p, dx> over depth, and their Hamiltonian to O(h) where layers are shared', async () => {
    const [product, energy] = await residualChecks(flow(4, true), open, feeds);
    expect(product).toMatchObject({ ok: true, pathB: expect.stringContaining('float64') as string });
    expect(product?.error).toBeLessThan(1e-7);
    expect(energy).toMatchObject({ ok: true, statement: expect.stringMatching(/order (0\.[6-9]|1\.[0-4])/) as string });
  });

  it('only report the drift of layers with weights of their own', async () => {
    const checks = await residualChecks(flow(3, false), open, feeds);
    expect(checks.map(({ ok }) => ok)).toEqual([true, true, true, true]);
    expect(checks[1]?.statement).toMatch(/reported only/);
  });
});

/** x -> x + h F(x) with F = tanh(x W + b), by a method, so many layers. */
function methodical(method: 'euler' | 'midpoint' | 'rk4', layers = 2, seed = 1): Model {
  const root = fresh();
  const x = input('x', 'float32', ['batch', 5]);
  let state: Value = op.tanh(x);
  for (let layer = 0; layer < layers; layer++) {
    const W = parameter(`${layer}.weight`, normal('float32', [5, 5], seed + layer, 0.7));
    const b = parameter(`${layer}.bias`, normal('float32', [5], seed + layer + 50, 0.3));
    state = residual(root.at(layer), state, (at) => op.tanh(op.add(op.matMul(at, W), b)), { method, step: 0.5 });
  }
  return model({ inputs: [x], outputs: { y: op.sin(state) } });
}

/** A step that says it is of a method, and adds something else. */
function impostor(discretisation: string, added: (x: Value, F: (at: Value) => Value, h: Value) => Value): Model {
  const root = fresh();
  const x = input('x', 'float32', ['batch', 5]);
  const W = parameter('weight', normal('float32', [5, 5], 1, 0.7));
  const F = (at: Value) => op.tanh(op.matMul(at, W));
  const start = op.tanh(x);
  const step = op.add(start, added(start, F, op.constant({ valueFloat: 0.5 })));
  return model({
    inputs: [x],
    outputs: { y: op.sin(root.at('block').mark(step, 'residual', { step: 0.5, discretisation })) },
  });
}

const quarter = () => op.constant({ valueFloat: 0.25 });

describe('the order of a discretisation', () => {
  const orderOf = async (made: Model) => {
    const checks = await residualChecks(made, open, feeds);
    return checks.filter(({ name }) => /(order|step)$/.test(name));
  };

  it.each([
    ['euler', 1],
    ['midpoint', 2],
    ['rk4', 4],
  ] as const)('of %s is %i, whatever the weights', async (method, order) => {
    for (const seed of [1, 20]) {
      const [step, found] = await orderOf(methodical(method, 2, seed));
      expect(step).toMatchObject({ ok: true });
      expect(found).toMatchObject({ ok: true });
      expect(Number(/order (\d\.\d+)/.exec(found?.statement ?? '')?.[1])).toBeGreaterThan(order - 0.35);
      expect(found?.statement).toContain(`${order} expected`);
    }
  });

  it('is that of every step of one module that is used again and again', async () => {
    const root = fresh();
    const x = input('x', 'float32', ['batch', 5]);
    const W = parameter('weight', normal('float32', [5, 5], 1, 0.7));
    let state: Value = op.tanh(x);
    for (let layer = 0; layer < 3; layer++)
      state = residual(root.at('block'), state, (at) => op.tanh(op.matMul(at, W)), { method: 'midpoint', step: 0.5 });
    const [step, order] = await orderOf(model({ inputs: [x], outputs: { y: op.sin(state) } }));
    expect(step).toMatchObject({ ok: true, statement: expect.stringContaining('one step of midpoint for') as string });
    expect(order).toMatchObject({ ok: true });
  });

  it.each<[string, string, (x: Value, F: (at: Value) => Value, h: Value) => Value]>([
    ['an Euler step that says it is the midpoint rule', 'midpoint rule', (x, F, h) => op.mul(F(x), h)],
    [
      'a midpoint rule that goes a whole step first',
      'midpoint rule',
      (x, F, h) => op.mul(F(op.add(x, op.mul(F(x), h))), h),
    ],
    [
      'RK4 with equal weights',
      'Runge-Kutta, fourth order',
      (x, F, h) => {
        const k1 = F(x);
        const k2 = F(op.add(x, op.mul(k1, quarter())));
        const k3 = F(op.add(x, op.mul(k2, quarter())));
        const k4 = F(op.add(x, op.mul(k3, h)));
        return op.mul(op.add(op.add(k1, k2), op.add(k3, k4)), op.constant({ valueFloat: 0.125 }));
      },
    ],
    [
      'RK4 with a sign',
      'Runge-Kutta, fourth order',
      (x, F, h) => {
        const k1 = F(x);
        const k2 = F(op.sub(x, op.mul(k1, quarter())));
        const k3 = F(op.add(x, op.mul(k2, quarter())));
        const k4 = F(op.add(x, op.mul(k3, h)));
        const two = op.constant({ valueFloat: 2 });
        return op.mul(op.add(op.add(k1, op.mul(two, op.add(k2, k3))), k4), op.constant({ valueFloat: 0.5 / 6 }));
      },
    ],
  ])('finds %s', async (_what, says, added) => {
    const checks = await orderOf(impostor(says, added));
    expect(checks.some(({ ok }) => !ok)).toBe(true);
  });

  it('is told of where nothing can compute it: in half precision without float64 kernels', async () => {
    const x = input('x', 'float16', ['batch', 4, 6]);
    const kernel = parameter('k', normal('float16', [4, 4, 3], 1, 0.3));
    let state: Value = op.tanh(x);
    for (let layer = 0; layer < 2; layer++) state = op.add(state, op.conv(state, kernel, undefined, { pads: [1, 1] }));
    const checks = await residualChecks(model({ inputs: [x], outputs: { y: op.sin(state) } }), open, feeds);
    expect(checks).toMatchObject([{ ok: true, statement: expect.stringMatching(/^not computed: /) as string }]);
  });

  it('takes float32 where there are no float64 kernels, as of convolutions', async () => {
    const x = input('x', 'float32', ['batch', 4, 6]);
    let state: Value = op.tanh(x);
    for (let layer = 0; layer < 2; layer++) {
      const kernel = parameter(`${layer}.k`, normal('float32', [4, 4, 3], 1 + layer, 0.3));
      state = op.add(state, op.tanh(op.conv(state, kernel, undefined, { pads: [1, 1] })));
    }
    const [, , step, order] = await residualChecks(model({ inputs: [x], outputs: { y: op.sin(state) } }), open, feeds);
    expect(step).toMatchObject({ ok: true, pathA: expect.stringContaining('float32') as string });
    expect(order).toMatchObject({ ok: true, statement: expect.stringMatching(/^order (0\.[7-9]|1\.[0-3])/) as string });
  });

  it('takes a single step of a layer that says what it is, and tells of kinks', async () => {
    const kinked = impostor('midpoint rule', (x, F, h) => {
      const G = (at: Value) => op.relu(F(at));
      return op.mul(G(op.add(x, op.mul(G(x), quarter()))), h);
    });
    expect((await orderOf(kinked)).map(({ ok }) => ok)).toEqual([true, true]);
  });
});
