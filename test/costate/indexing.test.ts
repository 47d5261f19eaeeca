import { fromNumbers } from '../../src/files/tensor.ts';
import * as op24 from '../../src/graph/generated/opset24.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { type Case, judged } from './judge.ts';

const int64 = (shape: readonly number[], ...values: readonly number[]) => fromNumbers('int64', shape, values);
const squared = (y: Value): Value => op.mul(y, y);
const square = (torch: string): string => `z = ${torch}\nreturn z * z`;

function gathered(
  name: string,
  shape: readonly number[],
  indices: ReturnType<typeof int64>,
  axis: number,
  torch: string,
): Case {
  return {
    name,
    inputs: { x: shape, i: indices },
    build: (v) => squared(op.gather(v.x as Value, v.i as Value, { axis })),
    torch: square(torch),
  };
}

function constant(
  name: string,
  shape: readonly number[],
  indices: ReturnType<typeof int64>,
  axis: number,
  torch: string,
): Case {
  return {
    name,
    inputs: { x: shape },
    build: (v) => squared(op.gather(v.x as Value, op.constant({ value: indices }), { axis })),
    torch: square(torch),
  };
}

judged('co-states of reading by index', [
  gathered('Gather of rows, repeated', [5, 3], int64([4], 1, 3, 1, 1), 0, 'x[i]'),
  gathered('Gather of an embedding', [5, 3], int64([2, 3], 1, 3, 1, 0, 4, 1), 0, 'x[i]'),
  gathered('Gather of one row', [5, 3], int64([], 2), 0, 'x[i]'),
  gathered('Gather of columns from the end', [2, 5], int64([3], -1, 0, -5), 1, 'x[:, i]'),
  gathered('Gather inside', [2, 5, 3], int64([2, 2], 4, 0, 0, 1), 1, 'x[:, i]'),
  gathered('Gather of one inside', [2, 5, 3], int64([], -2), -2, 'x[:, i]'),
  gathered('Gather of none', [5, 3], int64([0]), 0, 'x[i]'),
  constant('Gather of a known row', [5, 3], int64([], -2), 0, 'x[-2]'),
  constant('Gather of a known column, kept', [2, 5, 3], int64([1], 4), 1, 'x[:, [4]]'),
  constant('Gather of known rows', [5, 3], int64([2], 4, 1), 0, 'x[[4, 1]]'),
  {
    name: 'GatherElements',
    inputs: { x: [3, 4], i: int64([2, 4], 0, 1, 2, 0, 0, -1, 2, 1) },
    build: (v) => squared(op.gatherElements(v.x as Value, v.i as Value)),
    torch: square('x.gather(0, i % 3)'),
  },
  {
    name: 'GatherND',
    inputs: { x: [3, 4, 2], i: int64([3, 2], 0, 1, 2, -1, 0, 1) },
    build: (v) => squared(op.gatherND(v.x as Value, v.i as Value)),
    torch: square('x[i[:, 0], i[:, 1]]'),
    static: ['i'],
  },
  {
    name: 'GatherND by batch',
    inputs: { x: [2, 3, 4], i: int64([2, 2, 1], 0, 2, -1, 1) },
    build: (v) => squared(op.gatherND(v.x as Value, v.i as Value, { batchDims: 1 })),
    torch: square('torch.stack([x[0][[0, 2]], x[1][[2, 1]]])'),
    static: ['i'],
  },
  {
    name: 'TopK',
    inputs: { x: [3, 5] },
    build: (v) => squared(op.topK(v.x as Value, op.constant({ valueInts: [2] }))[0]),
    torch: square('x.topk(2).values'),
  },
  {
    name: 'TopK of the least along another axis',
    inputs: { x: [5, 3] },
    build: (v) => squared(op.topK(v.x as Value, op.constant({ valueInts: [2] }), { axis: 0, largest: 0 })[0]),
    torch: square('x.topk(2, 0, largest=False).values'),
  },
  {
    name: 'OneHot values',
    inputs: { values: [2], i: int64([2, 2], 0, 2, -1, 5) },
    build: (v) => squared(op.oneHot(v.i as Value, op.constant({ valueInt: 3 }), v.values as Value)),
    torch: `m = torch.zeros(2, 2, 3)
m[0, 0, 0] = m[0, 1, 2] = m[1, 0, 2] = 1
z = values[0] * (1 - m) + values[1] * m
return z * z`,
    static: ['values'],
    // The reference evaluator makes it in float32.
    step: 1e-2,
    tolerance: { torch: 1e-6, differences: 1e-3 },
  },
  {
    name: 'Range',
    inputs: { a: fromNumbers('float64', [], [0.5]), d: fromNumbers('float64', [], [0.7]) },
    build: (v, dtype) =>
      squared(op.range(v.a as Value, op.constant({ value: fromNumbers(dtype, [], [3]) }), v.d as Value)),
    torch: square('a + d * torch.arange(4)'),
  },
]);

type Reduction = 'none' | 'add' | 'mul' | 'max' | 'min';
const names: Readonly<Record<Reduction, string>> = { none: '', add: 'sum', mul: 'prod', max: 'amax', min: 'amin' };
const repeated = int64([2, 3], 0, 2, 1, 0, 2, -3);

const elements = (['none', 'add', 'mul', 'max', 'min'] as const).map((reduction): Case => {
  const indices = reduction === 'none' ? int64([2, 3], 0, 2, 1, 1, 0, 2) : repeated;
  return {
    name: `ScatterElements, ${reduction}`,
    inputs: { x: [3, 4], i: indices, u: [2, 3] },
    build: (v) => squared(op.scatterElements(v.x as Value, v.i as Value, v.u as Value, { axis: 0, reduction })),
    torch: square(
      reduction === 'none' ? 'x.scatter(0, i % 3, u)' : `x.scatter_reduce(0, i % 3, u, reduce="${names[reduction]}")`,
    ),
  };
});

const rows = (['none', 'add', 'mul', 'max', 'min'] as const).map((reduction): Case => {
  const indices = reduction === 'none' ? int64([2, 1], 3, 1) : int64([3, 1], 3, 1, -1);
  const count = indices.shape[0] ?? 0;
  return {
    name: `ScatterND, ${reduction}`,
    static: ['i'],
    inputs: { x: [4, 2], i: indices, u: [count, 2] },
    build: (v) => squared(op.scatterND(v.x as Value, v.i as Value, v.u as Value, { reduction })),
    torch:
      reduction === 'none'
        ? 'z = x.clone()\nz[i[:, 0]] = u\nreturn z * z'
        : square(`x.scatter_reduce(0, (i % 4).expand(${count}, 2), u, reduce="${names[reduction]}")`),
  };
});

judged('co-states of writing by index', [
  ...elements,
  ...rows,
  {
    name: 'ScatterElements, mul by zeros',
    inputs: {
      x: fromNumbers('float64', [4], [2, 0, 3, 0]),
      i: int64([4], 0, 0, 1, 2),
      u: fromNumbers('float64', [4], [0, 5, 4, 7]),
    },
    build: (v) => op.scatterElements(v.x as Value, v.i as Value, v.u as Value, { reduction: 'mul' }),
    torch: 'x.scatter_reduce(0, i, u, reduce="prod")',
    second: false,
  },
  {
    name: 'ScatterElements, max with ties',
    inputs: {
      x: fromNumbers('float64', [2], [2, 1]),
      i: int64([3], 0, 0, 1),
      u: fromNumbers('float64', [3], [2, 2, 0]),
    },
    build: (v) => op.scatterElements(v.x as Value, v.i as Value, v.u as Value, { reduction: 'max' }),
    torch: 'x.scatter_reduce(0, i, u, reduce="amax")',
    second: false,
    tolerance: { differences: 10 },
  },
  ...(['linear', 'circular'] as const).map(
    (mode): Case => ({
      name: `TensorScatter, ${mode}`,
      inputs: { x: [2, 1, 4, 2], u: [2, 1, 2, 2], i: int64([2], 1, mode === 'linear' ? 2 : 3) },
      build: (v) => squared(op24.tensorScatter(v.x as Value, v.u as Value, v.i as Value, { mode })),
      torch: `z = x.clone()
for b in range(2):
  for t in range(2): z[b, :, (i[b] + t) % 4] = u[b, :, t]
return z * z`,
      opset: 24,
      engines: ['reference'],
    }),
  ),
]);
