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
  {
    name: 'layers whose weights are summed over all turns at once',
    inputs: { h: [2, 3], x: [4, 2, 3], w: [3, 3], b: [3], u: [4, 3], c: [1, 4], d: [4, 3] },
    build: (v) =>
      op.scan([get(v, 'h')], [get(v, 'x')], ([h], [x]) => {
        const wide = op.gemm(op.add(op.matMul(h as Value, get(v, 'w')), get(v, 'b')), get(v, 'u'), get(v, 'c'), {
          transB: 1,
          alpha: 0.5,
          beta: 2,
        });
        const next = op.tanh(op.add(get(v, 'b'), op.matMul(op.sin(wide), get(v, 'd'))));
        return { carried: [op.add(next, x as Value)], scanned: [op.mul(next, h as Value)] };
      }),
    torch: `ys = []
for t in range(4):
  n = torch.tanh(torch.sin(0.5 * (h @ w + b) @ u.T + 2 * c) @ d + b)
  ys.append(n * h)
  h = n + x[t]
return h, torch.stack(ys)`,
  },
  {
    name: 'a matrix before the state of one axis, and rows read by index',
    inputs: { h: [3], w: [3, 3], e: [5, 3], i: fromNumbers('int64', [4], [1, 4, 1, 0]) },
    build: (v) =>
      op.scan([get(v, 'h')], [get(v, 'i')], ([h], [i]) => {
        const row = op.gather(get(v, 'e'), i as Value);
        const column = op.gather(get(v, 'w'), op.mod(i as Value, int(3)), { axis: 1 });
        return { carried: [op.tanh(op.add(op.matMul(get(v, 'w'), h as Value), row))], scanned: [op.mul(column, row)] };
      }),
    torch: `ys = []
for t in [1, 4, 1, 0]:
  ys.append(w[:, t % 3] * e[t])
  h = torch.tanh(w @ h + e[t])
return h, torch.stack(ys)`,
  },
  {
    name: 'axes counted from behind, sequences that are not needed, states that are no floats',
    inputs: { h: [2], x: [2, 3], z: [3, 2], k: fromNumbers('int64', [], [2]) },
    build: (v) => {
      const [h, k, ys] = op.scan(
        [get(v, 'h'), get(v, 'k')],
        [get(v, 'x'), get(v, 'z')],
        ([h, k], [x, z]) => {
          const scaled = op.div(h as Value, op.castLike(k as Value, h as Value));
          return {
            carried: [op.mul(scaled, x as Value), op.add(k as Value, int(1))],
            scanned: [op.add(z as Value, x as Value)],
          };
        },
        { scanInputAxes: [-1, 0], scanOutputAxes: [-1] },
      );
      return [op.mul(h as Value, op.castLike(k as Value, h as Value)), ys as Value];
    },
    torch: `ys = []
for t in range(3):
  h = h / (2 + t) * x[:, t]
  ys.append(z[t] + x[:, t])
return h * 5, torch.stack(ys, 1)`,
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
  {
    name: 'a Loop in a Loop, as many turns as that of the other, over what both capture',
    inputs: { h: [2, 3], w: [3, 3], n: int64(3) },
    build: (v) => {
      const [h] = op.loop(get(v, 'n'), undefined, [get(v, 'h')], (turn, _c, outer) => {
        const scale = op.sin(outer as Value);
        const [inner, ys] = op.loop(op.add(turn, int(1)), undefined, [outer as Value], (_t, _g, state) => {
          const next = op.tanh(op.matMul(op.mul(state as Value, scale), get(v, 'w')));
          return { carried: [next], scanned: [op.mul(next, get(v, 'h'))] };
        });
        const sum = op.reduceSum(ys as Value, op.constant({ valueInts: [0] }), { keepdims: 0 });
        return { carried: [op.add(op.mul(inner as Value, outer as Value), sum)] };
      });
      return h as Value;
    },
    torch: `k = h
for t in range(3):
  s, i, e = torch.sin(k), k, 0
  for r in range(t + 1):
    i = torch.tanh((i * s) @ w)
    e = e + i * h
  k = i * k + e
return k`,
  },
  {
    name: 'rows read in turn, until a condition says so, and weights',
    inputs: { x: [5, 2, 3], h: [2, 3], w: [3, 3], b: [3], u: [2, 2, 3], n: int64(3) },
    build: (v) => {
      const [h, ys] = op.loop(int(5), op.constant({ value: bool(true) }), [get(v, 'h')], (turn, _g, h) => {
        const row = op.gather(get(v, 'x'), turn);
        const other = op.gather(get(v, 'u'), op.mod(turn, int(2)), { axis: 1 });
        const next = op.tanh(op.add(op.add(op.matMul(h as Value, get(v, 'w')), get(v, 'b')), op.mul(row, other)));
        return { condition: op.less(op.add(turn, int(1)), get(v, 'n')), carried: [next], scanned: [op.mul(next, row)] };
      });
      return [h as Value, ys as Value];
    },
    torch: `ys = []
for t in range(3):
  h = torch.tanh(h @ w + b + x[t] * u[:, t % 2])
  ys.append(h * x[t])
return h, torch.stack(ys)`,
  },
  {
    name: 'no turn, over weights and rows',
    inputs: { h: [2, 3], w: [3, 3], b: [3], x: [4, 3], n: int64(0) },
    build: (v) => {
      const [h] = op.loop(get(v, 'n'), undefined, [get(v, 'h')], (turn, _g, h) => ({
        carried: [op.add(op.gemm(h as Value, get(v, 'w'), get(v, 'b')), op.gather(get(v, 'x'), turn))],
      }));
      return op.mul(h as Value, h as Value);
    },
    torch: 'return h * h + 0 * (w.sum() + b.sum() + x.sum())',
  },
  {
    name: 'no state at all, values stacked',
    inputs: { x: [3, 2] },
    build: (v) =>
      op.loop(int(3), op.constant({ value: bool(true) }), [], (turn) => {
        const row = op.gather(get(v, 'x'), turn);
        return { carried: [], scanned: [op.mul(row, row)] };
      }),
    torch: 'x * x',
  },
  {
    name: 'states exchanged, a state that becomes what is captured, a state passed on',
    inputs: { a: [2], b: [2], c: [2], d: [2], n: int64(3) },
    build: (v) => {
      const [p, q, r, s] = op.loop(
        get(v, 'n'),
        undefined,
        [get(v, 'a'), get(v, 'b'), get(v, 'a'), get(v, 'd')],
        (_t, _g, p, q, r, s) => ({
          carried: [op.mul(q as Value, r as Value), op.sin(p as Value), get(v, 'c'), s as Value],
        }),
      ) as [Value, Value, Value, Value];
      return [p, op.mul(q, s), r];
    },
    torch: `p, q, r = a, b, a
for t in range(3): p, q, r = q * r, torch.sin(p), c * 1.0
return p, q * d, r`,
  },
  {
    name: 'a state that each turn replaces',
    inputs: { h: [2], x: [3, 2] },
    build: (v) => {
      const [h] = op.loop(int(3), undefined, [get(v, 'h')], (turn) => ({
        carried: [op.sin(op.gather(get(v, 'x'), turn))],
      }));
      return op.mul(h as Value, h as Value);
    },
    torch: 'z = torch.sin(x[2])\nreturn z * z + 0 * h',
  },
  {
    name: 'a Scan in a branch, in a Loop',
    inputs: { h: [2], x: [3, 2], n: int64(2) },
    build: (v) => {
      const [h] = op.loop(get(v, 'n'), undefined, [get(v, 'h')], (turn, _c, h) => {
        const [next] = op.if(op.equal(turn, int(1)), {
          thenBranch: () => [
            op.scan([h as Value], [get(v, 'x')], ([s], [x]) => ({
              carried: [op.tanh(op.mul(s as Value, x as Value))],
            }))[0] as Value,
          ],
          elseBranch: () => [op.mul(h as Value, op.sin(h as Value))],
        });
        return { carried: [next as Value] };
      });
      return h as Value;
    },
    torch: `h = h * torch.sin(h)
for t in range(3): h = torch.tanh(h * x[t])
return h`,
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
  ...[true, false].map((taken) => ({
    name: `branches of different shapes, ${taken}`,
    inputs: { x: [2, 3], b: [3], c: bool(taken) },
    build: (v: Readonly<Record<string, Value>>) => {
      const [y, z] = op.if(get(v, 'c'), {
        thenBranch: () => [op.mul(get(v, 'x'), get(v, 'b')), get(v, 'b')],
        elseBranch: () => [op.exp(get(v, 'b')), op.reduceSum(get(v, 'x'), undefined, { keepdims: 0 })],
      }) as [Value, Value];
      return [
        op.reshape(op.mul(y, get(v, 'b')), op.constant({ valueInts: [-1] })),
        op.reduceSum(op.sin(z), undefined, { keepdims: 0 }),
      ];
    },
    torch: 'return ((x * b * b).reshape(-1), torch.sin(b).sum()) if c else (torch.exp(b) * b, torch.sin(x.sum()))',
  })),
  {
    name: 'a branch that gives nothing of what is asked for',
    inputs: { x: [2], k: fromNumbers('float64', [2], [1, 2]), c: bool(false) },
    fixed: ['k'],
    build: (v) => {
      const [y] = op.if(get(v, 'c'), {
        thenBranch: () => [op.exp(get(v, 'x'))],
        elseBranch: () => [op.neg(get(v, 'k'))],
      });
      return op.mul(y as Value, get(v, 'x'));
    },
    torch: 'return -k * x',
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
