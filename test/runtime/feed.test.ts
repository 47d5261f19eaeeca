import { describe, expect, it } from 'vitest';
import { fromNumbers } from '../../src/files/tensor.ts';
import { checkFeeds, checkOutputs } from '../../src/runtime/feed.ts';
import type { TensorDescription } from '../../src/runtime/session.ts';

const inputs: TensorDescription[] = [
  { name: 'a', dtype: 'float32', shape: ['B', 'T'] },
  { name: 'b', dtype: 'float32', shape: ['T', 2] },
  { name: 'c', dtype: 'int64', shape: undefined },
  { name: 'd', dtype: 'bool', shape: [undefined] },
];
const zeros = (dtype: 'float32' | 'int64' | 'bool' | 'float64', shape: number[]) =>
  fromNumbers(dtype, shape, new Array(shape.reduce((x, y) => x * y, 1)).fill(0));
const good = {
  a: zeros('float32', [5, 3]),
  b: zeros('float32', [3, 2]),
  c: zeros('int64', [1, 1, 1]),
  d: zeros('bool', [7]),
};

describe('checkFeeds', () => {
  it('takes what fits, in the order of the inputs, and leaves the rest', () => {
    const feeds = checkFeeds(inputs, { extra: zeros('bool', []), d: good.d, c: good.c, b: good.b, a: good.a });
    expect([...feeds.keys()]).toEqual(['a', 'b', 'c', 'd']);
    expect(checkFeeds(inputs, new Map(Object.entries(good))).size).toBe(4);
  });

  it('lists every missing input with dtype and shape', () => {
    expect(() => checkFeeds(inputs, { b: good.b, d: good.d })).toThrow(
      expect.objectContaining({ code: 'MISSING_INPUT', message: "missing inputs 'a' float32[B, T], 'c' int64[...]" }),
    );
  });

  it.each([
    ['another dtype', { ...good, a: zeros('float64', [5, 3]) }, 'DTYPE_MISMATCH', 'got float64[5, 3]'],
    [
      'another rank',
      { ...good, a: zeros('float32', [5]) },
      'SHAPE_MISMATCH',
      "expected 'a' float32[B, T], got float32[5]",
    ],
    ['another size', { ...good, b: zeros('float32', [3, 4]) }, 'SHAPE_MISMATCH', 'got float32[3, 4]'],
    [
      'two sizes of one symbol',
      { ...good, b: zeros('float32', [4, 2]) },
      'SHAPE_MISMATCH',
      "'T' is 3 in 'a' and 4 here",
    ],
  ])('refuses %s', (_, feeds, code, message) => {
    expect(() => checkFeeds(inputs, feeds)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
  });
});

describe('checkOutputs', () => {
  const outputs = inputs.slice(0, 3);
  it('keeps the order of the model, and knows no other names', () => {
    expect(checkOutputs(outputs, undefined)).toEqual(['a', 'b', 'c']);
    expect(checkOutputs(outputs, ['c', 'a'])).toEqual(['a', 'c']);
    expect(() => checkOutputs(outputs, ['z'])).toThrow(expect.objectContaining({ code: 'UNKNOWN_OUTPUT' }));
  });
});
