import Long from 'long';
import { describe, expect, it } from 'vitest';
import { validate } from '../../src/graph/validate/validate.ts';
import type { ModelInit } from '../../src/onnx/messages.ts';

const long = (...values: number[]) => values.map((value) => Long.fromNumber(value));
const info = (name: string, elemType: number, ...sizes: (number | string)[]) => ({
  name,
  type: {
    tensorType: {
      elemType,
      shape: {
        dim: sizes.map((size) => (typeof size === 'string' ? { dimParam: size } : { dimValue: long(size)[0] })),
      },
    },
  },
});
const call = (opType: string, input: string[], output: string) => ({ opType, input, output: [output] });
const weights = (...dims: number[]) => ({ name: 'w', dataType: 1, dims: long(...dims), floatData: Array(4).fill(1) });

/** `x` of [n, 3] or, where its second size is 2, `a @ x`, where `a` is [3, 3]: a product that fits no such `x`. */
function model(condition: 'known' | 'given'): ModelInit {
  const branch = (name: string, node: ReturnType<typeof call>) => ({
    name,
    type: 5,
    g: { name, node: [node], output: [info(node.output[0] ?? '', 1, `${name}_rows`, `${name}_columns`)] },
  });
  return {
    irVersion: Long.fromNumber(8),
    opsetImport: [{ domain: '', version: Long.fromNumber(18) }],
    graph: {
      name: 'g',
      input: [info('x', 1, 'n', 3), info('asked', 9)],
      initializer: [
        weights(2, 2),
        { name: 'one', dataType: 7, dims: long(1), int64Data: long(1) },
        { name: 'two', dataType: 7, dims: long(1), int64Data: long(2) },
      ],
      node: [
        call('Shape', ['x'], 'sizes'),
        call('Gather', ['sizes', 'one'], 'columns'),
        call('Equal', ['columns', 'two'], 'is_two'),
        { ...call('Concat', ['columns', 'columns'], 'square'), attribute: [{ name: 'axis', type: 2, i: long(0)[0] }] },
        call('ConstantOfShape', ['square'], 'a'),
        {
          ...call('If', [condition === 'known' ? 'is_two' : 'asked'], 'y'),
          attribute: [
            branch('then_branch', call('MatMul', ['a', 'w'], 'product')),
            branch('else_branch', call('Identity', ['x'], 'same')),
          ],
        },
      ],
      output: [info('y', 1, 'rows', 'columns_')],
    },
  } as ModelInit;
}

describe('a branch that is never taken', () => {
  it('may hold a call whose sizes do not fit', async () => {
    expect(await validate(model('known'))).toMatchObject([
      { code: 'SHAPE_MISMATCH', severity: 'info', where: { operator: 'MatMul', tensor: 'product' } },
    ]);
  });

  it('is held to its sizes where it may be taken', async () => {
    expect(await validate(model('given'))).toMatchObject([
      { code: 'SHAPE_MISMATCH', severity: 'error', where: { operator: 'MatMul', tensor: 'product' } },
    ]);
  });
});
