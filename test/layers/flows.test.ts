import { expect, it } from 'vitest';
import { fromNumbers, type Tensor, toNumbers } from '../../src/files/tensor.ts';
import { input } from '../../src/graph/make.ts';
import { leapfrog } from '../../src/layers/leapfrog.ts';
import { fresh } from '../../src/layers/module.ts';
import { buildNetwork, network } from '../../src/layers/network.ts';
import { parseSpec } from '../../src/layers/spec/spec.ts';
import { stateDictOf } from '../../src/layers/state-dict.ts';
import { ran } from './judge.ts';

const tanh = [{ kind: 'linear', name: 'f', out: 3 }, { kind: 'tanh' }];
const spec = (layers: object[], inputs = ['x'], more = {}) =>
  parseSpec({ inputs: inputs.map((name) => ({ name, shape: ['batch', 3] })), output: 'y', layers, ...more });
const tensor = (count: number, seed: number) =>
  fromNumbers(
    'float32',
    [count, 3],
    Array.from({ length: count * 3 }, (_, i) => Math.sin(seed + 1.3 * i)),
  );
const values = (tensor: Tensor | undefined) => (tensor === undefined ? [] : [...toNumbers(tensor)]);

it('repeats a residual step with the same weights, or with its own', async () => {
  const step = { kind: 'residual', name: 'b', step: 0.5, layers: tanh };
  const names = (layers: object[]) => [...stateDictOf(buildNetwork(spec(layers), 1).model).keys()];
  expect(names([{ ...step, repeat: 3 }])).toEqual(['b.f.weight', 'b.f.bias']);
  expect(names([{ ...step, repeat: 2, tied: false }])).toEqual([
    'b.0.f.weight',
    'b.0.f.bias',
    'b.1.f.weight',
    'b.1.f.bias',
  ]);
  const x = tensor(4, 1);
  const repeated = await ran(buildNetwork(spec([{ ...step, repeat: 3 }]), 1).model, new Map([['x', x]]));
  const once = buildNetwork(spec([step]), 1).model;
  let state = x;
  for (let i = 0; i < 3; i++) state = (await ran(once, new Map([['x', state]]))).get('y') ?? state;
  for (const [i, value] of values(repeated.get('y')).entries()) expect(value).toBeCloseTo(values(state)[i] ?? 0, 5);
});

it('adds noise of variance 2 eps h in training, and none at inference', async () => {
  const step = { kind: 'residual', name: 'b', step: 0.5, viscosity: 0.3, training: 'training', layers: tanh };
  const { model } = buildNetwork(spec([step]), 1);
  const plain = buildNetwork(spec([{ ...step, viscosity: undefined, training: undefined }]), 1).model;
  const x = tensor(4000, 2);
  const at = async (on: number) =>
    values(
      (
        await ran(
          model,
          new Map([
            ['x', x],
            ['training', fromNumbers('bool', [], [on])],
          ]),
        )
      ).get('y'),
    );
  const still = await at(0);
  expect(still).toEqual(values((await ran(plain, new Map([['x', x]]))).get('y')));
  const noise = (await at(1)).map((value, i) => value - (still[i] ?? 0));
  const mean = noise.reduce((a, b) => a + b, 0) / noise.length;
  const variance = noise.reduce((sum, value) => sum + (value - mean) ** 2, 0) / noise.length;
  expect(Math.abs(mean)).toBeLessThan(0.02);
  expect(Math.abs(variance / (2 * 0.3 * 0.5) - 1)).toBeLessThan(0.06);
});

it('leads back with the opposite step', async () => {
  const net = fresh({ seed: 4 });
  const [q, p] = [input('q', 'float32', ['batch', 3]), input('p', 'float32', ['batch', 3])];
  let state = { q, p };
  for (const step of [0.2, 0.2, -0.2, -0.2]) state = leapfrog(net.at('a'), state, { step, potential: (own) => own });
  const back = network(net, { inputs: [q, p], outputs: { y: state.q, z: state.p } }).model;
  const feeds = new Map([
    ['q', tensor(2, 1)],
    ['p', tensor(2, 5)],
  ]);
  const found = await ran(back, feeds);
  for (const [name, key] of [
    ['q', 'y'],
    ['p', 'z'],
  ] as const)
    for (const [i, value] of values(found.get(key)).entries())
      expect(value).toBeCloseTo(values(feeds.get(name))[i] ?? 0, 6);
});

it('keeps the energy of an oscillator, with an error that falls by four when the step is halved', async () => {
  const drift = async (step: number) => {
    const net = fresh();
    const [q, p] = [input('q', 'float32', ['batch', 3]), input('p', 'float32', ['batch', 3])];
    let state = { q, p };
    for (let time = 0; time < 4 - 1e-9; time += step) state = leapfrog(net, state, { step, potential: (own) => own });
    const { model } = network(net, { inputs: [q, p], outputs: { y: state.q, z: state.p } });
    const feeds = new Map([
      ['q', tensor(1, 1)],
      ['p', tensor(1, 5)],
    ]);
    const found = await ran(model, feeds);
    const energy = (a: Tensor | undefined, b: Tensor | undefined) =>
      [...values(a), ...values(b)].reduce((sum, value) => sum + value ** 2 / 2, 0);
    const start = energy(feeds.get('q'), feeds.get('p'));
    return Math.abs(energy(found.get('y'), found.get('z')) - start) / start;
  };
  const [coarse, fine] = [await drift(0.5), await drift(0.25)];
  expect(coarse).toBeLessThan(0.1);
  expect(coarse / fine).toBeGreaterThan(3);
});
