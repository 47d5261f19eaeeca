import { join } from 'node:path';
import { judgedByTorch } from './judge.ts';

const spec = (shape: (number | string)[], layers: object[], more: object = {}) => ({
  inputs: [{ name: 'x', shape: ['batch', ...shape] }],
  layers,
  ...more,
});
const head = { kind: 'linear', name: 'head' };

judgedByTorch('networks of a newcomer', join(import.meta.dirname, 'newcomer-core.py'), [
  {
    name: 'branches',
    build: {
      inputs: [
        { name: 'x', shape: ['batch', 5] },
        { name: 'y', shape: ['batch', 1] },
      ],
      layers: [
        { kind: 'linear', name: 'left' },
        { kind: 'relu', name: 'on' },
        { kind: 'linear', name: 'right', from: 'x' },
        { kind: 'tanh', name: 'bent' },
        { kind: 'concat', name: 'both', from: ['on', 'bent', 'y'] },
        { kind: 'linear', name: 'join' },
      ],
      outputs: { side: 'right' },
    },
  },
  {
    name: 'shared',
    build: spec([4], [{ kind: 'linear', name: 'body' }, { kind: 'relu' }, { kind: 'linear', name: 'body' }]),
  },
  {
    name: 'skip',
    build: spec(
      [3],
      [
        { kind: 'linear', name: 'a' },
        { kind: 'silu', name: 's' },
        { kind: 'linear', name: 'b', bias: false },
        { kind: 'add', name: 'sum', from: ['x', 'a', 'b'] },
      ],
    ),
  },
  {
    name: 'lse-classifier',
    build: spec(
      [7],
      [
        { kind: 'linear', name: 'fc1' },
        { kind: 'selu' },
        { kind: 'lse', weight: 'W', bias: 'c', epsilon: { parameter: 'log_eps', transform: 'exp' } },
        { kind: 'softmax', epsilon: 0.7 },
      ],
    ),
  },
  {
    name: 'wrapped',
    build: spec([3], [{ kind: 'linear' }, { kind: 'softplus' }, { kind: 'linear' }]),
    without: ['module.module.0.weight', 'module.module.0.bias', 'module.module.2.weight', 'module.module.2.bias'],
  },
  {
    name: 'rnn-relu-deep',
    build: spec(['time', 3], [{ kind: 'rnn', name: 'rnn', hidden: 1, nonlinearity: 'relu' }, head]),
  },
  { name: 'gru-two-ways', build: spec(['time', 1], [{ kind: 'gru', name: 'rnn', bias: false }, head]) },
  { name: 'lstm-projected', build: spec(['time', 4], [{ kind: 'lstm', name: 'rnn' }, head]) },
  { name: 'lstm-one-step', build: spec(['time', 4], [{ kind: 'lstm', name: 'rnn', form: 'scan' }, head]) },
  {
    name: 'lstm-time-first',
    build: {
      inputs: [{ name: 'x', shape: ['time', 'batch', 4] }],
      layers: [{ kind: 'lstm', name: 'rnn', batchFirst: false }, head],
    },
  },
  { name: 'prelu-per-channel', build: spec([4], [{ kind: 'linear' }, { kind: 'prelu' }, { kind: 'linear' }]) },
  {
    name: 'deep-mlp',
    build: spec(
      [8],
      [
        { kind: 'linear' },
        { kind: 'elu', alpha: 0.7 },
        ...Array.from({ length: 6 }, () => [{ kind: 'linear' }, { kind: 'mish' }]).flat(),
      ],
    ),
  },
]);
