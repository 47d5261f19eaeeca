import * as fc from 'fast-check';
import { fromNumbers } from '../../src/files/tensor.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { type Case, judged } from './judge.ts';

const ints = (...values: readonly number[]): Value => op.constant({ valueInts: values });
const int64 = (...values: readonly number[]) => fromNumbers('int64', [values.length], values);
/** A square behind each movement, so that there is a second order. */
const squared = (y: Value): Value => op.mul(y, y);

function moved(
  name: string,
  shape: readonly number[],
  move: (x: Value) => Value,
  torch: string,
  more: Partial<Case> = {},
): Case {
  return {
    name,
    inputs: { x: shape },
    build: (v) => squared(move(v.x as Value)),
    torch: `z = ${torch}\nreturn z * z`,
    ...more,
  };
}

const slice = (starts: number[], ends: number[], axes?: number[], steps?: number[]) => (x: Value) =>
  op.slice(x, ints(...starts), ints(...ends), axes && ints(...axes), steps && ints(...steps));

/** Slices of random shapes, the same in every run; what Python's own slices give. */
const slices = fc
  .sample(
    fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 3 }).chain((shape) =>
      fc.record({
        shape: fc.constant(shape),
        bounds: fc.tuple(
          ...shape.map(() => fc.tuple(fc.integer({ min: -7, max: 7 }), fc.integer({ min: -7, max: 7 }))),
        ),
        steps: fc.tuple(...shape.map(() => fc.constantFrom(1, 1, 1, 2, -1, -2))),
        atRunTime: fc.boolean(),
      }),
    ),
    { numRuns: 16, seed: 5 },
  )
  .map(({ shape, bounds, steps, atRunTime }): Case => {
    const [starts, ends] = [bounds.map(([start]) => start), bounds.map(([, end]) => end)];
    const text = bounds.map(([start, end], axis) => `${start}:${end}:${steps[axis]}`).join();
    const axes = [...shape.keys()];
    return {
      name: `Slice [${shape.join()}] by ${text}${atRunTime ? ' known at run time' : ''}`,
      inputs: atRunTime
        ? { x: shape, starts: int64(...starts), ends: int64(...ends), steps: int64(...steps) }
        : { x: shape },
      build: (v) =>
        squared(
          atRunTime
            ? op.slice(v.x as Value, v.starts as Value, v.ends as Value, ints(...axes), v.steps)
            : slice(starts, ends, axes, steps)(v.x as Value),
        ),
      // PyTorch has no negative steps: the indices of each axis in turn, by NumPy.
      torch: `z = x\n${axes
        .map((axis) => {
          const [start, end] = bounds[axis] ?? [0, 0];
          return `z = z.index_select(${axis}, torch.tensor(np.arange(x.shape[${axis}])[${start}:${end}:${steps[axis]}].copy()))`;
        })
        .join('\n')}\nreturn z * z`,
      static: ['starts', 'ends', 'steps'],
    };
  });

judged('co-states of slices and rims', [
  ...slices,
  moved('Slice from the front of an unknown axis', [4, 5], slice([0], [2], [1]), 'x[:, :2]'),
  moved('Slice of the last', [4, 5], slice([-1], [9], [-1]), 'x[:, -1:]'),
  moved('Slice without axes', [4, 5], slice([1, 0], [3, 4]), 'x[1:3, 0:4]'),
  moved('Slice of nothing', [4, 5], slice([3], [3], [1]), 'x[:, 3:3]'),
  moved('Pad with zeros', [2, 3], (x) => op.pad(x, ints(1, 0, 2, 1)), 'F.pad(x, (0, 1, 1, 2))'),
  moved('Pad that crops', [4, 5], (x) => op.pad(x, ints(-1, 2, 0, -2)), 'F.pad(x, (2, -2, -1, 0))'),
  moved('Pad of given axes', [2, 3, 4], (x) => op.pad(x, ints(1, 2), undefined, ints(-1)), 'F.pad(x, (1, 2))'),
  moved(
    'Pad by reflection',
    [4, 5],
    (x) => op.pad(x, ints(2, 1, 1, 3), undefined, undefined, { mode: 'reflect' }),
    'F.pad(x[None, None], (1, 3, 2, 1), mode="reflect")[0, 0]',
  ),
  moved(
    'Pad by the edge',
    [2, 3],
    (x) => op.pad(x, ints(2, 1, 1, 3), undefined, undefined, { mode: 'edge' }),
    'F.pad(x[None, None], (1, 3, 2, 1), mode="replicate")[0, 0]',
  ),
  moved(
    'Pad around',
    [3, 4],
    (x) => op.pad(x, ints(2, 1, 1, 3), undefined, undefined, { mode: 'wrap' }),
    'F.pad(x[None, None], (1, 3, 2, 1), mode="circular")[0, 0]',
  ),
  {
    name: 'Pad with a value, by what is only known at run time',
    inputs: { x: [2, 3], c: fromNumbers('float64', [], [0.7]), pads: int64(1, 0, 2, 1) },
    build: (v) => squared(op.pad(v.x as Value, v.pads as Value, v.c)),
    torch: 'z = torch.cat([torch.cat([c.expand(1, 3), x, c.expand(2, 3)]), c.expand(5, 1)], 1)\nreturn z * z',
    static: ['pads', 'c'],
  },
  moved('Tile', [2, 3], (x) => op.tile(x, ints(3, 2)), 'x.tile(3, 2)'),
  {
    name: 'Tile by what is only known at run time',
    inputs: { x: [2, 1, 3], times: int64(2, 3, 1) },
    build: (v) => squared(op.tile(v.x as Value, v.times as Value)),
    torch: 'z = x.tile(2, 3, 1)\nreturn z * z',
    static: ['times'],
  },
  moved('Trilu, upper', [3, 4], (x) => op.trilu(x, op.constant({ valueInt: 1 })), 'x.triu(1)'),
  moved('Trilu, lower', [2, 4, 3], (x) => op.trilu(x, undefined, { upper: 0 }), 'x.tril()'),
  moved(
    'ReverseSequence',
    [4, 2],
    (x) => op.reverseSequence(x, ints(2, 4)),
    'torch.stack([torch.cat([x[:2, 0].flip(0), x[2:, 0]]), x[:, 1].flip(0)], 1)',
  ),
  moved(
    'Compress along an axis',
    [3, 4],
    (x) => op.compress(x, op.constant({ value: fromNumbers('bool', [3], [1, 0, 1]) }), { axis: 1 }),
    'x[:, [0, 2]]',
  ),
  moved(
    'Compress of all',
    [3, 4],
    (x) => op.compress(x, op.constant({ value: fromNumbers('bool', [5], [1, 0, 1, 0, 1]) })),
    'x.flatten()[[0, 2, 4]]',
  ),
  moved('CenterCropPad', [5, 3], (x) => op.centerCropPad(x, ints(3, 6)), 'F.pad(x[1:4], (1, 2))', { static: true }),
]);

judged('co-states of layouts', [
  moved('Reshape with 0 and -1', [2, 3, 4], (x) => op.reshape(x, ints(0, -1)), 'x.reshape(2, 12)'),
  moved('Flatten', [2, 3, 4], (x) => op.flatten(x, { axis: 2 }), 'x.reshape(6, 4)'),
  moved('Squeeze', [2, 1, 3], (x) => op.squeeze(x, ints(1)), 'x.squeeze(1)'),
  moved('Unsqueeze', [2, 3], (x) => op.unsqueeze(x, ints(0, -1)), 'x[None, ..., None]'),
  moved('Transpose', [2, 3, 4], (x) => op.transpose(x, { perm: [2, 0, 1] }), 'x.permute(2, 0, 1)'),
  moved('Transpose of all', [2, 3, 4], (x) => op.transpose(x), 'x.permute(2, 1, 0)'),
  moved('Expand', [3, 1], (x) => op.expand(x, ints(2, 1, 4)), 'x.expand(2, 3, 4)'),
  moved(
    'DepthToSpace, DCR',
    [2, 8, 2, 3],
    (x) => op.depthToSpace(x, { blocksize: 2 }),
    'x.reshape(2, 2, 2, 2, 2, 3).permute(0, 3, 4, 1, 5, 2).reshape(2, 2, 4, 6)',
  ),
  moved(
    'DepthToSpace, CRD',
    [2, 8, 2, 3],
    (x) => op.depthToSpace(x, { blocksize: 2, mode: 'CRD' }),
    'F.pixel_shuffle(x, 2)',
  ),
  moved(
    'SpaceToDepth',
    [2, 2, 4, 6],
    (x) => op.spaceToDepth(x, { blocksize: 2 }),
    'x.reshape(2, 2, 2, 2, 3, 2).permute(0, 3, 5, 1, 2, 4).reshape(2, 8, 2, 3)',
  ),
  {
    name: 'Concat of three, one fixed',
    inputs: { a: [2, 3], b: [2, 1], c: [2, 2] },
    build: (v) => squared(op.concat([v.a, v.b, v.c] as Value[], { axis: -1 })),
    torch: 'z = torch.cat([a, b, c], 1)\nreturn z * z',
    fixed: ['b'],
  },
  {
    name: 'Concat of more parts than a GPU binds',
    inputs: { x: [2, 3] },
    build: (v) => {
      const x = v.x as Value;
      return squared(op.concat([x, op.sin(x), x, op.cos(x), x, op.exp(x), x, op.tanh(x), x], { axis: 1 }));
    },
    torch: 'z = torch.cat([x, x.sin(), x, x.cos(), x, x.exp(), x, x.tanh(), x], 1)\nreturn z * z',
  },
  {
    name: 'Split unevenly, one part unused',
    inputs: { x: [2, 7] },
    build: (v) => {
      const [a, , c] = op.split(v.x as Value, ints(2, 1, 4), { axis: 1 });
      return [squared(a as Value), squared(c as Value)];
    },
    torch: 'a, b, c = x.split([2, 1, 4], 1)\nreturn a * a, c * c',
  },
  moved(
    'Split with a smaller last part',
    [5, 2],
    (x) => op.concat([...op.split(x, undefined, { numOutputs: 3 })].reverse(), { axis: 0 }),
    'torch.cat([x[4:], x[2:4], x[:2]])',
    { static: true },
  ),
]);
