import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { away, judged, whole } from './judge.ts';
import { type Pool, pool, tied } from './pools.ts';

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
