import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { costate } from '../../src/costate/costate.ts';
import { fromNumbers } from '../../src/files/tensor.ts';
import * as op13 from '../../src/graph/generated/opset13.ts';
import { input } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { hasPython } from '../support/python.ts';
import { kinked, tensor } from './cases.ts';
import { away, type Case, judged, positive } from './judge.ts';
import { ran } from './run.ts';

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
    name: 'ReduceProd with three zeros, one and none, over two axes',
    inputs: { x: tensor([3, 2, 2], [0, 2, 0, 0, 1, 3, 0, 2, 2, -1, 3, 0.5]) },
    build: (v) => op.reduceProd(v.x as Value, ints(-1, -2), { keepdims: 0 }),
    torch: 'x.prod(2).prod(1)',
  },
  {
    name: 'ReduceMin with ties over two axes',
    inputs: { x: tensor([2, 2, 2], [1, 3, 1, 2, 0, 0, 0, 0]) },
    build: (v) => op.reduceMin(v.x as Value, ints(0, 2), { keepdims: 0 }),
    torch: 'x.amin((0, 2))',
    second: false,
    ...kinked,
  },
  {
    name: 'ReduceMax with ties',
    inputs: { x: fromNumbers('float64', [2, 3], [1, 1, 0, 2, 2, 2]) },
    build: (v) => op.reduceMax(v.x as Value, ints(1)),
    torch: 'x.amax(1, keepdim=True)',
    second: false,
    ...kinked,
  },
  {
    name: 'ReduceL2 of zeros',
    inputs: { x: fromNumbers('float64', [2, 2], [0, 0, 3, 4]) },
    build: (v) => op.reduceL2(v.x as Value, ints(1)),
    torch: 'torch.linalg.vector_norm(x, 2, 1, keepdim=True)',
    second: false,
    ...kinked,
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
    name: 'ReduceMax of an empty axis list seen at run time, without its axes',
    inputs: { x: [2, 3], axes: fromNumbers('int64', [0], []) },
    build: (v) =>
      op.reshape(
        op.mul(op.reduceMax(v.x as Value, v.axes, { keepdims: 0 }), op.reduceL2(v.x as Value, v.axes, { keepdims: 0 })),
        ints(1),
      ),
    torch: '(x.max() * torch.linalg.vector_norm(x)).reshape(1)',
  },
  {
    name: 'ReduceMean of an empty axis list seen at run time that reduces nothing',
    inputs: { x: [2, 3], axes: fromNumbers('int64', [0], []) },
    build: (v) => {
      const y = op.reduceMean(v.x as Value, v.axes, { noopWithEmptyAxes: 1 });
      return op.reduceSum(op.mul(y, y), undefined, { keepdims: 0 });
    },
    torch: '(x * x).sum()',
  },
  ...(
    [
      ['ReduceMax', op13.reduceMax, 'x.amax((0, 2))'],
      ['ReduceMean', op13.reduceMean, 'x.mean((0, 2))'],
      ['ReduceLogSumExp', op13.reduceLogSumExp, 'torch.logsumexp(x, (0, 2))'],
      ['ReduceSumSquare', op13.reduceSumSquare, '(x * x).sum((0, 2))'],
    ] as const
  ).map(
    ([name, make, torch]): Case => ({
      name: `${name} of opset 13, with axes as an attribute`,
      inputs: { x: [2, 3, 4] },
      build: (v) => make(v.x as Value, { axes: [-1, 0], keepdims: 0 }),
      torch,
      opset: 13,
    }),
  ),
  {
    name: 'a mean and a norm of rank 0',
    inputs: { x: tensor([], [-1.5]) },
    build: (v) => op.mul(op.reduceMean(v.x as Value), op.reduceL2(v.x as Value)),
    torch: 'x * x.abs()',
  },
  {
    name: 'a mean over an empty batch',
    inputs: { x: fromNumbers('float64', [0, 3], []) },
    build: (v) => op.reduceMean(v.x as Value, ints(1)),
    torch: 'x.mean(1, keepdim=True)',
  },
  {
    name: 'sums of an empty tensor',
    inputs: { x: fromNumbers('float64', [0, 3], []) },
    build: (v) => op.reduceSum(v.x as Value, ints(0)),
    torch: 'x.sum(0, keepdim=True)',
  },
]);

describe.skipIf(!hasPython)('ReduceLogSumExp of rows of -inf', () => {
  it.each([0, 1])('gives 0 there and not NaN, keepdims %i', (keepdims) => {
    const x = input('x', 'float32', ['n', 3]);
    const y = op.reduceLogSumExp(x, ints(1), { keepdims });
    const full = costate(model({ inputs: [x], outputs: { y } }), { order: 2 }).model;
    const none = Number.NEGATIVE_INFINITY;
    const [found] = ran([
      {
        model: full,
        inputs: {
          x: fromNumbers('float32', [2, 3], [none, none, none, 0, none, 0]),
          direction_x: fromNumbers('float32', [2, 3], [1, 2, 3, 1, 2, 3]),
        },
      },
    ]);
    expect(found?.costate_x).toEqual([0, 0, 0, 0.5, 0, 0.5]);
    for (const number of found?.hvp_x ?? [Number.NaN]) expect(number).toBeLessThan(1);
  });
});

/** The operators that a first co-state adds to a graph. */
function added(build: (x: Value) => Value, shape: readonly (number | string)[]): string[] {
  const x = input('x', 'float32', shape);
  const plain = model({ inputs: [x], outputs: { y: build(x) } });
  const { graph } = costate(plain, { seed: 'input' }).model;
  return graph.nodes.slice(plain.graph.nodes.length).map(({ opType }) => opType);
}

describe('the number of operators of reductions', () => {
  it('has no axes put back that broadcasting puts there anyway', () => {
    expect(added((x) => op.reduceSumSquare(x, undefined, { keepdims: 0 }), ['n', 3])).toEqual(['Mul', 'Mul']);
    expect(added((x) => op.reduceL1(x, ints(0), { keepdims: 0 }), ['n', 3])).toEqual(['Sign', 'Mul']);
    expect(added((x) => op.reduceL1(x, ints(1), { keepdims: 0 }), ['n', 3]).toSorted()).toEqual([
      'Mul',
      'Sign',
      'Unsqueeze',
    ]);
  });

  it('takes a count from the shape where it is known, and by two operators where it is not', () => {
    expect(added((x) => op.reduceMean(x, ints(1)), ['n', 3])).not.toContain('Div');
    expect(added((x) => op.reduceMean(x, ints(0)), ['n', 3])).toEqual(['Shape', 'Cast', 'Div', 'Shape', 'Expand']);
    expect(added((x) => op.reduceMean(x, undefined), ['n', 3])).toEqual(['Size', 'Cast', 'Div', 'Shape', 'Expand']);
  });
});
