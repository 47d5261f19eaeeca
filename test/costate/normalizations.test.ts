import fc from 'fast-check';
import { fromNumbers } from '../../src/files/tensor.ts';
import { rmsNormalization } from '../../src/graph/generated/opset23.ts';
import { makeNode } from '../../src/graph/make.ts';
import * as op from '../../src/graph/op.ts';
import { lrn } from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { type Case, judged, positive, type Values } from './judge.ts';

function get(v: Values, name: string): Value {
  const value = v[name];
  if (value === undefined) throw new Error(`no ${name}`);
  return value;
}

const all = (v: Values, ...names: string[]): Value[] => names.map((name) => get(v, name));

/** Batch normalisation of a shape; PyTorch's own in inference, by its definition in training (ONNX's variance is the population's). */
function batch(shape: readonly number[], training: boolean): Case {
  const channels = shape.length < 2 ? 1 : (shape[1] ?? 1);
  const c = [channels];
  const view = `(${shape.map((_, axis) => (axis === 1 ? -1 : 1)).join(',')})`;
  return {
    name: `BatchNormalization of [${shape}]${training ? ' in training' : ''}`,
    inputs: { x: shape, scale: c, b: c, mean: c, variance: positive(c, 9) },
    build: (v) => {
      const [x, scale, b, mean, variance] = all(v, 'x', 'scale', 'b', 'mean', 'variance') as [
        Value,
        Value,
        Value,
        Value,
        Value,
      ];
      const made = op.batchNormalization(x, scale, b, mean, variance, {
        epsilon: 0.01,
        ...(training ? { momentum: 0.7, trainingMode: 1 } : {}),
      });
      return training ? made : made[0];
    },
    torch: training
      ? `
axes = [a for a in range(x.dim()) if a != 1]
m, v = x.mean(axes), x.var(axes, unbiased=False)
y = (x - m.view${view}) / (v.view${view} + 0.01).sqrt() * scale.view${view} + b.view${view}
return y, mean * 0.7 + m * 0.3, variance * 0.7 + v * 0.3`
      : `(x - mean.view${view}) / (variance.view${view} + 0.01).sqrt() * scale.view${view} + b.view${view}`,
    ...(training ? { float32: false as const, engines: ['reference'] as const } : {}),
  };
}

const shapes = fc.sample(fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 2, maxLength: 5 }), {
  numRuns: 4,
  seed: 11,
});

/** Normalised along the last axes, Scale and B of any shape that broadcasts to them. */
function layer(
  shape: readonly number[],
  axis: number,
  scale: readonly number[],
  { bias = true, statistics = false, epsilon = 1e-5 } = {},
): Case {
  const axes = `tuple(range(${axis} % x.dim(), x.dim()))`;
  return {
    name: `LayerNormalization of [${shape}] from ${axis}, Scale [${scale}]${bias ? '' : ', no B'}${statistics ? ', statistics used' : ''}`,
    inputs: { x: shape, scale, ...(bias ? { b: scale } : {}) },
    build: (v, dtype) => {
      const [y, mean, inverse] = op.layerNormalization(get(v, 'x'), get(v, 'scale'), v.b, { axis, epsilon });
      if (!statistics) return y;
      return [y, op.cast(mean, { to: dtype }), op.cast(inverse, { to: dtype })];
    },
    torch: `
m = x.mean(${axes}, keepdim=True)
r = (x.var(${axes}, unbiased=False, keepdim=True) + ${epsilon}).rsqrt()
y = (x - m) * r * scale${bias ? ' + b' : ''}
return (y, m, r) if ${statistics ? 'True' : 'False'} else y`,
    // In a float64 network Mean and InvStdDev are float32 all the same.
    ...(statistics
      ? {
          tolerance: { torch: 1e-5, differences: 1e-2, second: 1e-2 },
          step: 1e-3,
          engines: ['ort'] as const,
        }
      : {}),
  };
}

judged('co-states of batch normalisation', [
  batch([4, 3], false),
  batch([2, 3, 4], false),
  batch([2, 3, 2, 2], false),
  batch([2, 2, 2, 1, 2], false),
  batch([4, 3], true),
  batch([3, 2, 4], true),
  batch([2, 3, 2, 2], true),
  ...shapes.map((shape) => batch(shape, false)),
]);

judged('co-states of normalisations along the last axes', [
  layer([3, 4], -1, [4]),
  layer([2, 3, 4], 1, [3, 4]),
  layer([2, 3, 4], -2, [4]),
  layer([2, 3, 4], -1, [1], { bias: false }),
  layer([2, 2, 2, 3], 0, [2, 2, 2, 3]),
  layer([5], -1, [5], { epsilon: 0.1 }),
  layer([2, 3, 4], -1, [4], { statistics: true }),
  {
    name: 'LayerNormalization of nothing',
    inputs: { x: fromNumbers('float64', [0, 3], []), scale: [3], b: [3] },
    build: (v) => op.layerNormalization(get(v, 'x'), get(v, 'scale'), v.b)[0],
    torch: 'F.layer_norm(x, (3,), scale, b)',
  },
  ...(
    [
      [[3, 4], -1, [4]],
      [[2, 3, 4], 1, [3, 4]],
      [[2, 3, 4], -2, [1, 4]],
      [[6], 0, [1]],
    ] as const
  ).map(
    ([shape, axis, scale]): Case => ({
      name: `RMSNormalization of [${shape}] from ${axis}, scale [${scale}]`,
      inputs: { x: shape, scale },
      build: (v) => rmsNormalization(get(v, 'x'), get(v, 'scale'), { axis, epsilon: 0.02 }),
      torch: `x * (x.square().mean(tuple(range(${axis} % x.dim(), x.dim())), keepdim=True) + 0.02).rsqrt() * scale`,
      opset: 23,
    }),
  ),
]);

const instance = (shape: readonly number[]): Case => ({
  name: `InstanceNormalization of [${shape}]`,
  inputs: { x: shape, scale: [shape[1] ?? 1], b: [shape[1] ?? 1] },
  build: (v) => {
    const [x, scale, b] = all(v, 'x', 'scale', 'b') as [Value, Value, Value];
    return op.instanceNormalization(x, scale, b, { epsilon: 0.01 });
  },
  torch: 'F.instance_norm(x, weight=scale, bias=b, eps=0.01)',
});

const group = (shape: readonly number[], groups: number): Case => ({
  name: `GroupNormalization of [${shape}] in ${groups}`,
  inputs: { x: shape, scale: [shape[1] ?? 1], b: [shape[1] ?? 1] },
  build: (v) => {
    const [x, scale, b] = all(v, 'x', 'scale', 'b') as [Value, Value, Value];
    return op.groupNormalization(x, scale, b, { numGroups: groups, epsilon: 0.01 });
  },
  torch: `F.group_norm(x, ${groups}, scale, b, eps=0.01)`,
  // ONNX Runtime's form of it computes in float32 whatever it is given.
  engines: ['reference'],
});

judged('co-states of normalisations by channels', [
  instance([2, 3, 4]),
  instance([1, 2, 3, 2]),
  instance([2, 2, 2, 2, 2]),
  group([2, 4, 3], 2),
  group([2, 4, 2, 2], 1),
  group([2, 3, 2, 2], 3),
  group([1, 6, 2, 1, 2], 2),
  {
    name: 'GroupNormalization 18, a scale for each group',
    inputs: { x: [2, 4, 3], scale: [2], b: [2] },
    build: (v) => {
      const [x, scale, b] = all(v, 'x', 'scale', 'b') as [Value, Value, Value];
      return makeNode({
        opType: 'GroupNormalization',
        version: 18,
        inputs: [x, scale, b],
        attributes: new Map([
          ['num_groups', { kind: 'int', value: 2 }],
          ['epsilon', { kind: 'float', value: 0.01 }],
        ]),
        outputCount: 1,
      }).outputs;
    },
    opset: 18,
    // The newer form is a function that computes in float32 in ONNX Runtime whatever it is given.
    engines: ['reference'],
    torch: 'F.group_norm(x, 2, scale.repeat_interleave(2), b.repeat_interleave(2), eps=0.01)',
  },
]);

const unary = (
  name: string,
  shape: Case['inputs'][string],
  build: (x: Value) => Value,
  torch: string,
  more = {},
): Case => ({
  name,
  inputs: { x: shape },
  build: (v) => build(get(v, 'x')),
  torch,
  ...more,
});

/** onnx's own definition of it does not hold for float64. */
const meanVariance = (shape: readonly number[], axes: readonly number[]): Case => {
  const over = `(${axes},)`;
  return {
    name: `MeanVarianceNormalization of [${shape}] along ${axes}`,
    inputs: { x: shape },
    build: (v, dtype) => {
      const x = op.cast(get(v, 'x'), { to: 'float32' });
      return op.cast(op.meanVarianceNormalization(x, { axes }), { to: dtype });
    },
    torch: `(x - x.mean(${over}, keepdim=True)) / (x.var(${over}, unbiased=False, keepdim=True).sqrt() + 1e-9)`,
    engines: ['ort'],
    step: 1e-3,
    tolerance: { torch: 1e-5, differences: 1e-2, second: 1e-2 },
  };
};

judged('co-states of normalisations without parameters', [
  unary('LpNormalization, p = 2', [2, 3, 4], (x) => op.lpNormalization(x, { axis: 1 }), 'F.normalize(x, 2, 1)'),
  unary('LpNormalization, p = 1', [2, 3], (x) => op.lpNormalization(x, { p: 1 }), 'F.normalize(x, 1, -1)'),
  // The reference evaluator's LpNormalization takes no absolute values, and adds up nothing but rank 0.
  unary(
    'LpNormalization of rows of zeros',
    fromNumbers('float64', [3, 2], [0, 0, 1, -2, 0, 0]),
    (x) => op.lpNormalization(x, { p: 2 }),
    'F.normalize(x, 2, -1) * (x != 0)',
    { second: false, tolerance: { differences: 1e9 } },
  ),
  unary('LpNormalization of a vector', [4], (x) => op.lpNormalization(x, { axis: -1, p: 2 }), 'F.normalize(x, 2, 0)'),
  // onnx's checker does not take it without axes.
  meanVariance([2, 3, 2, 2], [0, 2, 3]),
  meanVariance([3, 4], [1]),
  meanVariance([2, 3, 4], [0, -1]),
  // The reference evaluator sums over as many channels as there are in the batch, and takes rank 4 only.
  unary(
    'LRN of size 3',
    [4, 4, 2, 1],
    (x) => lrn(x, { size: 3, alpha: 0.3, beta: 0.6, bias: 1.2 }),
    'F.local_response_norm(x, 3, 0.3, 0.6, 1.2)',
  ),
  unary(
    'LRN of size 5',
    [6, 6, 1, 2],
    (x) => lrn(x, { size: 5, alpha: 0.5 }),
    'F.local_response_norm(x, 5, 0.5, 0.75, 1.0)',
  ),
  unary(
    'LRN of an even size, one more neighbour behind',
    [5, 5, 1, 2],
    (x) => lrn(x, { size: 2, alpha: 0.5 }),
    'x / (1 + 0.25 * (x.square() + F.pad(x.square(), (0, 0, 0, 0, 0, 1))[:, 1:])) ** 0.75',
    { float32: false },
  ),
]);
