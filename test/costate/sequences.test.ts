import type { DType } from '../../src/files/dtype.ts';
import { fromNumbers } from '../../src/files/tensor.ts';
import { makeNode } from '../../src/graph/make.ts';
import * as op from '../../src/graph/op.ts';
import { tensorType } from '../../src/graph/type.ts';
import type { Value } from '../../src/graph/value.ts';
import { get } from './cases.ts';
import { type Case, judged } from './judge.ts';

const int = (value: number): Value => op.constant({ valueInt: value });
const squared = (y: Value): Value => op.mul(y, y);

function appended(name: string, attributes: { axis: number; newAxis?: number }, torch: string): Case {
  return {
    name,
    inputs: { h: [2, 3], w: [3, 3] },
    build: (v, dtype) => {
      const [, list] = op.loop(
        int(3),
        undefined,
        [get(v, 'h'), op.sequenceEmpty({ dtype })],
        (_turn, _going, h, outs) => {
          const next = op.tanh(op.matMul(h as Value, get(v, 'w')));
          return { carried: [next, op.sequenceInsert(outs as Value, next)] };
        },
      );
      return squared(op.concatFromSequence(list as Value, attributes));
    },
    torch: `outs = []
for t in range(3):
  h = torch.tanh(h @ w)
  outs.append(h)
z = ${torch}
return z * z`,
  };
}

function asVector(x: Value, dtype: DType): Value {
  const inferred = [{ type: tensorType(dtype, undefined) }];
  const inputs = [x, op.constant({ valueInts: [1] })];
  return makeNode({ opType: 'Reshape', version: 21, inputs, outputCount: 1, inferred }).outputs[0] as Value;
}

/** A place that is only known at run time, so that the list is one at run time too. */
const place = (value: number) => ({ i: fromNumbers('int64', [], [value]) });

judged('co-states of lists', [
  appended('a list appended in a loop, stacked', { axis: 0, newAxis: 1 }, 'torch.stack(outs)'),
  appended('stacked behind', { axis: -1, newAxis: 1 }, 'torch.stack(outs, -1)'),
  appended('put together', { axis: 1 }, 'torch.cat(outs, 1)'),
  {
    name: 'one of several tensors',
    inputs: { a: [2, 3], b: [2, 3], ...place(1) },
    build: (v) =>
      squared(op.sequenceAt(op.sequenceConstruct([op.mul(get(v, 'a'), get(v, 'b')), get(v, 'b')]), get(v, 'i'))),
    torch: 'z = b + 0 * a\nreturn z * z',
  },
  {
    name: 'a known one of several tensors',
    inputs: { a: [2, 3], b: [2, 3] },
    build: (v) => squared(op.sequenceAt(op.sequenceConstruct([op.mul(get(v, 'a'), get(v, 'b')), get(v, 'b')]), int(0))),
    torch: 'z = a * b\nreturn z * z',
  },
  {
    name: 'a list with one put in and one taken out',
    inputs: { a: [2], b: [2], ...place(0) },
    build: (v) => {
      const list = op.sequenceInsert(
        op.sequenceConstruct([get(v, 'a'), get(v, 'b')]),
        op.mul(get(v, 'a'), get(v, 'b')),
        get(v, 'i'),
      );
      return squared(op.concatFromSequence(op.sequenceErase(list, int(1)), { axis: 0 }));
    },
    torch: 'z = torch.cat([a * b, b])\nreturn z * z',
  },
  {
    name: 'a tensor split, put together otherwise, and one part read',
    inputs: { x: [4, 3], ...place(2) },
    build: (v) => {
      const parts = op.splitToSequence(get(v, 'x'), op.constant({ valueInts: [1, 2, 1] }));
      return [squared(op.concatFromSequence(parts, { axis: 0 })), squared(op.sequenceAt(parts, get(v, 'i')))];
    },
    torch: 'return x * x, x[3:] * x[3:]',
  },
  {
    name: 'a list mapped, with another list, a tensor for all and what is captured',
    inputs: { x: [4, 3], y: [4, 3], w: [3], b: [1, 3] },
    build: (v) => {
      const [xs, ys] = [op.splitToSequence(get(v, 'x')), op.splitToSequence(get(v, 'y'))];
      const [sums, more] = op.sequenceMap(xs, [ys, get(v, 'w')], (x, y, w) => [
        op.mul(op.tanh(op.mul(x, w as Value)), op.add(y as Value, get(v, 'b'))),
        op.mul(x, get(v, 'b')),
      ]) as [Value, Value];
      return [squared(op.concatFromSequence(sums, { axis: 0 })), squared(op.sequenceAt(more, int(-1)))];
    },
    torch: 'z, u = torch.tanh(x * w) * (y + b), (x * b)[3:]\nreturn z * z, u * u',
  },
  {
    // As PyTorch's exporter writes atleast_1d: what the branch never taken does need not fit, and files say nothing of it.
    name: 'a list mapped, with a branch that none of its elements fits',
    inputs: { a: [4, 3], b: [4, 3] },
    build: (v, dtype) => {
      const mapped = op.sequenceMap(op.sequenceConstruct([get(v, 'a'), get(v, 'b')]), [], (x) => {
        const isNumber = op.equal(op.size(op.shape(x)), int(0));
        return op.if(isNumber, { thenBranch: () => [asVector(x, dtype)], elseBranch: () => [op.identity(x)] });
      });
      return squared(op.concatFromSequence(mapped[0] as Value, { axis: 0 }));
    },
    torch: 'z = torch.cat([a, b])\nreturn z * z',
  },
  {
    name: 'a list that a branch and a Loop read',
    inputs: { x: [3, 2], h: [2], c: fromNumbers('bool', [], [1]), ...place(1) },
    build: (v) => {
      const list = op.splitToSequence(op.mul(get(v, 'x'), get(v, 'x')), undefined, { keepdims: 0 });
      const [h] = op.loop(int(3), undefined, [get(v, 'h')], (turn, _g, h) => ({
        carried: [op.mul(op.sin(h as Value), op.sequenceAt(list, turn))],
      }));
      const [y] = op.if(get(v, 'c'), {
        thenBranch: () => [op.sequenceAt(list, get(v, 'i'))],
        elseBranch: () => [get(v, 'h')],
      });
      return op.mul(h as Value, y as Value);
    },
    torch: `xs = x * x
for t in range(3): h = torch.sin(h) * xs[t]
return h * xs[1]`,
  },
  {
    name: 'optionals',
    inputs: { x: [3] },
    build: (v) => op.optionalGetElement(op.optional(squared(get(v, 'x')))),
    torch: 'x * x',
  },
  {
    name: 'a list of one tensor, emptied from behind and filled in front',
    inputs: { a: [2], b: [2] },
    build: (v) => {
      const both = op.sequenceInsert(op.sequenceConstruct([squared(get(v, 'a'))]), get(v, 'b'), int(-1));
      const one = op.sequenceErase(both);
      return squared(
        op.concatFromSequence(op.sequenceInsert(one, op.sequenceAt(both, int(-1))), { axis: -1, newAxis: 1 }),
      );
    },
    torch: 'z = torch.stack([b, a * a], -1)\nreturn z * z',
  },
  {
    name: 'a list that begins with two tensors, whose last one and length each turn reads',
    inputs: { a: [2, 3], b: [2, 3], w: [3, 3], n: fromNumbers('int64', [], [3]) },
    build: (v) => {
      const start = op.sequenceConstruct([get(v, 'a'), op.mul(get(v, 'a'), get(v, 'b'))]);
      const [list, sum] = op.loop(get(v, 'n'), undefined, [start, get(v, 'b')], (_t, _g, hs, sum) => {
        const last = op.sequenceAt(hs as Value, int(-1));
        const next = op.tanh(op.matMul(last, get(v, 'w')));
        const length = op.castLike(op.sequenceLength(hs as Value), next);
        return { carried: [op.sequenceInsert(hs as Value, next), op.add(op.div(sum as Value, length), last)] };
      });
      return [squared(op.concatFromSequence(list as Value, { axis: 0, newAxis: 1 })), squared(sum as Value)];
    },
    torch: `hs, s = [a, a * b], b
for t in range(3):
  s = s / len(hs) + hs[-1]
  hs.append(torch.tanh(hs[-1] @ w))
z = torch.stack(hs)
return z * z, s * s`,
  },
  {
    name: 'two lists of one Loop, one put together along its own axis',
    inputs: { h: [2, 3], x: [4, 2, 3], n: fromNumbers('int64', [], [4]) },
    build: (v, dtype) => {
      const empty = op.sequenceEmpty({ dtype });
      const [, one, other] = op.loop(get(v, 'n'), undefined, [get(v, 'h'), empty, empty], (turn, _g, h, one, other) => {
        const row = op.gather(get(v, 'x'), turn);
        const next = op.sin(op.mul(h as Value, row));
        return {
          carried: [next, op.sequenceInsert(one as Value, next), op.sequenceInsert(other as Value, op.mul(row, next))],
        };
      });
      return [
        squared(op.concatFromSequence(one as Value, { axis: -1 })),
        squared(op.concatFromSequence(other as Value, { axis: 1, newAxis: 1 })),
      ];
    },
    torch: `p, q = [], []
for t in range(4):
  h = torch.sin(h * x[t])
  p.append(h)
  q.append(x[t] * h)
p, q = torch.cat(p, -1), torch.stack(q, 1)
return p * p, q * q`,
  },
]);
