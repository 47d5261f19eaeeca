import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { costate } from '../../src/costate/costate.ts';
import { input } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import { textOf } from '../../src/graph/passes/constants.ts';
import { get } from './cases.ts';
import { type Case, judged } from './judge.ts';

const names = ['a', 'b', 'c', 'd'];

function summed(equation: string, shapes: readonly (readonly number[])[], more: Partial<Case> = {}): Case {
  const operands = names.slice(0, shapes.length);
  return {
    name: `'${equation}' of [${shapes.join('], [')}]`,
    inputs: Object.fromEntries(shapes.map((shape, index) => [operands[index], shape])),
    build: (v) => {
      const y = op.einsum(
        operands.map((name) => get(v, name)),
        { equation },
      );
      return op.mul(y, y);
    },
    torch: `z = torch.einsum("${equation}", ${operands.join(', ')})\nreturn z * z`,
    ...more,
  };
}

/** Random equations of one to three operands of ranks 0 to 3, letters repeated within an operand now and then. */
const drawn = fc
  .sample(
    fc.record({
      operands: fc.array(fc.array(fc.constantFrom('i', 'j', 'k', 'l'), { maxLength: 3 }), {
        minLength: 1,
        maxLength: 3,
      }),
      keep: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
      turned: fc.boolean(),
    }),
    { numRuns: 30, seed: 3 },
  )
  .map(({ operands, keep, turned }) => {
    const sizes: Readonly<Record<string, number>> = { i: 2, j: 3, k: 4, l: 2 };
    const there = [...new Set(operands.flat())].filter((_, at) => keep[at]);
    const output = turned ? there.reverse() : there;
    const equation = `${operands.map((letters) => letters.join('')).join()}->${output.join('')}`;
    return summed(
      equation,
      operands.map((letters) => letters.map((letter) => sizes[letter] ?? 1)),
      // One size in two places: the same symbol.
      { dims: Object.fromEntries(operands.map((letters, at) => [names[at] ?? '', letters])) },
    );
  });

judged('co-states of Einstein sums', [
  ...new Map(drawn.map((one) => [one.name, one])).values(),
  summed('...ij,...jk->...ik', [
    [2, 1, 3, 4],
    [1, 3, 4, 2],
  ]),
  summed('...i,...i->...', [
    [2, 3, 4],
    [1, 3, 4],
  ]),
  summed('...,...', [
    [2, 3],
    [1, 3],
  ]),
  summed('i...j->...', [[2, 3, 2]]),
  summed('...ii->...i', [[2, 3, 3]]),
  summed('b...i,oi->b...o', [
    [2, 3, 2, 4],
    [5, 4],
  ]),
  summed('i...k,i...->i...', [
    [2, 1, 4],
    [2, 3],
  ]),
  summed('...ii,...->...', [[1, 3, 3], [2]]),
  summed('bd,...nd->b...n', [
    [2, 3],
    [2, 4, 3],
  ]),
  summed('zB,Ba', [
    [2, 3],
    [3, 4],
  ]),
  summed(',ij->ji', [[], [2, 3]]),
  summed(',', [[], []]),
  summed('', [[]]),
  summed('iiji->j', [[2, 2, 3, 2]]),
  summed('ij,jk->ik', [
    [0, 3],
    [3, 2],
  ]),
  summed('ab,bc,cd,da->', [
    [2, 3],
    [3, 4],
    [4, 2],
    [2, 2],
  ]),
]);

it('multiplies the operands of a chain in an order in which neighbours share letters', () => {
  const operands = ['ij', 'jk', 'kl'].map((letters, at) => input(names[at] ?? '', 'float32', [...letters]));
  const y = op.einsum(operands, { equation: 'ij,jk,kl->il' });
  const made = costate(model({ inputs: operands, outputs: [{ name: 'y', value: y }] }), { wrt: ['a', 'b', 'c'] });
  const equations = made.model.graph.nodes
    .map(({ attributes }) => attributes.get('equation'))
    .map((attribute) => (attribute === undefined ? undefined : textOf(attribute)));
  expect(equations).toContain('il,kl,jk->ij');
});
