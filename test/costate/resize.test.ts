import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { costate } from '../../src/costate/costate.ts';
import { constant, input } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import type { Dim } from '../../src/graph/type.ts';
import type { Value } from '../../src/graph/value.ts';
import { type Case, judged, whole } from './judge.ts';

type Attributes = NonNullable<Parameters<typeof op.resize>[4]>;

interface Given {
  readonly scales?: readonly number[];
  readonly sizes?: readonly number[];
  readonly roi?: readonly number[];
}

/** Resize of x, squared: its rule is met again in the second order. */
function resized(
  name: string,
  shape: readonly number[],
  given: Given,
  attributes: Attributes,
  more: Partial<Case> = {},
): Case {
  return {
    name,
    inputs: { x: shape },
    build: ({ x }) => {
      const y = op.resize(
        x as Value,
        given.roi && constant(given.roi, 'float32'),
        given.scales && constant(given.scales, 'float32'),
        given.sizes && constant(given.sizes, 'int64'),
        attributes,
      );
      return op.mul(y, y);
    },
    engines: ['reference'],
    ...more,
  };
}

const torch = (call: string): Partial<Case> => ({ torch: `F.interpolate(x, ${call}) ** 2` });

judged('co-states of Resize as PyTorch has it', [
  resized(
    'nearest, twice',
    [2, 3, 4, 5],
    { scales: [1, 1, 2, 2] },
    { mode: 'nearest', coordinateTransformationMode: 'asymmetric', nearestMode: 'floor' },
    torch('scale_factor=2'),
  ),
  resized('nearest, three times, 1-D', [2, 3, 4], { scales: [1, 1, 3] }, { mode: 'nearest' }, torch('scale_factor=3')),
  resized(
    'nearest, 3-D by whole numbers',
    [1, 2, 3, 2, 2],
    { scales: [1, 1, 1, 3, 2] },
    { mode: 'nearest', coordinateTransformationMode: 'half_pixel' },
    torch('scale_factor=(1, 3, 2)'),
  ),
  resized(
    'nearest, odd sizes',
    [2, 2, 4, 5],
    { sizes: [2, 2, 7, 3] },
    { mode: 'nearest', coordinateTransformationMode: 'asymmetric', nearestMode: 'floor' },
    torch('(7, 3)'),
  ),
  resized(
    'nearest of batch and channels',
    [2, 2, 3],
    { scales: [2, 3, 1] },
    { mode: 'nearest', coordinateTransformationMode: 'asymmetric', nearestMode: 'floor' },
    { torch: '(x * x).repeat_interleave(2, 0).repeat_interleave(3, 1)' },
  ),
  resized(
    'linear, twice',
    [2, 3, 3, 4],
    { scales: [1, 1, 2, 2] },
    { mode: 'linear' },
    torch("scale_factor=2, mode='bilinear'"),
  ),
  resized(
    'linear, twice along one axis',
    [1, 2, 3, 4],
    { scales: [1, 1, 1, 2] },
    { mode: 'linear', coordinateTransformationMode: 'pytorch_half_pixel' },
    torch("size=(3, 8), mode='bilinear'"),
  ),
  resized(
    'linear, twice, 1-D',
    [2, 3, 5],
    { scales: [1, 1, 2] },
    { mode: 'linear' },
    torch("scale_factor=2, mode='linear'"),
  ),
  resized(
    'linear, twice, 3-D',
    [1, 2, 2, 3, 2],
    { scales: [1, 1, 2, 2, 2] },
    { mode: 'linear' },
    torch("scale_factor=2, mode='trilinear'"),
  ),
  resized(
    'linear, twice, one element',
    [1, 2, 1, 1],
    { scales: [1, 1, 2, 2] },
    { mode: 'linear' },
    torch("scale_factor=2, mode='bilinear'"),
  ),
  resized(
    'linear, corners aligned',
    [2, 2, 3, 4],
    { sizes: [2, 2, 7, 5] },
    { mode: 'linear', coordinateTransformationMode: 'align_corners' },
    torch("(7, 5), mode='bilinear', align_corners=True"),
  ),
  resized(
    'linear, smaller',
    [2, 2, 7, 8],
    { sizes: [2, 2, 3, 5] },
    { mode: 'linear', coordinateTransformationMode: 'pytorch_half_pixel' },
    torch("(3, 5), mode='bilinear'"),
  ),
  resized(
    'linear, antialias',
    [1, 2, 7, 8],
    { sizes: [1, 2, 3, 5] },
    { mode: 'linear', antialias: 1, excludeOutside: 1 },
    {
      ...torch("(3, 5), mode='bilinear', antialias=True"),
      // The reference evaluator's antialias takes the border otherwise than PyTorch and ONNX Runtime.
      engines: ['ort'],
    },
  ),
  resized(
    'cubic',
    [1, 2, 4, 5],
    { scales: [1, 1, 2, 1.5] },
    { mode: 'cubic' },
    {
      ...torch("scale_factor=(2, 1.5), mode='bicubic'"),
      // The matrix is made by the reference evaluator's Resize, whose coefficients are float32.
      tolerance: { torch: 1e-6 },
    },
  ),
  resized(
    'cubic, corners aligned',
    [1, 2, 4, 5],
    { sizes: [1, 2, 7, 3] },
    { mode: 'cubic', coordinateTransformationMode: 'align_corners' },
    torch("(7, 3), mode='bicubic', align_corners=True"),
  ),
  resized('nothing to do', [1, 2, 3, 4], { scales: [1, 1, 1, 1] }, { mode: 'linear' }, { torch: 'x * x' }),
]);

const modes = ['nearest', 'linear', 'cubic'] as const;
const coordinates = [
  'half_pixel',
  'half_pixel_symmetric',
  'pytorch_half_pixel',
  'align_corners',
  'asymmetric',
  'tf_crop_and_resize',
] as const;

/** A scale whose product with the size float32 and float64 round to the same size. */
function scaleOf(from: number, to: number): number {
  const scale = to / from;
  return Math.fround(scale) === scale ? scale : (to + 0.4) / from;
}

/** Attributes and sizes as they come; of what the reference evaluator and ONNX Runtime agree on. */
const drawn = fc
  .record({
    mode: fc.constantFrom(...modes),
    coordinate: fc.constantFrom(...coordinates),
    nearest: fc.constantFrom('floor', 'ceil', 'round_prefer_floor', 'round_prefer_ceil'),
    antialias: fc.boolean(),
    excludes: fc.boolean(),
    a: fc.constantFrom(-0.75, -0.5),
    from: fc.tuple(fc.integer({ min: 2, max: 6 }), fc.integer({ min: 2, max: 6 })),
    to: fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 2, max: 9 })),
    axes: fc.boolean(),
    bySizes: fc.boolean(),
  })
  .map(({ mode, coordinate, nearest, antialias, excludes, a, from, to, axes, bySizes }): Case => {
    const crops = coordinate === 'tf_crop_and_resize';
    const smooth = antialias && mode !== 'nearest' && !crops && coordinate !== 'align_corners';
    const attributes: Attributes = {
      mode,
      coordinateTransformationMode: coordinate,
      ...(mode === 'nearest' ? { nearestMode: nearest } : {}),
      ...(smooth ? { antialias: 1 } : {}),
      ...(mode === 'cubic' && excludes && !crops ? { excludeOutside: 1 } : {}),
      ...(mode === 'cubic' ? { cubicCoeffA: a } : {}),
      ...(axes ? { axes: [2, 3] } : {}),
      ...(crops ? { extrapolationValue: 2 } : {}),
    };
    const whole = axes ? [] : [1, 1];
    // Of a size that is a fraction the reference evaluator takes the corners to be elsewhere.
    // ONNX Runtime's nearest neighbour overlooks roi on an axis whose size stays.
    const target = to.map((size, index) => (crops && size === from[index] ? size + 1 : size));
    const given: Given = {
      ...(bySizes || crops || coordinate === 'align_corners'
        ? { sizes: axes ? target : [1, 2, ...target] }
        : { scales: [...whole, ...target.map((size, index) => scaleOf(from[index] ?? 1, size))] }),
      ...(crops ? { roi: axes ? [0.1, -0.2, 0.8, 1.1] : [0, 0, 0.1, -0.2, 1, 1, 0.8, 1.1] } : {}),
    };
    const name = `${JSON.stringify(attributes)} ${from.join('x')} ${JSON.stringify(given)}`;
    return resized(name, [1, 2, ...from], given, attributes, { tolerance: { torch: 1e-6 } });
  });

judged('co-states of Resize with drawn attributes', [...fc.sample(drawn, { numRuns: 40, seed: 4 })]);

judged('co-states of Resize by the way its sizes are given', [
  ...(['not_larger', 'not_smaller'] as const).flatMap((keepAspectRatioPolicy) =>
    modes.map((mode) =>
      resized(
        `${keepAspectRatioPolicy}, ${mode}`,
        [1, 2, 4, 5],
        { sizes: [7, 8] },
        { mode, keepAspectRatioPolicy, axes: [2, 3] },
        { static: true, tolerance: { torch: 1e-6 } },
      ),
    ),
  ),
  {
    ...resized('negative axes', [1, 2, 4, 5], { sizes: [7, 8] }, { mode: 'linear', axes: [-1, -2] }),
    // The reference evaluator takes no negative axes.
    engines: ['ort'],
    torch: "F.interpolate(x, (8, 7), mode='bilinear') ** 2",
  },
  {
    name: 'scales at run time',
    inputs: { x: [1, 2, 4, 5], scales: whole('float32', [4], [1, 1, 1.5, 2]) },
    build: ({ x, scales }) =>
      op.resize(op.mul(x as Value, x as Value), undefined, scales, undefined, { mode: 'linear' }),
    engines: ['reference'],
    tolerance: { torch: 1e-6 },
    static: ['scales'],
  },
  {
    name: 'sizes of another tensor',
    inputs: { x: [2, 3, 4, 5], like: whole('int64', [2, 3, 7, 3], new Array(126).fill(0)) },
    build: ({ x, like }) =>
      op.resize(op.mul(x as Value, x as Value), undefined, undefined, op.shape(like as Value), { mode: 'linear' }),
    engines: ['reference'],
    torch: "F.interpolate(x * x, (7, 3), mode='bilinear')",
    // Made at run time by the reference evaluator, in float32.
    tolerance: { torch: 1e-6 },
  },
]);

describe('the graph of a co-state of Resize', () => {
  const operators = (shape: readonly Dim[], scales: readonly number[], attributes: Attributes): readonly string[] => {
    const x = input('x', 'float32', shape);
    const y = op.resize(x, undefined, constant(scales, 'float32'), undefined, attributes);
    const made = costate(model({ inputs: [x], outputs: { y } }), { seed: 'input' }).model;
    return made.graph.nodes.map(({ opType }) => opType).filter((opType) => opType !== 'Resize');
  };

  it('is one convolution where elements are repeated', () => {
    expect(operators(['n', 8, 'h', 'w'], [1, 1, 2, 3], { mode: 'nearest' })).toEqual(['Conv']);
    expect(operators(['n', 'c', 'h', 'w'], [1, 1, 2, 3], { mode: 'nearest' })).toEqual(['AveragePool', 'Mul']);
  });

  it('is a convolution of the continued co-state for linear interpolation to twice the size', () => {
    expect(operators(['n', 8, 'h', 'w'], [1, 1, 2, 2], { mode: 'linear' })).toEqual(['Pad', 'Conv']);
  });

  it('is a product with a constant per axis where sizes are known', () => {
    expect(operators([1, 8, 4, 4], [1, 1, 3, 3], { mode: 'cubic' })).toEqual(['MatMul', 'MatMul']);
    expect(operators([1, 8, 4, 4], [1, 1, 1, 3], { mode: 'linear' })).toEqual(['MatMul']);
  });
});
