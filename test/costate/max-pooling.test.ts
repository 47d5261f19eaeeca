import { fromNumbers } from '../../src/files/tensor.ts';
import { constant } from '../../src/graph/make.ts';
import * as op from '../../src/graph/op.ts';
import { remake } from '../../src/graph/passes/rewrite.ts';
import type { Value } from '../../src/graph/value.ts';
import { type Case, judged, whole } from './judge.ts';
import { type Pool, pool, tied } from './pools.ts';

type Max = Parameters<typeof op.maxPool>[1];
const max =
  (attributes: Max): Pool =>
  (x) =>
    op.maxPool(x, attributes)[0];

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
