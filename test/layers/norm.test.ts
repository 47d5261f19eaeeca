import { join } from 'node:path';
import { expect, it } from 'vitest';
import { input } from '../../src/graph/make.ts';
import { trainBatchNorm } from '../../src/layers/batch-norm.ts';
import { fromCheckpoint } from '../../src/layers/module.ts';
import { buildNetwork, network } from '../../src/layers/network.ts';
import { parseSpec } from '../../src/layers/spec/spec.ts';
import { judgedByTorch } from './judge.ts';

const mk =
  (d: string) =>
  (shape: unknown[], ...layers: object[]) => ({
    inputs: [{ name: 'x', dtype: d, shape: ['batch', ...shape] }],
    layers,
  });
const s = mk('float32');
const r = (method: string) =>
  s([5], {
    kind: 'residual',
    name: '.',
    method,
    step: 0.3,
    layers: [{ kind: 'linear', name: 'f', out: 5 }, { kind: 'tanh' }],
  });
judgedByTorch('norms and residual steps', join(import.meta.dirname, 'norm.py'), [
  { name: 'ln', build: s(['t', 6], { kind: 'layer-norm' }) },
  { name: 'ln2', build: s([4, 6], { kind: 'layer-norm', shape: [4, 6] }) },
  { name: 'ln-nobias', build: s(['t', 6], { kind: 'layer-norm', bias: false }) },
  { name: 'rms', build: s(['t', 6], { kind: 'rms-norm' }) },
  { name: 'rms2', build: s([4, 6], { kind: 'rms-norm', shape: [4, 6], eps: 1e-3 }) },
  { name: 'gn', build: s([4, 'h', 'w'], { kind: 'group-norm', groups: 2 }) },
  { name: 'gn-plain', build: s([4, 5], { kind: 'group-norm', groups: 2, affine: false }) },
  { name: 'bn1', build: s([4], { kind: 'batch-norm' }) },
  { name: 'bn2', build: s([4, 5, 6], { kind: 'batch-norm', eps: 1e-3 }) },
  { name: 'bn3', build: s([4, 3, 2, 3], { kind: 'batch-norm' }) },
  { name: 'bn-batch', build: s([4, 5, 6], { kind: 'batch-norm', track: false }) },
  { name: 'in', build: s([4, 5, 6], { kind: 'instance-norm', affine: true }) },
  { name: 'in-plain', build: s([4, 5], { kind: 'instance-norm' }) },
  { name: 'in-track', build: s([4, 5, 6], { kind: 'instance-norm', affine: true, track: true }) },
  {
    name: 'bn-training',
    build: (tensors) => {
      const net = fromCheckpoint(tensors);
      const x = input('x', 'float32', ['batch', 4, 'height', 'width']);
      const made = trainBatchNorm(net.at('norm'), x, { momentum: 0.3 });
      const outputs = { output: made.output, mean: made.runningMean, var: made.runningVar };
      return network(net, { inputs: [x], outputs }).model;
    },
  },
  { name: 'euler', build: r('euler') },
  { name: 'midpoint', build: r('midpoint') },
  { name: 'rk4', build: r('rk4') },
]);

it('tells a branch once, however often a method evaluates it', () => {
  const { readings } = buildNetwork(parseSpec(r('rk4')), 1);
  expect(readings.map(({ kind }) => kind)).toEqual(['linear', 'activation', 'residual']);
});
