import * as fc from 'fast-check';
import { fromNumbers } from '../../src/files/tensor.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { get, unary } from './cases.ts';
import { type Case, judged } from './judge.ts';

const ints = (...values: readonly number[]): Value => op.constant({ valueInts: values });
const int64 = (...values: readonly number[]) => fromNumbers('int64', [values.length], values);
const smallest = op.constant({ value: fromNumbers('int64', [1], [-(2n ** 63n)]) });
const largest = op.constant({ value: fromNumbers('int64', [1], [2n ** 63n - 1n]) });
const int32 = (...values: readonly number[]): Value =>
  op.constant({ value: fromNumbers('int32', [values.length], values) });

/** A movement with its cube behind it, so that the second order is no constant. */
function moved(
  name: string,
  shape: readonly number[],
  move: (x: Value) => Value,
  torch: string,
  more: Partial<Case> = {},
): Case {
  const cube = (y: Value): Value => op.mul(op.mul(y, y), y);
  return unary(name, (x) => cube(move(x)), `z = ${torch}\nreturn z * z * z`, shape, more);
}

const nothing = (x: Value): Value => op.reduceSum(op.slice(x, ints(3), ints(3), ints(1)), ints(1));

judged('co-states of slices of no elements', [
  unary('beside others', (x) => op.add(op.mul(x, x), nothing(x)), 'x * x + x[:, 3:3].sum(1, keepdim=True)', [4, 3]),
  unary('of a product', (x) => op.add(op.exp(x), nothing(op.mul(x, x))), 'x.exp()', [4, 3]),
  unary('alone', nothing, 'x[:, 3:3].sum(1, keepdim=True)', [4, 3]),
]);

judged('co-states of slices with steps', [
  moved('every second', [3, 7], (x) => op.slice(x, ints(0), largest, ints(1), ints(2)), 'x[:, ::2]'),
  moved('every second from the second', [3, 6], (x) => op.slice(x, ints(1), largest, ints(-1), ints(2)), 'x[:, 1::2]'),
  moved(
    'every third of an axis inside',
    [2, 8, 3],
    (x) => op.slice(x, ints(1), ints(7), ints(1), ints(3)),
    'x[:, 1:7:3]',
  ),
  moved('turned', [3, 4], (x) => op.slice(x, ints(-1), smallest, ints(1), ints(-1)), 'x.flip(1)'),
  moved(
    'turned along two axes',
    [3, 4, 2],
    (x) => op.slice(x, ints(-1, -1), ints(-9, -9), ints(0, 2), ints(-1, -1)),
    'x.flip(0, 2)',
  ),
  moved('turned in part', [3, 6], (x) => op.slice(x, ints(-2), ints(0), ints(1), ints(-1)), 'x[:, 1:5].flip(1)'),
  moved('backwards by two', [3, 6], (x) => op.slice(x, ints(9), ints(-9), ints(1), ints(-2)), 'x[:, 1::2].flip(1)'),
  moved(
    'one axis with a step, another without',
    [5, 7],
    (x) => op.slice(x, ints(1, 0), ints(4, 7), ints(0, 1), ints(1, 3)),
    'x[1:4, ::3]',
  ),
  moved('by int32', [5, 4], (x) => op.slice(x, int32(0), int32(3), int32(0), int32(1)), 'x[:3]'),
  moved('to the end', [5, 4], (x) => op.slice(x, ints(2), largest, ints(0)), 'x[2:]'),
  moved('past the end', [5, 4], (x) => op.slice(x, ints(8), largest, ints(0)), 'x[8:]'),
  moved('from the end', [5, 4], (x) => op.slice(x, ints(-2), largest, ints(0)), 'x[-2:]'),
  moved('to before the end', [5, 4], (x) => op.slice(x, ints(1), ints(-1), ints(0)), 'x[1:-1]'),
  moved('of axes apart', [4, 3, 5], (x) => op.slice(x, ints(1, -3), ints(3, 4), ints(0, 2)), 'x[1:3, :, -3:4]'),
  moved(
    'of axes with starts of both signs',
    [6, 5],
    (x) => op.slice(x, ints(2, -4), ints(5, -1), ints(1, 0)),
    'x[-4:-1, 2:5]',
  ),
  moved('of nothing', [0, 4], (x) => op.slice(x, ints(1), ints(3), ints(1)), 'x[:, 1:3]'),
]);

/** Constant indices, which need no scatter where none occurs twice. */
const gathers = [
  ['one from the end', [3, 5], [-1], 1, false],
  ['neighbours', [3, 5], [1, 2, 3], 1, false],
  ['a permutation', [4, 3], [2, 0, 3, 1], 0, false],
  ['some', [2, 6, 3], [4, 0, 2], 1, false],
  ['some twice', [2, 6], [4, 0, 4, -2], 1, false],
  ['rows, one twice', [6, 2], [4, 0, 4, -2], 0, false],
  ['a number alone', [2, 4], [2], 1, true],
  ['none', [2, 4], [], 1, false],
] as const;

judged('co-states of parts at constant places', [
  ...gathers.map(([name, shape, indices, axis, scalar]) =>
    moved(
      `Gather of ${name}`,
      shape,
      (x) =>
        op.gather(x, op.constant({ value: fromNumbers('int64', scalar ? [] : [indices.length], indices) }), { axis }),
      scalar
        ? `x.select(${axis}, ${indices[0]})`
        : `x.index_select(${axis}, torch.tensor([${indices}], dtype=torch.long) % x.shape[${axis}])`,
    ),
  ),
  moved(
    'Gather by a constant matrix',
    [3, 4],
    (x) => op.gather(x, op.constant({ value: fromNumbers('int64', [2, 2], [3, 0, 3, 1]) }), { axis: 1 }),
    'x[:, torch.tensor([[3, 0], [3, 1]])]',
  ),
  {
    name: 'Gather of rows from the end, of a rank that grows',
    inputs: { x: [4, 2, 3], i: fromNumbers('int64', [2, 3], [-1, 2, -4, -1, 0, 3]) },
    build: (v) => op.exp(op.gather(get(v, 'x'), get(v, 'i'))),
    torch: 'x[i].exp()',
  },
  {
    name: 'Gather of a number that is only known at run time',
    inputs: { x: [2, 4, 3], i: fromNumbers('int32', [], [-3]) },
    build: (v) => op.exp(op.gather(get(v, 'x'), get(v, 'i'), { axis: 1 })),
    torch: 'x.select(1, -3).exp()',
  },
  {
    name: 'Gather by int32',
    inputs: { x: [4, 3], i: fromNumbers('int32', [5], [1, -1, 1, 0, 3]) },
    build: (v) => op.exp(op.gather(get(v, 'x'), get(v, 'i'))),
    torch: 'x[i.long()].exp()',
  },
  ...['first', 'middle', 'last'].map((name, at): Case => {
    const wanted = ['a', 'b', 'c'][at] ?? '';
    return {
      name: `Concat, the ${name} alone`,
      inputs: { a: [2, 3], b: [2, 4], c: [2, 1] },
      fixed: ['a', 'b', 'c'].filter((one) => one !== wanted),
      build: (v) => {
        const y = op.concat([get(v, 'a'), get(v, 'b'), get(v, 'c')], { axis: 1 });
        return op.mul(op.mul(y, y), y);
      },
      torch: 'torch.cat([a, b, c], 1) ** 3',
    };
  }),
  {
    name: 'Concat of a value with itself',
    inputs: { a: [2, 3] },
    build: (v) => op.exp(op.concat([get(v, 'a'), op.neg(get(v, 'a'))], { axis: -2 })),
    torch: 'torch.cat([a, -a]).exp()',
  },
  {
    name: 'Concat with nothing',
    inputs: { a: [2, 0], b: [2, 3] },
    build: (v) => op.exp(op.concat([get(v, 'a'), get(v, 'b')], { axis: 1 })),
    torch: 'torch.cat([a, b], 1).exp()',
  },
  ...[0, 1, 2].map((part) =>
    moved(
      `Split, part ${part} alone`,
      [2, 7],
      (x) => op.split(x, ints(2, 4, 1), { axis: -1 })[part] as Value,
      `x.split([2, 4, 1], 1)[${part}]`,
    ),
  ),
  {
    name: 'Split by what is only known at run time',
    inputs: { x: [5, 2], sizes: int64(1, 0, 4) },
    build: (v) => {
      const [a, , c] = op.split(get(v, 'x'), get(v, 'sizes'), { axis: 0 });
      return [op.exp(a as Value), op.exp(c as Value)];
    },
    torch: 'a, b, c = x.split([1, 0, 4])\nreturn a.exp(), c.exp()',
    static: ['sizes'],
  },
  ...[
    [
      [1, 4],
      [3, 1],
    ],
    [
      [2, 3],
      [1, 4],
    ],
    [
      [2, 3, 2],
      [2, 1, 3],
    ],
    [
      [2, 3],
      [1, 1],
    ],
    [
      [2, 0],
      [3, 1],
    ],
    [
      [2, 3],
      [0, 2],
    ],
  ].map(([shape = [], times = []]) =>
    moved(`Tile [${shape}] by [${times}]`, shape, (x) => op.tile(x, ints(...times)), `x.tile(${times})`),
  ),
  {
    name: 'Tile of unknown sizes by known repeats',
    inputs: { x: [2, 3, 2] },
    dims: { x: ['N', 3, 2] },
    build: (v) => op.exp(op.tile(get(v, 'x'), ints(2, 1, 3))),
    torch: 'x.tile(2, 1, 3).exp()',
  },
  ...[
    ['padded to the right by one more', [3, 4], [6, 3]],
    ['cropped oddly', [6, 5], [3, 2]],
    ['both', [5, 2], [2, 5]],
  ].map(([name, shape, to]) => {
    const [from, size] = [shape as number[], to as number[]];
    const at = from.map((dim, axis) => Math.floor(Math.abs(dim - (size[axis] ?? 0)) / 2));
    const rims = from.flatMap((dim, axis) => {
      const more = (size[axis] ?? 0) - dim;
      const before = more < 0 ? -(at[axis] ?? 0) : (at[axis] ?? 0);
      return [[before, more - before]];
    });
    return moved(
      `CenterCropPad, ${name}`,
      from,
      (x) => op.centerCropPad(x, ints(...size)),
      `F.pad(x, (${[...rims].reverse().flat()}))`,
      { static: true },
    );
  }),
  moved(
    'CenterCropPad of given axes',
    [2, 3, 4],
    (x) => op.centerCropPad(x, ints(5, 1), { axes: [-1, 1] }),
    'F.pad(x[:, 1:2], (0, 1))',
    { static: true },
  ),
]);

/** Layouts of random shapes, of sizes that are not known and some that are. */
const layouts = fc
  .sample(
    fc.record({
      shape: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 3, maxLength: 4 }),
      known: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
      merge: fc.integer({ min: 0, max: 2 }),
    }),
    { numRuns: 12, seed: 11 },
  )
  .map(({ shape, known, merge }): Case => {
    const at = Math.min(merge, shape.length - 2);
    const to = shape.flatMap((dim, axis) => (axis === at ? [-1] : axis === at + 1 ? [] : [dim]));
    return {
      name: `Reshape [${shape}] to [${to}], known ${known.slice(0, shape.length).map(Number)}`,
      inputs: { x: shape },
      dims: { x: shape.map((dim, axis) => (known[axis] ? dim : `x_${axis}`)) },
      build: (v) => {
        const y = op.reshape(get(v, 'x'), ints(...to.map((dim, axis) => (axis < at ? 0 : dim))));
        return op.exp(op.transpose(y));
      },
      torch: `x.reshape(${to}).permute(${to.map((_, axis) => to.length - 1 - axis)}).exp()`,
    };
  });

judged('co-states of layouts of partly known sizes', [
  ...layouts,
  moved('Squeeze of all ones', [1, 3, 1, 2], (x) => op.squeeze(x), 'x.squeeze()', { static: true }),
  moved('Squeeze from the end', [2, 1, 3, 1], (x) => op.squeeze(x, ints(-1, 1)), 'x.squeeze(-1).squeeze(1)', {
    dims: { x: ['A', 1, 'B', 1] },
  }),
  moved('Reshape of nothing', [0, 3], (x) => op.reshape(x, ints(3, 0), { allowzero: 1 }), 'x.reshape(3, 0)'),
  moved('Reshape to a number', [1, 1], (x) => op.reshape(x, ints()), 'x.reshape(())'),
  moved('Flatten of axis 0', [2, 3], (x) => op.flatten(x, { axis: 0 }), 'x.reshape(1, 6)'),
  moved('Flatten of a number', [], (x) => op.flatten(x, { axis: 0 }), 'x.reshape(1, 1)'),
  moved('Expand of a number', [], (x) => op.expand(x, ints(2, 3)), 'x.expand(2, 3)'),
  moved('Expand to less', [2, 3], (x) => op.expand(x, ints(1)), 'x + 0'),
  {
    name: 'Expand by what is only known at run time',
    inputs: { x: [3, 1], to: int64(2, 1, 4) },
    build: (v) => op.exp(op.expand(get(v, 'x'), get(v, 'to'))),
    torch: 'x.expand(2, 3, 4).exp()',
    static: ['to'],
  },
  {
    name: 'Trilu by what is only known at run time',
    inputs: { x: [3, 4], k: fromNumbers('int64', [], [-1]) },
    build: (v) => op.exp(op.trilu(get(v, 'x'), get(v, 'k'), { upper: 0 })),
    torch: 'x.tril(-1).exp()',
    static: ['k'],
  },
  {
    name: 'ReverseSequence, batches first',
    inputs: { x: [3, 4, 2], n: int64(1, 4, 3) },
    build: (v) => op.exp(op.reverseSequence(get(v, 'x'), get(v, 'n'), { batchAxis: 0, timeAxis: 1 })),
    torch: 'torch.stack([torch.cat([row[:k].flip(0), row[k:]]) for row, k in zip(x, n.tolist())]).exp()',
    static: ['n'],
  },
  {
    name: 'Compress by what is only known at run time',
    inputs: { x: [4, 3], keep: fromNumbers('bool', [4], [1, 0, 0, 1]) },
    build: (v) => op.exp(op.compress(get(v, 'x'), get(v, 'keep'), { axis: -2 })),
    torch: 'x[keep].exp()',
  },
]);
