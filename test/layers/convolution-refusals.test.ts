import { describe, expect, it } from 'vitest';
import { HopfcoleError } from '../../src/files/error.ts';
import { fromNumbers, toNumbers } from '../../src/files/tensor.ts';
import { input } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import { adaptiveAveragePool, globalAveragePool } from '../../src/layers/adaptive-pooling.ts';
import { conv1d, conv2d } from '../../src/layers/convolution.ts';
import { flatten } from '../../src/layers/flatten.ts';
import { resnet } from '../../src/layers/models/resnet.ts';
import { fresh, fromCheckpoint } from '../../src/layers/module.ts';
import { buildNetwork, importNetwork } from '../../src/layers/network.ts';
import { averagePool, lsePool, maxPool } from '../../src/layers/pooling.ts';
import { parseSpec } from '../../src/layers/spec/spec.ts';
import { convTranspose2d } from '../../src/layers/transposed-convolution.ts';
import { upsample } from '../../src/layers/upsample.ts';
import { errorOf, ran } from './judge.ts';

function refusal(make: () => unknown): HopfcoleError {
  try {
    make();
  } catch (error) {
    if (error instanceof HopfcoleError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

const image = input('x', 'float32', ['batch', 4, 6, 7]);
const free = input('x', 'float32', ['batch', 4, 'height', 'width']);
const net = () => fresh().at('net');

describe('what does not fit', () => {
  it.each<[string, () => unknown, string, RegExp]>([
    [
      'another number of channels',
      () =>
        conv2d(fresh().at('b'), conv2d(fresh().at('a'), image, { out: 3, kernel: 1 }), { in: 4, out: 2, kernel: 1 }),
      'SHAPE_MISMATCH',
      /layer 'b' \(conv2d\) expects 4 channels on axis 1, but layer 'a' \(convolution\) gives \[batch, 3, 6, 7\]/,
    ],
    ['no image', () => conv1d(net(), image, { out: 3, kernel: 1 }), 'SHAPE_MISMATCH', /\[batch, channels, length\]/],
    ['no kernel', () => conv2d(net(), image, { out: 3 }), 'BAD_SPEC', /does not say "kernel"/],
    ['no outputs', () => conv2d(net(), image, { kernel: 3 }), 'BAD_SPEC', /does not say "out"/],
    [
      'a window beyond the image',
      () => conv2d(net(), image, { out: 3, kernel: 9 }),
      'SHAPE_MISMATCH',
      /at least 9 on axis 2/,
    ],
    [
      'groups that do not divide',
      () => conv2d(net(), image, { out: 3, kernel: 1, groups: 3 }),
      'BAD_ARGUMENT',
      /4 channels \("in"\) among 3/,
    ],
    [
      'no groups',
      () => conv2d(net(), image, { out: 3, kernel: 1, groups: 0 }),
      'BAD_ARGUMENT',
      /"groups" of at least 1, got 0/,
    ],
    [
      'sizes of three axes',
      () => conv2d(net(), image, { out: 3, kernel: [1, 2, 3] }),
      'BAD_ARGUMENT',
      /"kernel" of 2 .* got \[1,2,3\]/,
    ],
    [
      'a stride of 0',
      () => conv2d(net(), image, { out: 3, kernel: 1, stride: 0 }),
      'BAD_ARGUMENT',
      /"stride" of 2 .* at least 1, got 0/,
    ],
    [
      'same with strides',
      () => conv2d(net(), image, { out: 3, kernel: 3, stride: 2, padding: 'same' }),
      'BAD_ARGUMENT',
      /needs stride 1/,
    ],
    [
      'a reflection longer than the image',
      () => conv2d(net(), image, { out: 3, kernel: 3, padding: 6, paddingMode: 'reflect' }),
      'SHAPE_MISMATCH',
      /at least 7 on axis 2, which reflect padding needs/,
    ],
    [
      'an output padding of a whole stride',
      () => convTranspose2d(net(), image, { out: 3, kernel: 3, stride: 2, outputPadding: 2 }),
      'BAD_ARGUMENT',
      /"outputPadding" below its stride or dilation, 2, got 2/,
    ],
    [
      'a transposed convolution that leaves nothing',
      () => convTranspose2d(net(), image, { out: 3, kernel: 1, padding: 3 }),
      'SHAPE_MISMATCH',
      /padding leaves something/,
    ],
    [
      'pads beyond half a window',
      () => maxPool(net(), image, { kernel: 3, padding: 2 }),
      'BAD_ARGUMENT',
      /at most half a window of 3, got 2/,
    ],
    [
      'a pool of tokens',
      () => maxPool(net(), input('x', 'float32', ['batch', 4]), { kernel: 3 }),
      'SHAPE_MISMATCH',
      /\[batch, channels, \.\.\]/,
    ],
    [
      'a divisor of 0',
      () => averagePool(net(), image, { kernel: 3, divisorOverride: 0 }),
      'BAD_ARGUMENT',
      /"divisorOverride"/,
    ],
    [
      'ceilMode without sizes',
      () => lsePool(net(), free, { kernel: 3, ceilMode: true }),
      'SHAPE_MISMATCH',
      /needs the height and width/,
    ],
    ['a temperature of 0', () => lsePool(net(), image, { kernel: 3, epsilon: 0 }), 'BAD_EPSILON', /epsilon > 0/],
    [
      'windows of unknown sizes',
      () => adaptiveAveragePool(net(), free, { output: 2 }),
      'SHAPE_MISMATCH',
      /the size of axis 2/,
    ],
    ['an output of 0', () => adaptiveAveragePool(net(), image, { output: [0, 1] }), 'BAD_ARGUMENT', /got \[0,1\]/],
    [
      'a global pool of tokens',
      () => globalAveragePool(net(), input('x', 'float32', ['b', 4])),
      'SHAPE_MISMATCH',
      /\[batch, channels/,
    ],
    [
      'axes there are not',
      () => flatten(net(), image, { end: 4 }),
      'BAD_ARGUMENT',
      /an axis of an input of 4 axes, got 4/,
    ],
    ['axes turned round', () => flatten(net(), image, { start: 3, end: 1 }), 'BAD_ARGUMENT', /"start" before "end"/],
    ['size and scale', () => upsample(net(), image, { size: 8, scale: 2 }), 'BAD_SPEC', /one of "size" and "scale"/],
    ['a scale of 0', () => upsample(net(), image, { scale: [0, 1] }), 'BAD_ARGUMENT', /2 numbers above 0, got \[0,1\]/],
    ['a mode of other axes', () => upsample(net(), image, { scale: 2, mode: 'linear' }), 'SHAPE_MISMATCH', /1 more/],
    [
      'a ResNet of groups in basic blocks',
      () => resnet(net(), image, { layers: [1], groups: 2 }),
      'BAD_SPEC',
      /basic blocks have no groups/,
    ],
    ['a ResNet without layers', () => resnet(net(), image), 'BAD_SPEC', /does not say "layers"/],
  ])('%s', (_, make, code, message) => {
    const error = refusal(make);
    expect(error.message).toMatch(message);
    expect(error.code).toBe(code);
  });

  it('tells which parameters of a ResNet are missing and which are left over', () => {
    const spec = {
      inputs: [{ name: 'x', shape: ['batch', 3, 8, 8] }],
      layers: [{ kind: 'resnet', layers: [1], width: 4 }],
    };
    const weights = new Map([
      ['conv1.weight', fromNumbers('float32', [4, 3, 3, 3], Array(108).fill(1))],
      ['conv2.weight', fromNumbers('float32', [1], [1])],
    ]);
    const error = refusal(() => importNetwork(parseSpec(spec), weights));
    expect(error.code).toBe('MISSING_PARAMETERS');
    expect(error.message).toContain('layer1.0.bn2.running_var');
  });
});

describe('a fresh ResNet', () => {
  const spec = (more: object = {}) =>
    parseSpec({
      inputs: [{ name: 'image', shape: ['batch', 3, 'height', 'width'] }],
      outputs: { features: 'features', stage: 'layer2' },
      layers: [{ kind: 'resnet', layers: [1, 1], width: 4, classes: 3, ...more }],
    });
  const feeds = (batch: number, dtype: 'float32' | 'float16' = 'float32', side = 20) =>
    new Map([
      [
        'image',
        fromNumbers(
          dtype,
          [batch, 3, side, side],
          Array.from({ length: batch * 3 * side * side }, (_, i) => Math.sin(12.9898 * (i + 1))),
        ),
      ],
    ]);

  it('gives scores, features and stages for any batch and size', async () => {
    for (const [batch, side] of [
      [2, 20],
      [1, 33],
    ] as const) {
      const outputs = await ran(buildNetwork(spec(), 1).model, feeds(batch, 'float32', side));
      expect(outputs.get('output')?.shape).toEqual([batch, 3]);
      expect(outputs.get('features')?.shape).toEqual([batch, 8]);
      const quarter = Math.ceil(Math.ceil(Math.ceil(side / 2) / 2) / 2);
      expect(outputs.get('stage')?.shape).toEqual([batch, 8, quarter, quarter]);
    }
  });

  it('takes an empty batch', async () => {
    // Of widths that its blocks of channels do not divide, ONNX Runtime's CPU refuses one.
    const { model: made } = buildNetwork(spec({ width: 16 }), 1);
    expect((await ran(made, feeds(0))).get('output')?.shape).toEqual([0, 3]);
  });

  it('reads each block as a forward Euler step', () => {
    const { readings } = buildNetwork(spec(), 1);
    const steps = readings.filter(({ kind }) => kind === 'residual');
    expect(steps.map(({ name, status }) => [name, status])).toEqual([
      ['layer1.0', 'structural'],
      ['layer2.0', 'structural'],
    ]);
    expect(steps[0]?.equation).toContain('x_(l+1) = x_l + 1 F(x_l)');
    expect(steps[1]?.equation).toContain('S x_l');
    expect(readings.find(({ name }) => name === 'maxpool')).toMatchObject({
      kind: 'max',
      status: 'exact',
      viscosity: 0,
    });
  });

  it('starts as the identity where its last norms are 0', async () => {
    const root = fresh({ seed: 2 });
    const x = input('image', 'float32', ['batch', 3, 'height', 'width']);
    const { stages } = resnet(root, x, { layers: [2], width: 4, stem: 'cifar', zeroInitResidual: true });
    const stem = stages[0];
    if (stem === undefined) throw new Error('no stage');
    const outputs = await ran(model({ inputs: [x], outputs: { stem } }), feeds(1));
    const own = fresh({ seed: 2 });
    const first = resnet(own, x, { layers: [1], width: 4, stem: 'cifar', zeroInitResidual: true }).stages[0];
    if (first === undefined) throw new Error('no stage');
    const shorter = await ran(model({ inputs: [x], outputs: { stem: first } }), feeds(1));
    expect(toNumbers(outputs.get('stem') as never)).toEqual(toNumbers(shorter.get('stem') as never));
  });

  it('computes in float16', async () => {
    const made = (dtype: 'float32' | 'float16') => {
      const root = fresh({ seed: 3, dtype });
      const x = input('image', dtype, ['batch', 3, 'height', 'width']);
      const y = resnet(root, x, { layers: [1, 1], width: 4, classes: 3 }).output;
      const pooled = lsePool(root.at('pool'), averagePool(root.at('mean'), x, { kernel: 3, stride: 2 }), { kernel: 2 });
      return model({ inputs: [x], outputs: { y, pooled } });
    };
    const half = await ran(made('float16'), feeds(1, 'float16'));
    const full = await ran(made('float32'), feeds(1));
    for (const name of ['y', 'pooled']) {
      expect(half.get(name)?.dtype).toBe('float16');
      expect(errorOf(half.get(name), full.get(name) as never)).toBeLessThan(0.01);
    }
  });
});

describe('log-sum-exp pooling', () => {
  it('lies between max pooling and max pooling + eps log n, and reads as an exact solution', async () => {
    const root = fromCheckpoint(new Map());
    const x = input('x', 'float32', ['batch', 4, 6, 7]);
    const [cold, warm] = [1e-6, 0.5].map((epsilon) => lsePool(root.at(`e${epsilon}`), x, { kernel: 3, epsilon }));
    const max = maxPool(root.at('max'), x, { kernel: 3 });
    const made = model({ inputs: [x], outputs: { cold: cold as never, warm: warm as never, max } });
    const fed = fromNumbers(
      'float32',
      [1, 4, 6, 7],
      Array.from({ length: 168 }, (_, i) => Math.sin(78.233 * (i + 1))),
    );
    const outputs = await ran(made, new Map([['x', fed]]));
    const [top, low, high] = ['max', 'cold', 'warm'].map((name) => toNumbers(outputs.get(name) as never));
    for (const [i, value] of (top as Float64Array).entries()) {
      expect(low?.[i]).toBeCloseTo(value, 4);
      expect(high?.[i]).toBeGreaterThan(value);
      expect(high?.[i]).toBeLessThanOrEqual(value + 0.5 * Math.log(9) + 1e-6);
    }
    expect(root.finish().readings.map(({ kind, status, viscosity }) => [kind, status, viscosity])).toEqual([
      ['lse', 'exact', 1e-6],
      ['lse', 'exact', 0.5],
      ['max', 'exact', 0],
    ]);
  });
});
