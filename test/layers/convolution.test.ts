import { join } from 'node:path';
import { judgedByTorch } from './judge.ts';

const spec = (shape: (number | string)[], ...layers: object[]) => ({
  inputs: [{ name: 'x', shape: ['batch', ...shape] }],
  layers,
});

const resnet = (shape: (number | string)[], options: object = {}) => ({
  inputs: [{ name: 'image', shape: ['batch', ...shape] }],
  layers: [{ kind: 'resnet', ...options }],
});

judgedByTorch('convolutions, pools and residual networks', join(import.meta.dirname, 'convolution.py'), [
  {
    name: 'conv2d',
    build: spec(
      [3, 'height', 'width'],
      { kind: 'conv2d', padding: 1 },
      { kind: 'relu' },
      { kind: 'max-pool', kernel: 2 },
    ),
  },
  { name: 'resnet', build: resnet([3, 16, 16]) },
  { name: 'resnet-imagenet', build: resnet([3, 'height', 'width']) },
  {
    name: 'resnext-dilated',
    build: resnet([3, 12, 12], { groups: 2, widthPerGroup: 32, replaceStrideWithDilation: [false, true] }),
  },
]);
