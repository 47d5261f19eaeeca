import { expect, it } from 'vitest';
import { costate } from '../../src/costate/costate.ts';
import { fromNumbers } from '../../src/files/tensor.ts';
import { constant, input } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { type Case, judged } from './judge.ts';

const squared = (y: Value): Value => op.mul(y, y);
const square = (torch: string): string => `z = ${torch}\nreturn z * z`;

function unique(
  name: string,
  x: Case['inputs'][string],
  attributes: Parameters<typeof op.unique>[1],
  torch: string,
): Case {
  return {
    name,
    inputs: { x },
    build: (v) => squared(op.unique(v.x as Value, attributes)[0]),
    torch: square(torch),
  };
}

judged('co-states of Unique', [
  unique('of all numbers, sorted', [2, 3], {}, 'x.flatten().sort()[0]'),
  unique('as they come', [2, 3], { sorted: 0 }, 'x.flatten()'),
  unique('of columns', [2, 3], { axis: 1 }, 'x[:, x[0].argsort()]'),
  unique('of rows, axis from the end', [3, 1, 2], { axis: -3 }, 'x[x[:, 0, 0].argsort()]'),
  {
    ...unique('with repeated numbers', fromNumbers('float64', [5], [2, 1, 2, 3, 1]), {}, 'x[torch.tensor([1, 0, 3])]'),
    // Moved apart from each other the numbers are no longer the same.
    engines: [],
    second: false,
  },
]);

judged('co-states of numbers that only a shape makes', [
  {
    name: 'EyeLike',
    inputs: { x: [3, 4] },
    build: (v) => op.mul(squared(v.x as Value), op.add(op.eyeLike(v.x as Value), v.x as Value)),
    torch: 'x * x * (torch.eye(3, 4, dtype=x.dtype) + x)',
  },
  {
    name: 'MelWeightMatrix',
    inputs: { low: fromNumbers('float64', [], [20]), high: fromNumbers('float64', [], [4000]) },
    build: (v, dtype) => {
      const int = (value: number): Value => constant(value, 'int64');
      const narrow = (x: Value): Value => op.cast(x, { to: 'float32' });
      const weights = op.melWeightMatrix(int(4), int(16), int(8192), narrow(v.low as Value), narrow(v.high as Value));
      return op.mul(op.reduceSum(op.cast(weights, { to: dtype })), op.mul(v.low as Value, v.high as Value));
    },
    second: false,
    static: true,
    tolerance: { differences: 1e-3, float32: 1e-3 },
  },
]);

it('passes nothing where numbers are drawn', () => {
  const x = input('x', 'float32', [2, 3]);
  for (const drawn of [op.randomNormalLike(x), op.randomUniformLike(x), op.bernoulli(x)]) {
    const { model: made } = costate(model({ inputs: [x], outputs: { y: op.add(op.mul(x, x), drawn) } }));
    expect(made.graph.outputs.map(({ name }) => name)).toEqual(['y', 'costate_x']);
  }
});
