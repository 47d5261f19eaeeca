import { fromNumbers } from '../../src/files/tensor.ts';
import { constant } from '../../src/graph/make.ts';
import * as op from '../../src/graph/op.ts';
import { remake } from '../../src/graph/passes/rewrite.ts';
import type { Value } from '../../src/graph/value.ts';
import { away, type Case, judged, whole } from './judge.ts';

type Pool = (x: Value) => Value | readonly Value[];

/** A pool of x, squared so that the second order has something to see. */
function pool(name: string, shape: readonly number[], make: Pool, torch: string, more: Partial<Case> = {}): Case {
  return {
    name,
    inputs: { x: shape },
    build: ({ x }) => make(op.mul(x as Value, x as Value)),
    torch: torch.replaceAll('X', '(x * x)'),
    engines: ['reference'],
    ...more,
  };
}

type Average = Parameters<typeof op.averagePool>[1];
const average =
  (attributes: Average): Pool =>
  (x) =>
    op.averagePool(x, attributes);

judged('co-states of AveragePool', [
  pool('side by side', [2, 3, 4, 6], average({ kernelShape: [2, 3], strides: [2, 3] }), 'F.avg_pool2d(X, (2, 3))'),
  pool(
    'side by side with a rest',
    [2, 3, 5, 8],
    average({ kernelShape: [2, 3], strides: [2, 3] }),
    'F.avg_pool2d(X, (2, 3))',
  ),
  pool(
    'side by side, ceil_mode',
    [2, 3, 5, 8],
    average({ kernelShape: [2, 3], strides: [2, 3], ceilMode: 1 }),
    'F.avg_pool2d(X, (2, 3), ceil_mode=True)',
  ),
  pool('1-D', [2, 3, 7], average({ kernelShape: [3] }), 'F.avg_pool1d(X, 3, 1)'),
  pool(
    '3-D',
    [1, 2, 4, 5, 3],
    average({ kernelShape: [2, 3, 2], strides: [2, 1, 1] }),
    'F.avg_pool3d(X, (2, 3, 2), (2, 1, 1))',
  ),
  pool(
    'at every place, padding counted',
    [2, 3, 5, 4],
    average({ kernelShape: [3, 3], pads: [1, 1, 1, 1], countIncludePad: 1 }),
    'F.avg_pool2d(X, 3, 1, 1)',
  ),
  pool(
    'at every place, padding not counted',
    [2, 3, 5, 4],
    average({ kernelShape: [3, 3], pads: [1, 1, 1, 1] }),
    'F.avg_pool2d(X, 3, 1, 1, count_include_pad=False)',
  ),
  pool(
    'in strides',
    [2, 3, 7, 8],
    average({ kernelShape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }),
    'F.avg_pool2d(X, 3, 2, 1, count_include_pad=False)',
  ),
  pool(
    'in strides, padding counted, ceil_mode',
    [2, 3, 6, 8],
    average({ kernelShape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1], countIncludePad: 1, ceilMode: 1 }),
    'F.avg_pool2d(X, 3, 2, 1, ceil_mode=True)',
  ),
  pool(
    'in strides, ceil_mode',
    [2, 3, 6, 8],
    average({ kernelShape: [3, 2], strides: [2, 3], pads: [1, 0, 1, 0], ceilMode: 1 }),
    'F.avg_pool2d(X, (3, 2), (2, 3), (1, 0), ceil_mode=True, count_include_pad=False)',
  ),
  pool(
    'pads of one side',
    [1, 2, 5, 6],
    average({ kernelShape: [3, 2], strides: [2, 2], pads: [1, 0, 0, 1], countIncludePad: 1 }),
    'F.avg_pool2d(F.pad(X, (0, 1, 1, 0)), (3, 2), 2)',
  ),
  pool(
    'dilations',
    [2, 2, 7, 6],
    average({ kernelShape: [3, 2], dilations: [2, 3] }),
    'F.conv2d(X, torch.full((2, 1, 3, 2), 1 / 6, dtype=x.dtype), dilation=(2, 3), groups=2)',
  ),
  pool(
    'dilations and padding',
    [2, 2, 6, 6],
    average({ kernelShape: [3, 2], dilations: [2, 1], pads: [2, 1, 1, 1] }),
    `
w = torch.ones((2, 1, 3, 2), dtype=x.dtype)
sums = lambda v: F.conv2d(F.pad(v, (1, 1, 2, 1)), w, dilation=(2, 1), groups=2)
return sums(x * x) / sums(torch.ones_like(x))`,
  ),
  pool(
    'SAME_UPPER',
    [2, 2, 5, 6],
    average({ kernelShape: [2, 3], autoPad: 'SAME_UPPER' }),
    'F.pad(X, (1, 1, 0, 1)).unfold(2, 2, 1).unfold(3, 3, 1).sum((-1, -2)) / F.pad(torch.ones_like(x), (1, 1, 0, 1)).unfold(2, 2, 1).unfold(3, 3, 1).sum((-1, -2))',
  ),
  pool(
    'SAME_LOWER in strides',
    [2, 2, 6, 5],
    average({ kernelShape: [3, 4], strides: [2, 3], autoPad: 'SAME_LOWER' }),
    'F.pad(X, (1, 1, 1, 0)).unfold(2, 3, 2).unfold(3, 4, 3).sum((-1, -2)) / F.pad(torch.ones_like(x), (1, 1, 1, 0)).unfold(2, 3, 2).unfold(3, 4, 3).sum((-1, -2))',
  ),
]);

type Max = Parameters<typeof op.maxPool>[1];
const max =
  (attributes: Max): Pool =>
  (x) =>
    op.maxPool(x, attributes)[0];
/** Many ties. */
const tied = (shape: readonly number[]): Partial<Case> => ({
  inputs: {
    x: whole(
      'float64',
      shape,
      Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => ((i * 7) % 3) + 1),
    ),
  },
  tolerance: { differences: Number.POSITIVE_INFINITY, second: Number.POSITIVE_INFINITY },
});

judged('co-states of MaxPool', [
  pool('side by side', [2, 3, 4, 6], max({ kernelShape: [2, 3], strides: [2, 3] }), 'F.max_pool2d(X, (2, 3))'),
  pool(
    'side by side with a rest',
    [2, 3, 5, 8],
    max({ kernelShape: [2, 3], strides: [2, 3] }),
    'F.max_pool2d(X, (2, 3))',
  ),
  pool(
    'side by side with padding',
    [2, 3, 6, 4],
    max({ kernelShape: [2, 2], strides: [2, 2], pads: [1, 1, 1, 1] }),
    'F.max_pool2d(X, 2, 2, 1)',
  ),
  pool('ties', [2, 2, 4, 6], max({ kernelShape: [2, 2], strides: [2, 2] }), 'F.max_pool2d(X, 2)', tied([2, 2, 4, 6])),
  pool(
    'ties where windows overlap',
    [2, 2, 5, 6],
    max({ kernelShape: [3, 3], pads: [1, 1, 1, 1] }),
    'F.max_pool2d(X, 3, 1, 1)',
    tied([2, 2, 5, 6]),
  ),
  pool('1-D', [2, 3, 9], max({ kernelShape: [3], strides: [2] }), 'F.max_pool1d(X, 3, 2)'),
  pool(
    '3-D',
    [1, 2, 4, 5, 4],
    max({ kernelShape: [2, 3, 2], strides: [2, 1, 2] }),
    'F.max_pool3d(X, (2, 3, 2), (2, 1, 2))',
  ),
  pool(
    '3-D side by side',
    [1, 2, 4, 3, 4],
    max({ kernelShape: [2, 3, 2], strides: [2, 3, 2] }),
    'F.max_pool3d(X, (2, 3, 2))',
  ),
  pool(
    'in strides with padding',
    [2, 3, 7, 8],
    max({ kernelShape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }),
    'F.max_pool2d(X, 3, 2, 1)',
  ),
  pool(
    'ceil_mode',
    [2, 3, 6, 8],
    max({ kernelShape: [3, 2], strides: [2, 3], pads: [1, 0, 1, 0], ceilMode: 1 }),
    'F.max_pool2d(X, (3, 2), (2, 3), (1, 0), ceil_mode=True)',
  ),
  pool(
    'dilations',
    [2, 3, 7, 8],
    max({ kernelShape: [3, 2], dilations: [2, 3], pads: [1, 1, 1, 1] }),
    'F.max_pool2d(X, (3, 2), 1, 1, (2, 3))',
  ),
  pool(
    'SAME_UPPER',
    [2, 2, 5, 6],
    max({ kernelShape: [2, 3], autoPad: 'SAME_UPPER' }),
    'F.max_pool2d(F.pad(X, (1, 1, 0, 1)), (2, 3), 1)',
  ),
  pool(
    'SAME_LOWER in strides',
    [2, 2, 6, 5],
    max({ kernelShape: [3, 4], strides: [2, 3], autoPad: 'SAME_LOWER' }),
    'F.max_pool2d(F.pad(X, (1, 1, 1, 0)), (3, 4), (2, 3))',
  ),
  pool(
    'column-major indices',
    [2, 2, 5, 6],
    (x) => op.maxPool(x, { kernelShape: [3, 2], strides: [2, 2], storageOrder: 1 })[0],
    'F.max_pool2d(X, (3, 2), 2)',
  ),
  pool(
    'column-major indices, 3-D',
    [1, 2, 3, 4, 5],
    (x) => op.maxPool(x, { kernelShape: [2, 2, 2], storageOrder: 1 })[0],
    'F.max_pool3d(X, 2, 1)',
  ),
  pool(
    'windows of many elements',
    [2, 2, 7, 9],
    max({ kernelShape: [5, 5], pads: [2, 2, 2, 2] }),
    'F.max_pool2d(X, 5, 1, 2)',
  ),
  pool(
    'windows of many elements, ties',
    [2, 2, 7, 9],
    max({ kernelShape: [5, 5], pads: [2, 2, 2, 2] }),
    'F.max_pool2d(X, 5, 1, 2)',
    tied([2, 2, 7, 9]),
  ),
  pool(
    'windows of many elements in strides, ceil_mode, 3-D',
    [1, 2, 6, 5, 8],
    max({ kernelShape: [3, 4, 3], strides: [2, 1, 3], pads: [1, 2, 0, 1, 2, 0], ceilMode: 1 }),
    'F.max_pool3d(X, (3, 4, 3), (2, 1, 3), (1, 2, 0), ceil_mode=True)',
  ),
  {
    name: 'minus infinity',
    inputs: { x: whole('float64', [1, 1, 5], [2, 0.5, 0.25, 3, 4]) },
    build: ({ x }, dtype) => {
      const [value, bound] = [x as Value, constant(fromNumbers(dtype, [], [1]))];
      const low = constant(fromNumbers(dtype, [], [Number.NEGATIVE_INFINITY]));
      return op.maxPool(op.where(op.less(value, bound), low, op.mul(value, value)), { kernelShape: [3] })[0];
    },
    torch: "F.max_pool1d(torch.where(x < 1, torch.tensor(-float('inf'), dtype=x.dtype), x * x), 3, 1)",
    engines: ['reference'],
  },
  pool(
    'indices used',
    [2, 2, 4, 6],
    (x) => {
      const [y, indices] = op.maxPool(x, { kernelShape: [2, 2], strides: [2, 2] });
      return op.mul(y, op.cast(op.mod(indices, op.constant({ valueInt: 5n })), { to: x.dtype ?? 'float32' }));
    },
    `
y, i = F.max_pool2d(x * x, 2, return_indices=True)
return y * ((i + torch.arange(4).reshape(2, 2, 1, 1) * 24) % 5)`,
  ),
]);

/** A pool whose indices the network uses as well. */
function indexed(
  name: string,
  shape: readonly number[],
  attributes: Max,
  torch: string,
  more: Partial<Case> = {},
): Case {
  const make: Pool = (x) => {
    const { source } = op.maxPool(x, attributes)[0];
    if (source.kind !== 'output') throw new Error('no node');
    const [y, indices] = remake(source.node, { outputNames: [undefined, 'indices'] }).outputs as [Value, Value];
    return [y, op.identity(indices)];
  };
  return pool(`indices: ${name}`, shape, make, torch, more);
}

judged('co-states of MaxPool that gives indices', [
  indexed('side by side', [2, 3, 4, 6], { kernelShape: [2, 3], strides: [2, 3] }, 'F.max_pool2d(X, (2, 3))'),
  indexed(
    'side by side with a rest',
    [2, 3, 5, 8],
    { kernelShape: [2, 3], strides: [2, 3] },
    'F.max_pool2d(X, (2, 3))',
  ),
  indexed(
    'in strides',
    [2, 3, 7, 8],
    { kernelShape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
    'F.max_pool2d(X, 3, 2, 1)',
  ),
  indexed('1-D', [2, 3, 8], { kernelShape: [2], strides: [2] }, 'F.max_pool1d(X, 2)'),
  indexed('3-D', [1, 2, 4, 3, 4], { kernelShape: [2, 3, 2], strides: [2, 3, 2] }, 'F.max_pool3d(X, (2, 3, 2))'),
  indexed(
    'column-major',
    [2, 2, 5, 6],
    { kernelShape: [3, 2], strides: [2, 2], storageOrder: 1 },
    'F.max_pool2d(X, (3, 2), 2)',
  ),
  indexed('column-major, 3-D', [1, 2, 3, 4, 5], { kernelShape: [2, 2, 2], storageOrder: 1 }, 'F.max_pool3d(X, 2, 1)'),
  indexed('ties', [2, 2, 4, 6], { kernelShape: [3, 3] }, 'F.max_pool2d(X, 3, 1)', tied([2, 2, 4, 6])),
]);

judged('co-states of other pools', [
  ...[1, 2, 3, 4].map((p) =>
    pool(
      `LpPool ${p}`,
      [2, 3, 5, 6],
      (x) => op.lpPool(x, { kernelShape: [3, 2], strides: [2, 1], p }),
      `F.unfold(X, (3, 2), stride=(2, 1)).reshape(2, 3, 6, 2, 5).pow(${p}).sum(2) ** (1 / ${p})`,
    ),
  ),
  pool(
    'LpPool side by side with padding',
    [2, 2, 4, 5],
    (x) => op.lpPool(x, { kernelShape: [2, 2], strides: [2, 2], pads: [0, 1, 0, 0] }),
    'F.unfold(F.pad(X, (1, 0)), 2, stride=2).reshape(2, 2, 4, 2, 3).pow(2).sum(2).sqrt()',
  ),
  pool(
    'LpPool, dilations',
    [1, 2, 5, 6],
    (x) => op.lpPool(x, { kernelShape: [2, 2], dilations: [2, 3] }),
    'F.unfold(X, 2, dilation=(2, 3)).reshape(1, 2, 4, 3, 3).pow(2).sum(2).sqrt()',
  ),
  {
    ...pool('LpPool of signed numbers, 3', [2, 2, 6], () => [], ''),
    inputs: { x: away([2, 2, 6], 1) },
    build: ({ x }) => op.lpPool(x as Value, { kernelShape: [2], strides: [2], p: 3 }),
    torch: '(x.abs() ** 3).unfold(2, 2, 2).sum(-1) ** (1 / 3)',
  },
  {
    ...pool('LpPool of zeros', [1, 1, 4], () => [], ''),
    inputs: { x: whole('float64', [1, 1, 4], [0, 0, 1, 2]) },
    build: ({ x }) => op.lpPool(x as Value, { kernelShape: [2], strides: [2] }),
    torch: 'torch.cat([0 * x[..., :1], (x[..., 2:] ** 2).sum(-1, keepdim=True).sqrt()], -1)',
    second: false,
    tolerance: { differences: 10 },
  },
  pool('GlobalAveragePool', [2, 3, 4, 5], op.globalAveragePool, 'X.mean((2, 3), keepdim=True)'),
  pool('GlobalAveragePool, 1-D', [2, 3, 4], op.globalAveragePool, 'X.mean(2, keepdim=True)'),
  pool('GlobalMaxPool', [2, 3, 4, 5], op.globalMaxPool, 'F.adaptive_max_pool2d(X, 1)'),
  pool('GlobalMaxPool, 1-D', [2, 3, 4], op.globalMaxPool, 'F.adaptive_max_pool1d(X, 1)'),
  pool(
    'GlobalMaxPool, 3-D, ties',
    [2, 2, 2, 3, 2],
    op.globalMaxPool,
    'F.adaptive_max_pool3d(X, 1)',
    tied([2, 2, 2, 3, 2]),
  ),
  pool('GlobalLpPool', [2, 3, 4, 5], op.globalLpPool, '(X ** 2).sum((2, 3), keepdim=True).sqrt()'),
  pool(
    'GlobalLpPool, 3',
    [2, 3, 4, 5],
    (x) => op.globalLpPool(x, { p: 3 }),
    '(X ** 3).sum((2, 3), keepdim=True) ** (1 / 3)',
  ),
  {
    name: 'MaxUnpool',
    inputs: { x: [1, 2, 2, 2], i: whole('int64', [1, 2, 2, 2], [5, 7, 13, 15, 16, 19, 26, 29]) },
    build: ({ x, i }) =>
      op.maxUnpool(op.mul(x as Value, x as Value), i as Value, undefined, { kernelShape: [2, 2], strides: [2, 2] }),
    torch: 'torch.zeros(32, dtype=x.dtype).index_put((i.reshape(-1),), (x * x).reshape(-1)).reshape(1, 2, 4, 4)',
    engines: ['reference'],
  },
  {
    name: 'MaxUnpool to a shape',
    inputs: {
      x: [1, 1, 2, 2],
      i: whole('int64', [1, 1, 2, 2], [5, 7, 13, 21]),
      shape: whole('int64', [4], [1, 1, 5, 5]),
    },
    build: ({ x, i, shape }) =>
      op.maxUnpool(op.mul(x as Value, x as Value), i as Value, shape, { kernelShape: [2, 2], strides: [2, 2] }),
    torch: 'torch.zeros(25, dtype=x.dtype).index_put((i.reshape(-1),), (x * x).reshape(-1)).reshape(1, 1, 5, 5)',
    engines: ['reference'],
    static: ['shape'],
  },
  {
    name: 'MaxRoiPool',
    inputs: {
      x: [2, 3, 6, 7],
      rois: whole('float64', [4, 5], [0, 0, 0, 8, 10, 1, 3, 2, 12, 9, 1, 4, 4, 5, 5, 0, 9, 2, 30, 8]),
    },
    fixed: ['rois'],
    build: ({ x, rois }) =>
      op.maxRoiPool(op.mul(x as Value, x as Value), rois as Value, { pooledShape: [2, 3], spatialScale: 0.5 }),
    torch: `
def bin(roi, i, j):
    x0, y0, x1, y1 = (int(np.floor(float(v) * 0.5 + 0.5)) for v in roi[1:])
    hs, ws = max(y1 - y0 + 1, 1) / 2, max(x1 - x0 + 1, 1) / 3
    top, left = int(np.floor(i * hs)) + y0, int(np.floor(j * ws)) + x0
    bottom, right = int(np.ceil((i + 1) * hs)) + y0, int(np.ceil((j + 1) * ws)) + x0
    part = (x * x)[int(roi[0]), :, max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    return part.amax((1, 2)) if part.numel() else torch.zeros(3, dtype=x.dtype)
return torch.stack([torch.stack([torch.stack([bin(r, i, j) for j in range(3)], -1) for i in range(2)], -2) for r in rois])`,
  },
]);
