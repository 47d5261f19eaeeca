import * as fc from 'fast-check';
import { fromNumbers } from '../../src/files/tensor.ts';
import { constant, makeNode } from '../../src/graph/make.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { get, tensor } from './cases.ts';
import { away, type Case, judged, whole } from './judge.ts';

interface Way {
  readonly exclusive: boolean;
  readonly reverse: boolean;
}

const ways: readonly Way[] = [
  { exclusive: false, reverse: false },
  { exclusive: true, reverse: false },
  { exclusive: false, reverse: true },
  { exclusive: true, reverse: true },
];

/** CumProd of opset 26, which has no constructor of its own yet. */
function cumProd(x: Value, axis: Value, { exclusive, reverse }: Way): Value {
  const attributes = new Map([
    ['exclusive', { kind: 'int', value: Number(exclusive) } as const],
    ['reverse', { kind: 'int', value: Number(reverse) } as const],
  ]);
  const [y] = makeNode({ opType: 'CumProd', version: 26, inputs: [x, axis], attributes, outputCount: 1 }).outputs;
  if (y === undefined) throw new Error('no output');
  return y;
}

/** Python of a running sum or product of x along an axis. */
function python(kind: 'sum' | 'prod', axis: number, { exclusive, reverse }: Way): string {
  return `a = ${axis}
z = x.flip(a) if ${reverse ? 'True' : 'False'} else x
y = z.cum${kind}(a)
if ${exclusive ? 'True' : 'False'}:
  y = torch.cat([torch.full_like(y.narrow(a, 0, 1), ${kind === 'sum' ? 0 : 1}), y.narrow(a, 0, y.shape[a] - 1)], a)
return y.flip(a) if ${reverse ? 'True' : 'False'} else y`;
}

function named(way: Way): string {
  return `${way.exclusive ? ', exclusive' : ''}${way.reverse ? ', reverse' : ''}`;
}

const int = (value: number): Value => constant(fromNumbers('int64', [], [value]));

const drawn = fc.sample(
  fc
    .array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 })
    .chain((shape) =>
      fc.tuple(fc.constant(shape), fc.integer({ min: -shape.length, max: shape.length - 1 }), fc.constantFrom(...ways)),
    ),
  { numRuns: 16, seed: 5 },
);

judged('co-states of running sums', [
  ...ways.map(
    (way): Case => ({
      name: `CumSum${named(way)}`,
      inputs: { x: [3, 4] },
      build: (v) => op.mul(op.cumSum(get(v, 'x'), int(-1), { ...way }), get(v, 'x')),
      torch: python('sum', -1, way).replace('return ', 'return x * (').concat(')'),
    }),
  ),
  ...drawn.map(
    ([shape, axis, way], index): Case => ({
      name: `${index}: CumSum of [${shape}] along ${axis}${named(way)}`,
      inputs: { x: shape, axis: whole(index % 2 === 0 ? 'int64' : 'int32', [], [axis]) },
      build: (v) => op.exp(op.cumSum(get(v, 'x'), get(v, 'axis'), { ...way })),
      torch: python('sum', axis, way).replace('return ', 'return torch.exp(').concat(')'),
    }),
  ),
  {
    name: 'CumSum of nothing',
    inputs: { x: tensor([0, 3], []) },
    build: (v) => op.cumSum(get(v, 'x'), int(1)),
    torch: 'x.cumsum(1)',
  },
]);

const zeros = tensor([6, 4], [1.5, 2, -0.5, 3, 0, 2, 0.5, 3, 2, 0, 0.5, -1, 2, 0, 0.5, 0, 0, 0, 2, 3, 0, 1.5, 0, 0]);

judged('co-states of running products', [
  ...drawn.map(
    ([shape, axis, way], index): Case => ({
      name: `${index}: CumProd of [${shape}] along ${axis}${named(way)}`,
      inputs: { x: away(shape, index + 1, 0.2), ...(index % 2 === 0 ? {} : { axis: whole('int64', [], [axis]) }) },
      build: (v) => cumProd(get(v, 'x'), index % 2 === 0 ? int(axis) : get(v, 'axis'), way),
      torch: python('prod', axis, way),
      opset: 26,
    }),
  ),
  ...ways.map(
    (way): Case => ({
      name: `CumProd of zeros${named(way)}`,
      inputs: { x: zeros },
      build: (v) => cumProd(get(v, 'x'), int(1), way),
      torch: python('prod', 1, way),
      opset: 26,
    }),
  ),
]);
