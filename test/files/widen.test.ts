import fc from 'fast-check';
import { expect, it } from 'vitest';
import { byteLengthOf, type DType } from '../../src/files/dtype.ts';
import { memorySource } from '../../src/files/source.ts';
import { fromNumbers, load, makeTensor, toNumbers } from '../../src/files/tensor.ts';
import { widened } from '../../src/files/widen.ts';

const types: readonly (readonly [DType, DType])[] = [
  ['bfloat16', 'float32'],
  ['float8e4m3fn', 'float32'],
  ['float4e2m1', 'float32'],
  ['float6e3m2', 'float32'],
  ['int4', 'int8'],
  ['uint2', 'uint8'],
];

it('gives any piece of the whole, from memory and from a file', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...types),
      fc.uint8Array({ minLength: 12, maxLength: 120 }),
      fc.nat(),
      fc.nat(),
      async ([dtype, wider], noise, a, b) => {
        const most = Math.floor((noise.byteLength * 8) / (byteLengthOf(dtype, 8) || 1));
        const count = Math.max(0, most - (a % 9));
        const length = byteLengthOf(dtype, count);
        const tensor = makeTensor(dtype, [count], noise.slice(0, length));
        const whole = fromNumbers(wider, [count], toNumbers(tensor)).bytes;
        const stored = { dtype, shape: [count], range: { source: memorySource(noise), offset: 0, length } };
        const begin = whole.byteLength === 0 ? 0 : a % whole.byteLength;
        const size = whole.byteLength === begin ? 0 : b % (whole.byteLength - begin);
        for (const given of [tensor, stored]) {
          const { range, ...type } = widened(given, wider);
          expect(type).toEqual({ dtype: wider, shape: [count] });
          expect((await load({ ...type, range })).bytes).toEqual(whole);
          expect(await range.source.read(range.offset + begin, size)).toEqual(whole.subarray(begin, begin + size));
        }
      },
    ),
    { numRuns: 500 },
  );
});
