import * as fc from 'fast-check';
import { fromNumbers } from '../../src/files/tensor.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { away, type Case, judged, positive } from './judge.ts';

type Reduce = (x: Value, axes?: Value, attributes?: { keepdims?: number; noopWithEmptyAxes?: number }) => Value;

/** Python of a reduction over the axes `a` with keepdims `k`. */
const operators: Readonly<Record<string, readonly [Reduce, string]>> = {
  ReduceSum: [op.reduceSum, 'x.sum(a, keepdim=k)'],
  ReduceMean: [op.reduceMean, 'x.mean(a, keepdim=k)'],
  ReduceMax: [op.reduceMax, 'x.amax(a, keepdim=k)'],
  ReduceMin: [op.reduceMin, 'x.amin(a, keepdim=k)'],
  ReduceProd: [
    op.reduceProd,
    `for i in sorted(a if len(a) else range(x.dim()), reverse=True): x = x.prod(i, keepdim=True)
return x if k else x.squeeze(a)`,
  ],
  ReduceL1: [op.reduceL1, 'x.abs().sum(a, keepdim=k)'],
  ReduceL2: [op.reduceL2, 'torch.linalg.vector_norm(x, 2, a, keepdim=k)'],
  ReduceSumSquare: [op.reduceSumSquare, '(x * x).sum(a, keepdim=k)'],
  ReduceLogSum: [op.reduceLogSum, 'x.sum(a, keepdim=k).log()'],
  ReduceLogSumExp: [op.reduceLogSumExp, 'torch.logsumexp(x, a, keepdim=k)'],
};

function python(expression: string, axes: readonly number[], keep: boolean): string {
  const body = expression.includes('return') ? expression : `return ${expression}`;
  return `a, k = ${axes.length === 0 ? 'tuple(range(x.dim()))' : `(${axes.join()},)`}, ${keep ? 'True' : 'False'}\n${body}`;
}

const ints = (...values: readonly number[]): Value => op.constant({ valueInts: values });

/** Random shapes and axes, the same in every run. */
const drawn = fc.sample(
  fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }).chain((shape) =>
    fc.record({
      shape: fc.constant(shape),
      axes: fc.subarray([...shape.keys()], { minLength: 1 }),
      negative: fc.boolean(),
      keep: fc.boolean(),
      atRunTime: fc.boolean(),
    }),
  ),
  { numRuns: 30, seed: 11 },
);

const random = drawn.map(({ shape, axes, negative, keep, atRunTime }, index): Case => {
  const name = Object.keys(operators)[index % 10] ?? 'ReduceSum';
  const [make, expression] = operators[name] ?? [op.reduceSum, ''];
  const given = axes.map((axis) => (negative ? axis - shape.length : axis));
  const keepdims = keep ? 1 : 0;
  // The checker wants the rank of every output.
  const flat = atRunTime && !keep;
  const x = name === 'ReduceLogSum' ? positive(shape, index + 1) : away(shape, index + 1);
  return {
    name: `${name} of [${shape.join()}] over ${given.join()}${keep ? ', kept' : ''}${atRunTime ? ', known at run time' : ''}`,
    inputs: atRunTime ? { x, axes: fromNumbers('int64', [given.length], given) } : { x },
    build: (v) => {
      const y = make(v.x as Value, atRunTime ? v.axes : ints(...given), { keepdims });
      return flat ? op.reshape(y, ints(-1)) : y;
    },
    torch: flat
      ? python(expression, axes, keep).replaceAll(/return (.*)$/gm, 'return ($1).reshape(-1)')
      : python(expression, axes, keep),
    // L1 has no curvature, and shapes of one element none of a norm.
    ...(name === 'ReduceL2' ? { tolerance: { second: 1e-4 } } : {}),
  };
});

const all = Object.entries(operators).flatMap(([name, [make, expression]]): Case[] => [
  {
    name: `${name} of everything`,
    inputs: { x: name === 'ReduceLogSum' ? positive([2, 3], 5) : away([2, 3], 5) },
    build: (v) => make(v.x as Value, undefined, { keepdims: 0 }),
    torch: python(expression, [], false),
  },
  {
    name: `${name} of nothing`,
    inputs: { x: positive([2, 3], 6) },
    build: (v) => make(v.x as Value, undefined, { noopWithEmptyAxes: 1 }),
  },
]);

const product = (values: readonly number[]): Case['inputs'] => ({ x: fromNumbers('float64', [2, 3], values) });
const prod: Case['build'] = (v) => op.reduceProd(v.x as Value, ints(1));

judged('co-states of reductions', [
  ...random,
  ...all,
  {
    name: 'ReduceProd with a zero',
    inputs: product([0, 2, 3, 4, 5, 6]),
    build: prod,
    torch: 'x.prod(1, keepdim=True)',
  },
  {
    name: 'ReduceProd with two zeros',
    inputs: product([0, 2, 0, 0, 0, 0]),
    build: prod,
    torch: 'x.prod(1, keepdim=True)',
  },
  {
    name: 'ReduceMax with ties',
    inputs: { x: fromNumbers('float64', [2, 3], [1, 1, 0, 2, 2, 2]) },
    build: (v) => op.reduceMax(v.x as Value, ints(1)),
    torch: 'x.amax(1, keepdim=True)',
    second: false,
    tolerance: { differences: 10 },
  },
  {
    name: 'ReduceL2 of zeros',
    inputs: { x: fromNumbers('float64', [2, 2], [0, 0, 3, 4]) },
    build: (v) => op.reduceL2(v.x as Value, ints(1)),
    torch: 'torch.linalg.vector_norm(x, 2, 1, keepdim=True)',
    second: false,
    tolerance: { differences: 10 },
  },
  {
    name: 'ReduceLogSumExp with rows of -inf',
    inputs: { x: fromNumbers('float64', [2, 3], [0, 1, Number.NEGATIVE_INFINITY, 1, 2, 3]) },
    build: (v) => op.reduceLogSumExp(v.x as Value, ints(1)),
    torch: 'torch.logsumexp(x, 1, keepdim=True)',
  },
  {
    name: 'ReduceSum of an empty axis list seen at run time',
    inputs: { x: [2, 3], axes: fromNumbers('int64', [0], []) },
    build: (v) => op.mul(op.reduceSum(v.x as Value, v.axes), op.reduceMean(v.x as Value, v.axes)),
    torch: 'x.sum() .reshape(1, 1) * x.mean().reshape(1, 1)',
  },
  {
    name: 'sums of an empty tensor',
    inputs: { x: fromNumbers('float64', [0, 3], []) },
    build: (v) => op.reduceSum(v.x as Value, ints(0)),
    torch: 'x.sum(0, keepdim=True)',
  },
]);

for (const [exclusive, reverse] of [
  [0, 0],
  [1, 0],
  [0, 1],
  [1, 1],
] as const)
  judged(`co-states of running sums, exclusive ${exclusive}, reverse ${reverse}`, [
    {
      name: 'CumSum',
      inputs: { x: [3, 4] },
      build: (v) =>
        op.mul(op.cumSum(v.x as Value, op.constant({ valueInt: -1 }), { exclusive, reverse }), v.x as Value),
      torch: `z = x.flip(1) if ${reverse} else x
y = z.cumsum(1) - (z if ${exclusive} else 0)
return x * (y.flip(1) if ${reverse} else y)`,
    },
  ]);
