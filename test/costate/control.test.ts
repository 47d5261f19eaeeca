import { describe, expect, it } from 'vitest';
import { costate } from '../../src/costate/costate.ts';
import { fromNumbers } from '../../src/files/tensor.ts';
import { input } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { get } from './cases.ts';
import { judged } from './judge.ts';

const int = (value: number): Value => op.constant({ valueInt: value });
const int64 = (value: number) => fromNumbers('int64', [], [value]);
const bool = (value: boolean) => fromNumbers('bool', [], [value ? 1 : 0]);

judged('co-states of Scan', [
  {
    name: 'a recurrence, its last state and all',
    inputs: { h: [2, 3], x: [4, 2, 3], w: [3, 3] },
    build: (v) =>
      op.scan([get(v, 'h')], [get(v, 'x')], ([h], [x]) => {
        const next = op.tanh(op.add(op.matMul(h as Value, get(v, 'w')), x as Value));
        return { carried: [next], scanned: [op.mul(next, next)] };
      }),
    torch: `ys = []
for t in range(4):
  h = torch.tanh(h @ w + x[t])
  ys.append(h * h)
return h, torch.stack(ys)`,
  },
  {
    name: 'backward along other axes',
    inputs: { h: [2, 3], x: [2, 3, 4] },
    build: (v) =>
      op.scan(
        [get(v, 'h')],
        [get(v, 'x')],
        ([h], [x]) => {
          const next = op.mul(op.sin(h as Value), x as Value);
          return { carried: [next], scanned: [op.add(next, x as Value)] };
        },
        { scanInputAxes: [2], scanInputDirections: [1], scanOutputAxes: [1], scanOutputDirections: [1] },
      ),
    torch: `ys = []
for t in reversed(range(4)):
  h = torch.sin(h) * x[:, :, t]
  ys.insert(0, h + x[:, :, t])
return h, torch.stack(ys, 1)`,
  },
  {
    name: 'states that are exchanged, one untouched, one captured',
    inputs: { a: [3], b: [3], c: [3], x: [3, 3] },
    build: (v) => {
      const [a, b, c] = op.scan([get(v, 'a'), get(v, 'b'), get(v, 'c')], [get(v, 'x')], ([p, q, r], [x]) => ({
        carried: [op.mul(q as Value, x as Value), op.add(p as Value, get(v, 'c')), r as Value],
      }));
      return [a as Value, op.mul(b as Value, c as Value)];
    },
    torch: `p, q = a, b
for t in range(3): p, q = q * x[t], p + c
return p, q * c`,
  },
  {
    name: 'a Scan in a Scan',
    inputs: { h: [2], x: [3, 2, 2] },
    build: (v) => {
      const [h] = op.scan([get(v, 'h')], [get(v, 'x')], ([outer], [rows]) => {
        const [inner] = op.scan([outer as Value], [rows as Value], ([state], [row]) => ({
          carried: [op.tanh(op.add(op.mul(state as Value, row as Value), get(v, 'h')))],
        }));
        return { carried: [op.mul(inner as Value, outer as Value)] };
      });
      return h as Value;
    },
    torch: `k = h
for t in range(3):
  i = k
  for r in range(2): i = torch.tanh(i * x[t, r] + h)
  k = i * k
return k`,
  },
]);

judged('co-states of Loop', [
  {
    name: 'a count of turns',
    inputs: { h: [2, 3], w: [3, 3], n: int64(4) },
    build: (v) =>
      op.loop(get(v, 'n'), undefined, [get(v, 'h')], (turn, _, h) => {
        const factor = op.castLike(op.add(turn, int(1)), get(v, 'h'));
        const next = op.div(op.tanh(op.matMul(h as Value, get(v, 'w'))), factor);
        return { carried: [next], scanned: [op.mul(next, next)] };
      }),
    torch: `ys = []
for t in range(4):
  h = torch.tanh(h @ w) / (t + 1)
  ys.append(h * h)
return h, torch.stack(ys)`,
  },
  {
    name: 'until a condition of the body ends it',
    inputs: { h: fromNumbers('float64', [2], [1.5, 2.5]) },
    build: (v) => {
      const [h, count] = op.loop(
        int(100),
        op.constant({ value: bool(true) }),
        [get(v, 'h'), int(0)],
        (_turn, _going, state, steps) => {
          const next = op.mul(state as Value, op.castLike(op.constant({ valueFloat: 1.5 }), state as Value));
          const going = op.less(
            op.reduceSum(next, undefined, { keepdims: 0 }),
            op.castLike(op.constant({ valueFloat: 30 }), next),
          );
          return { condition: going, carried: [op.add(next, op.sin(next)), op.add(steps as Value, int(1))] };
        },
      );
      return op.mul(h as Value, op.castLike(count as Value, h as Value));
    },
    torch: `n = 0
while True:
  k = h * 1.5
  h = k + torch.sin(k)
  n += 1
  if not (k.sum() < 30): break
return h * n`,
  },
  {
    name: 'no turn',
    inputs: { h: [2], w: [2], n: int64(0) },
    build: (v) => {
      const [h] = op.loop(get(v, 'n'), undefined, [get(v, 'h')], (_t, _c, h) => ({
        carried: [op.mul(h as Value, get(v, 'w'))],
      }));
      return op.mul(h as Value, h as Value);
    },
    torch: 'h * h + 0 * w',
  },
  {
    name: 'a Loop with an If that reads what is around both',
    inputs: { h: [2], w: [2], n: int64(3) },
    build: (v) => {
      const [h] = op.loop(get(v, 'n'), undefined, [get(v, 'h')], (turn, _c, h) => {
        const [next] = op.if(op.equal(op.mod(turn, int(2)), int(0)), {
          thenBranch: () => [op.mul(h as Value, get(v, 'w'))],
          elseBranch: () => [op.sin(h as Value)],
        });
        return { carried: [next as Value] };
      });
      return h as Value;
    },
    torch: `for t in range(3): h = h * w if t % 2 == 0 else torch.sin(h)
return h`,
  },
  {
    name: 'two Loops in a row',
    inputs: { h: [2], n: int64(2) },
    build: (v) => {
      const once = (start: Value): Value =>
        op.loop(get(v, 'n'), undefined, [start], (_t, _c, h) => ({
          carried: [op.mul(op.sin(h as Value), get(v, 'h'))],
        }))[0] as Value;
      return once(op.mul(once(get(v, 'h')), get(v, 'h')));
    },
    torch: `def f(s):
  for t in range(2): s = torch.sin(s) * h
  return s
return f(f(h) * h)`,
  },
]);

judged('co-states of If', [
  ...[true, false].map((taken) => ({
    name: `the branch that is ${taken}`,
    inputs: { x: [2, 3], w: [3], c: bool(taken) },
    build: (v: Readonly<Record<string, Value>>) =>
      op.if(get(v, 'c'), {
        thenBranch: () => [op.mul(get(v, 'x'), get(v, 'w')), get(v, 'x')],
        elseBranch: () => [op.sin(get(v, 'x')), op.mul(get(v, 'x'), get(v, 'x'))],
      }),
    torch: 'if c: return x * w, x * 1.0\nreturn torch.sin(x), x * x',
  })),
  {
    name: 'an If in an If',
    inputs: { x: [2], c: bool(true), d: bool(false) },
    build: (v) =>
      op.if(get(v, 'c'), {
        thenBranch: () => [
          op.mul(
            op.if(get(v, 'd'), {
              thenBranch: () => [get(v, 'x')],
              elseBranch: () => [op.exp(get(v, 'x'))],
            })[0] as Value,
            get(v, 'x'),
          ),
        ],
        elseBranch: () => [get(v, 'x')],
      }),
    torch: 'return (x if d else torch.exp(x)) * x if c else x * 1.0',
  },
]);

describe('a Loop whose state grows', () => {
  it('is refused before anything is built, with the state and both shapes', () => {
    const x = input('x', 'float32', [1, 3]);
    const [grown] = op.loop(int(4), undefined, [x], (_t, _c, state) => ({
      carried: [op.concat([state as Value, op.mul(x, x)], { axis: 0 })],
    }));
    const made = model({ inputs: [x], outputs: { y: grown as Value } });
    expect(() => costate(made)).toThrow(/no co-state of Loop: its carried state .* changes its shape/);
  });
});
