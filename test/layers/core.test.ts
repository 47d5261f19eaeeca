import { join } from 'node:path';
import { activations } from '../../src/layers/units.ts';
import { judgedByTorch } from './judge.ts';

const spec = (features: (number | string)[], ...layers: object[]) => ({
  inputs: [{ name: 'x', shape: ['batch', ...features] }],
  layers,
});

const units = activations.filter((name) => !['identity', 'quick-gelu', 'softplus'].includes(name));

judgedByTorch('linear layers, units and log-sum-exp layers', join(import.meta.dirname, 'core.py'), [
  { name: 'linear', build: spec([5], { kind: 'linear' }, { kind: 'relu' }, { kind: 'linear', bias: false }) },
  { name: 'linear-3d', build: spec(['time', 5], { kind: 'linear' }, { kind: 'softplus', epsilon: 0.25 }) },
  { name: 'lse', build: spec([5], { kind: 'lse', name: '.', epsilon: 0.3 }) },
  { name: 'lse-bank', build: spec([5], { kind: 'lse', name: '.', epsilon: 0.7 }) },
  { name: 'tropical', build: spec([5], { kind: 'tropical', name: '.' }) },
  { name: 'tropical-unit', build: spec([5], { kind: 'tropical', name: '.' }) },
  { name: 'hopf-cole', build: spec([3], { kind: 'hopf-cole', name: '.', epsilon: 0.4, time: 1 }) },
  { name: 'hopf-cole-metric', build: spec([3], { kind: 'hopf-cole', name: '.', epsilon: 0.4, anisotropic: true }) },
  { name: 'hopf-lax', build: spec([3], { kind: 'hopf-cole', name: '.', epsilon: 0, time: 1 }) },
  { name: 'convex', build: spec([4], { kind: 'convex-network', hidden: [5, 3], atoms: 4, epsilon: 0.5 }) },
  {
    name: 'convex-clamp',
    build: spec([4], { kind: 'convex-network', hidden: [5], atoms: 4, epsilon: 0.5, positive: 'clamp' }),
  },
  { name: 'mlp', build: spec([6], { kind: 'mlp', sizes: [8, 8, 2], activation: 'gelu' }) },
  { name: 'lse-network', build: spec([3], { kind: 'lse-network', units: [4, 2], atoms: 5, epsilon: 0.5, head: 0.5 }) },
  ...units.map((name) => ({ name: `unit-${name}`, build: spec([5], { kind: 'linear' }, { kind: name }) })),
]);
