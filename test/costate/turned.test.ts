import { expect, it } from 'vitest';
import { costate } from '../../src/costate/costate.ts';
import { input } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import { type Case, judged, type Values } from './judge.ts';

const at = (v: Values, name: string) => {
  const value = v[name];
  if (value === undefined) throw new Error(`no ${name}`);
  return value;
};

it('turns no product whose co-state would come out transposed', () => {
  const [q, k] = [input('q', 'float32', [2, 3, 4]), input('k', 'float32', [2, 5, 4])];
  const scores = op.matMul(q, op.transpose(k, { perm: [0, 2, 1] }));
  const made = costate(model({ inputs: [q, k], outputs: { scores } }), { seed: 'input' }).model;
  const nodes = made.graph.nodes.map(({ opType }) => opType);
  // One for the scores, and one of what comes back.
  expect(nodes.filter((name) => name === 'Transpose')).toHaveLength(2);
  expect(nodes.filter((name) => name === 'MatMul')).toHaveLength(3);
});

const product = (name: string, q: readonly number[], k: readonly number[], perm: readonly number[]): Case => ({
  name,
  inputs: { q, k },
  build: (v) => op.matMul(at(v, 'q'), op.transpose(at(v, 'k'), { perm })),
  torch: `q @ k.permute(${perm.join(', ')})`,
});

judged('co-states of products of what is transposed', [
  product('matrices', [3, 4], [5, 4], [1, 0]),
  product('batches', [2, 3, 4], [2, 5, 4], [0, 2, 1]),
  product('heads', [2, 2, 3, 4], [2, 2, 5, 4], [0, 1, 3, 2]),
  product('a batch that is spread', [2, 3, 4], [1, 5, 4], [0, 2, 1]),
  product('heads last but one', [2, 2, 3, 4], [2, 5, 2, 4], [0, 2, 3, 1]),
  {
    name: 'a product that is used as it is too',
    inputs: { q: [2, 3, 4], k: [2, 3, 5] },
    build: (v) => {
      const made = op.matMul(op.transpose(at(v, 'q'), { perm: [0, 2, 1] }), at(v, 'k'));
      return [op.transpose(made, { perm: [0, 2, 1] }), op.mul(made, made)];
    },
    torch: 'p = q.transpose(1, 2) @ k\nreturn p.transpose(1, 2), p * p',
  },
]);
