import { join } from 'node:path';
import type { Tensor } from '../../src/files/tensor.ts';
import type { Model } from '../../src/graph/graph.ts';
import { input } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import type { Shape } from '../../src/graph/type.ts';
import type { Value } from '../../src/graph/value.ts';
import { fromCheckpoint, type Module } from '../../src/layers/module.ts';
import { layerKinds } from '../../src/layers/spec/kinds.ts';
import { type JudgedCase, judgedByTorch } from './judge.ts';

type Sized = (number | string)[];
type Layer = { readonly kind: string; readonly [option: string]: unknown };

const spec = (shape: Sized, ...layers: Layer[]) => ({ inputs: [{ name: 'x', shape: ['batch', ...shape] }], layers });

const resnet = (shape: Sized, options: object = {}) => ({
  inputs: [{ name: 'image', shape: ['batch', ...shape] }],
  layers: [{ kind: 'resnet', ...options }],
});

/** The layer in float64 between float32 inputs and weights and float64 outputs. */
function wide(name: string, shape: Shape, { kind, ...options }: Layer) {
  return (tensors: ReadonlyMap<string, Tensor>): Model => {
    const root = fromCheckpoint(tensors, { dtype: 'float64' });
    const x = input(name, 'float32', shape);
    const own = layerKinds.get(kind);
    const place = {
      module: root,
      input: op.cast(x, { to: 'float64' }),
      options: own?.schema.parse({ kind, ...options }),
      expose: () => undefined,
    } as unknown as { module: Module };
    const output = own?.build(place as never) as Value;
    root.finish();
    return model({ inputs: [x], outputs: { output } });
  };
}

/** One layer in float32, and in float64, which most of ONNX Runtime's kernels for images do not know. */
function both(name: string, shape: Sized, layer: Layer): readonly JudgedCase[] {
  return [
    { name, build: spec(shape, { ...layer, name: '.' }) },
    {
      name: `${name}-float64`,
      build: wide('x', ['batch', ...shape], layer),
      tolerance: 1e-12,
      costateTolerance: 1e-6,
    },
  ];
}

const pooled = { kernel: 3, stride: 2, padding: 1 };
const uneven = { kernel: [2, 3], stride: [3, 2], padding: [0, 1], ceilMode: true };

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
  {
    name: 'resnet-float64',
    build: wide('image', ['batch', 3, 16, 16], { kind: 'resnet' }),
    tolerance: 1e-12,
    costateTolerance: 1e-6,
  },
  { name: 'resnet-imagenet', build: resnet([3, 'height', 'width']) },
  {
    name: 'resnext-dilated',
    build: resnet([3, 12, 12], { groups: 2, widthPerGroup: 32, replaceStrideWithDilation: [false, true] }),
  },
  ...both('conv1d', [4, 'length'], { kind: 'conv1d', stride: 2, padding: 2, dilation: 2, groups: 2 }),
  ...both('conv1d-same', [3, 'length'], { kind: 'conv1d', padding: 'same', dilation: 2, bias: false }),
  ...both('conv2d-valid', [3, 6, 7], { kind: 'conv2d', kernel: [2, 3], stride: [2, 1], padding: 'valid' }),
  ...both('conv2d-depthwise', [4, 'h', 'w'], { kind: 'conv2d', padding: [1, 2], dilation: [1, 2], groups: 4 }),
  ...both('conv2d-reflect', [2, 6, 7], { kind: 'conv2d', stride: 2, padding: [2, 1], paddingMode: 'reflect' }),
  ...both('conv2d-replicate', [2, 'h', 'w'], { kind: 'conv2d', padding: [2, 1], paddingMode: 'replicate' }),
  ...both('conv2d-circular', [2, 6, 7], { kind: 'conv2d', padding: 'same', paddingMode: 'circular' }),
  ...both('conv3d', [2, 4, 5, 3], { kind: 'conv3d', stride: [1, 2, 1], padding: [1, 0, 1], groups: 2 }),
  ...both('conv-transpose1d', [4, 'length'], {
    kind: 'conv-transpose1d',
    stride: 2,
    padding: 1,
    outputPadding: 1,
    groups: 2,
  }),
  ...both('conv-transpose2d', [3, 'h', 'w'], {
    kind: 'conv-transpose2d',
    stride: [2, 3],
    padding: [1, 0],
    outputPadding: [1, 2],
    dilation: [2, 1],
  }),
  ...both('conv-transpose3d', [2, 3, 3, 2], { kind: 'conv-transpose3d', stride: [1, 2, 2], padding: 1, bias: false }),
  ...both('max-pool-1d', [3, 'length'], { kind: 'max-pool', ...pooled, dilation: 2 }),
  ...both('max-pool-3d', [2, 4, 3, 5], { kind: 'max-pool', kernel: [2, 1, 2] }),
  ...both('max-pool-ceil', [2, 6, 8], { kind: 'max-pool', ...uneven }),
  ...both('avg-pool', [2, 'h', 'w'], { kind: 'avg-pool', ...pooled }),
  ...both('avg-pool-exclude', [2, 'h', 'w'], { kind: 'avg-pool', ...pooled, kernel: [3, 2], countIncludePad: false }),
  ...both('avg-pool-ceil', [2, 6, 8], { kind: 'avg-pool', ...uneven }),
  ...both('avg-pool-ceil-exclude', [2, 6, 8], { kind: 'avg-pool', ...pooled, ceilMode: true, countIncludePad: false }),
  ...both('avg-pool-divisor', [2, 6, 8], { kind: 'avg-pool', ...pooled, ceilMode: true, divisorOverride: 5 }),
  ...both('avg-pool-1d', [2, 10], { kind: 'avg-pool', kernel: 3 }),
  ...both('adaptive-avg-pool', [2, 6, 9], { kind: 'adaptive-avg-pool', output: [2, 3] }),
  ...both('adaptive-avg-pool-uneven', [2, 7, 'w'], { kind: 'adaptive-avg-pool', output: [3, null] }),
  ...both('adaptive-avg-pool-3d', [2, 5, 'h', 6], { kind: 'adaptive-avg-pool', output: [2, 1, 4] }),
  ...both('adaptive-max-pool', [2, 7, 8], { kind: 'adaptive-max-pool', output: [3, 4] }),
  ...both('global-avg-pool', [3, 'h', 'w'], { kind: 'global-avg-pool' }),
  ...both('global-max-pool', [3, 'length'], { kind: 'global-max-pool', flatten: false }),
  ...both('flatten', [3, 4, 5], { kind: 'flatten' }),
  ...both('flatten-middle', [3, 'h', 5], { kind: 'flatten', end: 2 }),
  ...both('lse-pool', [3, 'h', 'w'], { kind: 'lse-pool', ...pooled, epsilon: 0.25 }),
  { name: 'lse-pool-cold', build: spec([3, 7, 6], { kind: 'lse-pool', ...pooled, epsilon: 1e-6, ceilMode: false }) },
  ...(
    [
      ['nearest', [3, 'h', 'w'], { scale: 2 }],
      ['size', [3, 'h', 'w'], { size: [7, 3] }],
      ['linear', [3, 6], { scale: 1.5, mode: 'linear' }],
      ['bilinear', [3, 4, 5], { size: [7, 12], mode: 'bilinear' }],
      ['aligned', [3, 4, 5], { scale: [2, 3], mode: 'bilinear', alignCorners: true }],
      ['trilinear', [2, 3, 4, 2], { scale: 2, mode: 'trilinear' }],
      ['bicubic', [2, 4, 5], { scale: 2, mode: 'bicubic' }],
    ] as const
  ).map(([name, shape, options]) => ({
    name: `upsample-${name}`,
    build: spec([...shape], { kind: 'upsample', ...options }),
  })),
]);
