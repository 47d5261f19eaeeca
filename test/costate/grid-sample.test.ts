import fc from 'fast-check';
import { constant } from '../../src/graph/make.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { between, type Case, judged, whole } from './judge.ts';

interface Given {
  readonly x: readonly number[];
  /** Points per axis. */
  readonly points: readonly number[];
  readonly mode: 'nearest' | 'linear' | 'cubic';
  readonly padding: 'zeros' | 'border' | 'reflection';
  readonly aligned: 0 | 1;
  /** How far points lie outside. */
  readonly reach?: number;
  readonly seed?: number;
}

function sampled({ x, points, mode, padding, aligned, reach = 1.6, seed = 3 }: Given, more: Partial<Case> = {}): Case {
  const dims = x.length - 2;
  const called = mode === 'nearest' ? mode : mode === 'cubic' ? 'bicubic' : 'bilinear';
  return {
    name: `${mode}, ${padding}${aligned ? ', corners aligned' : ''}, of ${x.join('x')} at ${points.join('x')} points`,
    inputs: { x, grid: between([x[0] ?? 1, ...points, dims], seed, -reach, reach) },
    build: (v) => {
      const y = op.gridSample(v.x as Value, v.grid as Value, { mode, paddingMode: padding, alignCorners: aligned });
      return op.mul(y, y);
    },
    torch: `y = F.grid_sample(x, grid, mode='${called}', padding_mode='${padding}', align_corners=${aligned ? 'True' : 'False'})\nreturn y * y`,
    ...(mode === 'nearest' ? { fixed: ['grid'] } : {}),
    ...more,
  };
}

const modes = ['nearest', 'linear', 'cubic'] as const;
const paddings = ['zeros', 'border', 'reflection'] as const;

judged('co-states of GridSample', [
  ...modes.flatMap((mode) =>
    paddings.flatMap((padding) =>
      ([0, 1] as const).map((aligned) => sampled({ x: [2, 3, 4, 5], points: [3, 2], mode, padding, aligned })),
    ),
  ),
  ...(['nearest', 'linear'] as const).flatMap((mode) =>
    paddings.map((padding, index) =>
      sampled({ x: [2, 2, 3, 4, 2], points: [2, 2, 3], mode, padding, aligned: index === 1 ? 1 : 0 }),
    ),
  ),
  sampled({ x: [1, 1, 1, 1], points: [2, 2], mode: 'linear', padding: 'border', aligned: 0 }),
  sampled({ x: [1, 2, 1, 3], points: [2, 2], mode: 'linear', padding: 'reflection', aligned: 1 }),
  ...fc
    .sample(
      fc.record({
        x: fc.tuple(
          fc.integer({ min: 1, max: 3 }),
          fc.integer({ min: 1, max: 3 }),
          fc.integer({ min: 1, max: 6 }),
          fc.integer({ min: 1, max: 6 }),
        ),
        points: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
        mode: fc.constantFrom(...modes),
        padding: fc.constantFrom(...paddings),
        aligned: fc.constantFrom(0 as const, 1 as const),
        seed: fc.integer({ min: 4, max: 99 }),
        reach: fc.constantFrom(0.9, 3),
      }),
      { numRuns: 15, seed: 2 },
    )
    .map((given) => sampled(given)),
  // Points on the elements themselves, where the derivative is one-sided, and PyTorch's second one another.
  ...paddings.map((padding) => ({
    ...sampled({ x: [1, 2, 3, 3], points: [3, 3], mode: 'linear', padding, aligned: 1 }),
    name: `the identity, ${padding}`,
    inputs: {
      x: [1, 2, 3, 3],
      grid: whole('float64', [1, 3, 3, 2], [-1, -1, 0, -1, 1, -1, -1, 0, 0, 0, 1, 0, -1, 1, 0, 1, 1, 1]),
    },
    second: false as const,
    tolerance: { differences: 10 },
  })),
]);

function affine(size: readonly number[], aligned: 0 | 1, more: Partial<Case> = {}): Case {
  const dims = size.length - 2;
  return {
    name: `${size.join('x')}${aligned ? ', corners aligned' : ''}`,
    inputs: { theta: [size[0] ?? 1, dims, dims + 1] },
    build: (v) => {
      const y = op.affineGrid(v.theta as Value, constant(size, 'int64'), { alignCorners: aligned });
      return op.mul(y, y);
    },
    torch: `y = F.affine_grid(theta, ${JSON.stringify(size)}, align_corners=${aligned ? 'True' : 'False'})\nreturn y * y`,
    static: true,
    ...more,
  };
}

judged('co-states of AffineGrid', [
  affine([2, 1, 3, 4], 0),
  affine([2, 3, 3, 4], 1),
  affine([1, 1, 2, 3, 4], 0),
  affine([2, 1, 2, 3, 4], 1),
  affine([1, 1, 1, 3], 0),
  {
    name: 'of a size at run time',
    inputs: { theta: [2, 2, 3], size: whole('int64', [4], [2, 1, 3, 5]) },
    build: (v) => {
      const y = op.affineGrid(v.theta as Value, v.size as Value);
      return op.mul(y, y);
    },
    torch: 'y = F.affine_grid(theta, [2, 1, 3, 5], align_corners=False)\nreturn y * y',
    static: ['size'],
  },
]);
