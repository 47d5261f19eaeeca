import fc from 'fast-check';
import { fromNumbers } from '../../src/files/tensor.ts';
import { constant } from '../../src/graph/make.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { type Case, judged, type Values, whole } from './judge.ts';

function x(v: Values): Value {
  if (v.x === undefined) throw new Error('no x');
  return v.x;
}

/** Any shape, any axis, counted from either end. */
const drawn = fc.sample(
  fc
    .array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 })
    .chain((shape) => fc.tuple(fc.constant(shape), fc.integer({ min: -shape.length, max: shape.length - 1 }))),
  { numRuns: 8, seed: 4 },
);

const masked = fromNumbers('float64', [2, 4], [0.3, -Infinity, 1.2, -0.4, -Infinity, -Infinity, 0.1, -Infinity]);

/** The second row is masked whole. */
const rows = fromNumbers(
  'float64',
  [3, 4],
  [0.3, -Infinity, 1.2, -0.4, ...new Array<number>(4).fill(-Infinity), 0, 0, 0, 0],
);

const cases: Case[] = drawn.flatMap(([shape, axis]) => [
  {
    name: `Softmax of [${shape}] along ${axis}`,
    inputs: { x: shape },
    build: (v: Values) => op.softmax(x(v), { axis }),
    torch: `torch.softmax(x, ${axis})`,
  },
  {
    name: `LogSoftmax of [${shape}] along ${axis}`,
    inputs: { x: shape },
    build: (v: Values) => op.logSoftmax(x(v), { axis }),
    torch: `torch.log_softmax(x, ${axis})`,
  },
]);

judged('co-states of softmaxes', [
  ...cases,
  {
    name: 'Softmax by default along the last axis',
    inputs: { x: [2, 3] },
    build: (v) => op.softmax(x(v)),
    torch: 'torch.softmax(x, -1)',
  },
  {
    name: 'Softmax of nothing',
    inputs: { x: fromNumbers('float64', [0, 3], []) },
    build: (v) => op.softmax(x(v)),
    torch: 'torch.softmax(x, -1)',
  },
  {
    // Added to numbers that are differentiated: differences cannot be made at -inf itself.
    name: 'Softmax with entries of -inf',
    inputs: { x: [2, 4], m: masked },
    fixed: ['m'],
    build: (v) => op.softmax(op.add(x(v), v.m as Value)),
    torch: 'torch.softmax(x + m, -1)',
  },
  {
    name: 'Softmax of a row that is masked whole and replaced by zeros',
    inputs: { x: [3, 4], m: rows },
    fixed: ['m'],
    // Of sizes that may be broadcast the rows cannot be told.
    static: true,
    build: (v) => {
      const y = op.softmax(op.add(x(v), v.m as Value));
      return op.where(op.isNaN(y), constant(fromNumbers(y.dtype ?? 'float64', [], [0])), y);
    },
    // As the safe softmax of its attention has it.
    torch:
      'torch.softmax(torch.where(m.isinf().all(-1, keepdim=True), 0.0, x + m), -1) * (~m.isinf().all(-1, keepdim=True))',
  },
  {
    name: 'Softmax of a row that a mask of rows replaces by zeros',
    inputs: { x: [3, 4], m: rows, keep: whole('bool', [3, 1], [1, 0, 1]) },
    fixed: ['m'],
    // Of sizes that may be broadcast the rows cannot be told.
    static: true,
    build: (v) => {
      const y = op.softmax(op.add(x(v), v.m as Value));
      return op.where(v.keep as Value, y, constant(fromNumbers(y.dtype ?? 'float64', [], [0])));
    },
    torch: 'torch.softmax(torch.where(m.isinf().all(-1, keepdim=True), 0.0, x + m), -1) * keep',
  },
  {
    name: 'Softmax of which single entries are replaced by zeros',
    inputs: { x: [3, 4], keep: whole('bool', [3, 4], [1, 0, 1, 1, 0, 0, 1, 1, 1, 1, 1, 0]) },
    build: (v) => {
      const y = op.softmax(x(v));
      return op.where(v.keep as Value, y, constant(fromNumbers(y.dtype ?? 'float64', [], [0])));
    },
    torch: 'torch.softmax(x, -1) * keep',
  },
  {
    name: 'the exponential of LogSoftmax with entries of -inf',
    inputs: { x: [2, 4], m: masked },
    fixed: ['m'],
    build: (v) => op.exp(op.logSoftmax(op.add(x(v), v.m as Value))),
    torch: 'torch.log_softmax(x + m, -1).exp()',
  },
  {
    name: 'Hardmax passes nothing',
    inputs: { x: [2, 4] },
    build: (v) => op.add(op.hardmax(x(v)), op.mul(x(v), x(v))),
    torch: 'F.one_hot(x.argmax(-1), 4) + x * x',
  },
]);
