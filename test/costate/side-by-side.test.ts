import { expect, it } from 'vitest';
import { costate } from '../../src/costate/costate.ts';
import { input } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { get } from './cases.ts';
import { type Case, judged } from './judge.ts';

const list = (...values: readonly number[]): Value => op.constant({ valueInts: values });
const slice = (x: Value, from: number, to: number, axis: number): Value =>
  op.slice(x, list(from), list(to), list(axis));

/** Parts of x along an axis, each used in another way. */
function inParts(x: Value, axis: number, places: readonly (readonly [number, number])[]): Value {
  const uses = [op.sin, op.exp, op.tanh, (value: Value) => op.mul(value, value)];
  const parts = places.map(([from, to], at) => (uses[at] as (value: Value) => Value)(slice(x, from, to, axis)));
  return op.sum(parts.map((value) => op.reduceSum(value, undefined, { keepdims: 0 })));
}

const cases: readonly [string, readonly (readonly [number, number])[]][] = [
  [
    'all of an axis in equal parts',
    [
      [0, 2],
      [2, 4],
      [4, 6],
      [6, 8],
    ],
  ],
  [
    'three parts',
    [
      [0, 1],
      [1, 5],
      [5, 8],
    ],
  ],
  [
    'parts in another order',
    [
      [4, 8],
      [0, 1],
      [1, 4],
    ],
  ],
  [
    'parts that leave both ends',
    [
      [1, 3],
      [3, 6],
    ],
  ],
  [
    'parts that do not touch',
    [
      [0, 3],
      [5, 8],
    ],
  ],
  [
    'parts that overlap',
    [
      [0, 5],
      [3, 8],
    ],
  ],
];

judged(
  'co-states of slices side by side',
  cases.map(([name, places]): Case => {
    const torch = places.map(([from, to], at) => {
      const part = `x[:, ${from}:${to}]`;
      return `(${[`torch.sin(${part})`, `torch.exp(${part})`, `torch.tanh(${part})`, `${part} ** 2`][at]}).sum()`;
    });
    return { name, inputs: { x: [2, 8] }, build: (v) => inParts(get(v, 'x'), 1, places), torch: torch.join(' + ') };
  }),
);

function operators(places: readonly (readonly [number, number])[]): readonly string[] {
  const x = input('x', 'float32', [2, 8]);
  const made = costate(model({ inputs: [x], outputs: { y: inParts(x, 1, places) } })).model;
  return made.graph.nodes.map(({ opType }) => opType).filter((name) => name === 'Pad' || name === 'Concat');
}

it('puts co-states of slices together without a sum', () => {
  expect(cases.map(([, places]) => operators(places))).toEqual([
    ['Concat'],
    ['Concat'],
    ['Concat'],
    ['Concat', 'Pad'],
    ['Pad', 'Pad'],
    ['Pad', 'Pad'],
  ]);
});
