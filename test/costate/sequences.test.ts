import { fromNumbers } from '../../src/files/tensor.ts';
import * as op from '../../src/graph/op.ts';
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
]);
