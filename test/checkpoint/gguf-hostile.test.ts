import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/open.ts';
import { verifyCheckpoint } from '../../src/checkpoint/verify.ts';
import { HopfcoleError } from '../../src/files/error.ts';
import { memorySource } from '../../src/files/source.ts';
import { load, toNumbers } from '../../src/files/tensor.ts';
import { file, join, parts } from './gguf-file.ts';

const { u32, u64, text, header, pair, tensor } = parts();

const data = new Uint8Array(128).map((_, i) => i);
const good = file(
  join(
    header(3, 3),
    pair('general.architecture', 8, text('llama')),
    pair('general.alignment', 4, u32(32)),
    pair('tokens', 9, join(u32(8), u64(2), text('a'), text('bc'))),
    tensor('a', [4, 2], 0, 0),
    tensor('b', [32], 8, 32),
    tensor('c', [2], 26, 96),
  ),
  data,
);

/** One tensor entry and its data. */
const single = (entry: Uint8Array) => file(join(header(1, 0), entry), data);
/** One pair, no tensor. */
const meta = (value: Uint8Array) => join(header(0, 1), value, new Uint8Array(64));
/** Arrays in arrays, one element each. */
const nested = (depth: number) =>
  join(...Array.from({ length: depth }, () => join(u32(9), u64(1))), u32(0), u64(1), Uint8Array.of(7));

/** What says that it is the first part of so many. */
const split = (type: number, count: Uint8Array) =>
  join(header(0, 2), pair('split.no', 4, u32(0)), pair('split.count', type, count), new Uint8Array(64));

async function verified(bytes: Uint8Array): Promise<unknown> {
  return verifyCheckpoint(memorySource(bytes, 'm.gguf'));
}

it('reads the file that all the others are broken from', async () => {
  const { tensors, metadata } = await verifyCheckpoint(memorySource(good));
  expect([...tensors].map(([name, { dtype, shape }]) => [name, dtype, shape])).toEqual([
    ['a', 'float32', [2, 4]],
    ['b', 'float32', [32]],
    ['c', 'int32', [2]],
  ]);
  expect(Object.fromEntries(metadata)).toEqual({ 'general.architecture': 'llama', 'general.alignment': 32 });
});

describe('refused', () => {
  it.each<[what: string, code: string, message: RegExp, bytes: Uint8Array]>([
    ['nothing but the mark', 'BAD_GGUF', /4 bytes cannot hold/, new TextEncoder().encode('GGUF')],
    ['version 0', 'UNSUPPORTED_FORMAT', /version 0/, header(0, 0, 0)],
    ['version 1', 'UNSUPPORTED_FORMAT', /version 1/, header(0, 0, 1)],
    ['version 4', 'UNSUPPORTED_FORMAT', /version 4/, header(0, 0, 4)],
    ['a version of all bits', 'UNSUPPORTED_FORMAT', /version 4294967295/, header(0, 0, 0xffffffff)],
    ['2^63 tensors', 'BAD_GGUF', /number of tensors is 9223372036854775808/, header(2n ** 63n, 0)],
    ['2^50 tensors', 'BAD_GGUF', /more than is sensible/, header(2n ** 50n, 0)],
    ['more tensors than the file has', 'BAD_GGUF', /header goes on/, header(900_000, 0)],
    ['2^64 - 1 keys', 'BAD_GGUF', /number of metadata keys/, header(0, 2n ** 64n - 1n)],
    ['2^40 keys', 'BAD_GGUF', /more than is sensible/, header(0, 2n ** 40n)],
    ['more keys than the file has', 'BAD_GGUF', /header goes on/, header(0, 60_000)],
    ['a key of 2^62 bytes', 'BAD_GGUF', /length of a metadata key is/, meta(u64(2n ** 62n))],
    ['a key of 100,000 bytes', 'BAD_GGUF', /limit is 65535/, meta(u64(100_000))],
    ['a key that is no UTF-8', 'BAD_GGUF', /not valid UTF-8/, meta(pair(Uint8Array.of(0xff), 0, u32(0)))],
    [
      'a key twice',
      'BAD_GGUF',
      /"k" stands twice/,
      join(header(0, 2), pair('k', 0, Uint8Array.of(1)), pair('k', 0, Uint8Array.of(2))),
    ],
    ['a value of an unknown type', 'BAD_GGUF', /unknown type 13/, meta(pair('k', 13, u64(0)))],
    ['a value of a type of Object', 'BAD_GGUF', /unknown type 4294967295/, meta(pair('k', 0xffffffff, u64(0)))],
    ['a boolean of 2', 'BAD_GGUF', /boolean "k" is 2/, meta(pair('k', 7, Uint8Array.of(2)))],
    ['a text beyond the file', 'BAD_GGUF', /header goes on/, meta(pair('k', 8, u64(5000)))],
    ['a text of 2^40 bytes', 'BAD_GGUF', /limit is 67108864/, meta(pair('k', 8, u64(2n ** 40n)))],
    ['an array of 2^63', 'BAD_GGUF', /length of the array "k" is/, meta(pair('k', 9, join(u32(8), u64(2n ** 63n))))],
    ['an array of 2^50 numbers', 'BAD_GGUF', /should follow/, meta(pair('k', 9, join(u32(12), u64(2n ** 50n))))],
    ['an array of 2^50 bytes', 'BAD_GGUF', /should follow/, meta(pair('k', 9, join(u32(0), u64(2n ** 50n))))],
    ['an array of 2^40 texts', 'BAD_GGUF', /elements is more/, meta(pair('k', 9, join(u32(8), u64(2n ** 40n))))],
    ['an array of 2^30 arrays', 'BAD_GGUF', /elements is more/, meta(pair('k', 9, join(u32(9), u64(2n ** 30n))))],
    [
      'a text in an array beyond the file',
      'BAD_GGUF',
      /should follow/,
      meta(pair('k', 9, join(u32(8), u64(1), u64(99)))),
    ],
    ['an array of an unknown type', 'BAD_GGUF', /unknown type 77/, meta(pair('k', 9, join(u32(77), u64(1))))],
    ['arrays nested 9 deep', 'BAD_GGUF', /nested more than 8/, meta(pair('k', 9, nested(8)))],
    ['arrays nested 100,000 deep', 'BAD_GGUF', /nested more than 8/, meta(pair('k', 9, nested(100_000)))],
    ['an alignment of 0', 'BAD_GGUF', /power of two/, meta(pair('general.alignment', 4, u32(0)))],
    ['an alignment of 48', 'BAD_GGUF', /power of two/, meta(pair('general.alignment', 4, u32(48)))],
    ['an alignment of 2^31', 'BAD_GGUF', /power of two/, meta(pair('general.alignment', 4, u32(2 ** 31)))],
    ['an alignment that is a text', 'BAD_GGUF', /power of two/, meta(pair('general.alignment', 8, text('32')))],
    ['an alignment that is an array', 'BAD_GGUF', /power of two/, meta(pair('general.alignment', 9, nested(0)))],
    ['2^40 parts', 'BAD_GGUF', /part 0 \(from 0\) of 1099511627776/, split(10, u64(2n ** 40n))],
    ['a number of parts that is a text', 'BAD_GGUF', /part 0 \(from 0\) of 3/, split(8, text('3'))],
    ['-1 parts', 'BAD_GGUF', /of -1/, split(5, u32(0xffffffff))],
    [
      'two tensors of a name',
      'BAD_GGUF',
      /two tensors are called "a"/,
      file(join(header(2, 0), tensor('a', [4], 0, 0), tensor('a', [4], 0, 32)), data),
    ],
    ['a name that is no UTF-8', 'BAD_GGUF', /not valid UTF-8/, single(tensor(Uint8Array.of(0xc3, 0x28), [4], 0, 0))],
    ['a dimension of 2^63', 'BAD_GGUF', /dimension of "a" is/, single(tensor('a', [2n ** 63n, 2], 0, 0))],
    [
      'dimensions whose product wraps to 4',
      'BAD_GGUF',
      /too large/,
      single(tensor('a', [2n ** 33n, 2n ** 31n, 4], 0, 0)),
    ],
    ['dimensions of 2^50', 'BAD_GGUF', /too large|takes/, single(tensor('a', [2n ** 50n], 0, 0))],
    ['9 dimensions', 'BAD_GGUF', /9 dimensions/, single(tensor('a', [1, 1, 1, 1, 1, 1, 1, 1, 1], 0, 0))],
    ['2^32 - 1 dimensions', 'BAD_GGUF', /4294967295 dimensions/, single(join(text('a'), u32(0xffffffff)))],
    ['a type that ggml does not have', 'BAD_GGUF', /type 77 is none/, single(tensor('a', [4], 77, 0))],
    ['a type that is not read', 'UNSUPPORTED_TENSOR', /type IQ2_XXS/, single(tensor('a', [256], 16, 0))],
    ['a type that was removed', 'UNSUPPORTED_TENSOR', /type Q4_2/, single(tensor('a', [32], 4, 0))],
    ['an offset that is not aligned', 'BAD_GGUF', /no multiple of 32/, single(tensor('a', [4], 0, 4))],
    ['an offset beyond the file', 'BAD_GGUF', /takes 16 bytes from/, single(tensor('a', [4], 0, 128))],
    ['an offset of 2^63', 'BAD_GGUF', /offset of "a" is/, single(tensor('a', [4], 0, 2n ** 63n))],
    ['an offset of 2^52', 'BAD_GGUF', /takes 16 bytes from/, single(tensor('a', [4], 0, 2n ** 52n))],
    ['one element too many', 'BAD_GGUF', /takes 132 bytes/, single(tensor('a', [33], 0, 0))],
    ['one block too many', 'BAD_GGUF', /Q8_0 of shape \[128\] takes 136 bytes/, single(tensor('a', [128], 8, 0))],
    [
      'rows that do not fill blocks',
      'BAD_GGUF',
      /rows of 16 elements do not fill Q8_0/,
      single(tensor('a', [16, 2], 8, 0)),
    ],
    ['a number in a block type', 'BAD_GGUF', /rows of 1 elements/, single(tensor('a', [], 8, 0))],
    [
      'data that overlap',
      'BAD_GGUF',
      /overlap/,
      file(join(header(2, 0), tensor('a', [16], 0, 0), tensor('b', [4], 0, 32)), data),
    ],
    [
      'the same data twice',
      'BAD_GGUF',
      /overlap/,
      file(join(header(2, 0), tensor('a', [4], 0, 0), tensor('b', [4], 0, 0)), data),
    ],
  ])('%s', async (_, code, message, bytes) => {
    const began = performance.now();
    const error = await verified(bytes).then(
      () => undefined,
      (problem) => problem,
    );
    expect(error).toBeInstanceOf(HopfcoleError);
    expect(error).toMatchObject({ code, message: expect.stringMatching(message), where: { file: 'm.gguf' } });
    expect(performance.now() - began).toBeLessThan(2000);
  });

  it('wherever it is cut short', async () => {
    for (let length = 8; length < good.byteLength - 24; length++) {
      const error = await verified(good.slice(0, length)).then(
        () => undefined,
        (problem) => problem,
      );
      expect([length, error?.code]).toEqual([length, 'BAD_GGUF']);
    }
  });
});

it('describes the rest where one tensor cannot be read', async () => {
  const bytes = file(
    join(
      header(4, 0),
      tensor('a', [4], 0, 0),
      tensor('b', [256], 18, 32),
      tensor('c', [4], 0, 7),
      tensor('d', [4], 0, 64),
    ),
    data,
  );
  const { tensors, problems } = await openCheckpoint(memorySource(bytes, 'm.gguf'), undefined, { forgiving: true });
  expect([...tensors.keys()]).toEqual(['a', 'd']);
  expect(problems.map(({ code, where }) => [code, where.tensor])).toEqual([
    ['UNSUPPORTED_TENSOR', 'b'],
    ['BAD_GGUF', 'c'],
  ]);
});

it('reads version 2, scalars, tensors of no elements, 8 nested arrays, odd texts and names of Object', async () => {
  const bytes = file(
    join(
      header(3, 4, 2),
      pair('__proto__', 9, nested(7)),
      pair('constructor', 8, text(Uint8Array.of(0x61, 0xff))),
      pair('general.alignment', 4, u32(8)),
      pair('empty', 9, join(u32(8), u64(0))),
      tensor('toString', [], 0, 0),
      tensor('empty', [0, 3], 0, 8),
      tensor('', [2], 0, 8),
    ),
    new Uint8Array(Float32Array.of(1.5, 0, 2.5, 3.5).buffer),
    8,
  );
  const { tensors, metadata } = await verifyCheckpoint(memorySource(bytes));
  expect([...metadata]).toEqual([
    ['constructor', 'a\ufffd'],
    ['general.alignment', 8],
  ]);
  const values = await Promise.all(
    [...tensors].map(async ([name, tensor]) => [name, [...toNumbers(await load(tensor))]]),
  );
  expect(values).toEqual([
    ['toString', [1.5]],
    ['empty', []],
    ['', [2.5, 3.5]],
  ]);
  expect(tensors.get('empty')?.shape).toEqual([3, 0]);
});

it('reads what was put together at random, in both byte orders', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.boolean(),
      fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.boolean(), fc.integer({ min: 0, max: 2 ** 32 - 1 })), {
        maxKeys: 5,
      }),
      fc.uniqueArray(fc.tuple(fc.string(), fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 4 })), {
        maxLength: 5,
        selector: ([name]) => name,
      }),
      async (little, keys, tensors) => {
        const write = parts(little);
        const pairs = Object.entries(keys).map(([key, value]) =>
          typeof value === 'string'
            ? write.pair(key, 8, write.text(value))
            : typeof value === 'boolean'
              ? write.pair(key, 7, Uint8Array.of(Number(value)))
              : write.pair(key, 4, write.u32(value)),
        );
        let at = 0;
        const body: Uint8Array[] = [];
        const entries = tensors.map(([name, shape]) => {
          const count = shape.reduce((product, dim) => product * dim, 1);
          const size = Math.ceil((count * 4) / 32) * 32;
          body.push(join(...Array.from({ length: size / 4 }, (_, i) => write.u32(at + i))));
          const entry = write.tensor(name, [...shape].reverse(), 26, at);
          at += size;
          return entry;
        });
        const bytes = file(join(write.header(tensors.length, pairs.length), ...pairs, ...entries), join(...body));
        const found = await verifyCheckpoint(memorySource(bytes));
        expect([...found.metadata]).toEqual(Object.entries(keys));
        expect([...found.tensors.keys()]).toEqual(tensors.map(([name]) => name));
        let begin = 0;
        for (const [name, shape] of tensors) {
          const tensor = found.tensors.get(name);
          const count = shape.reduce((product, dim) => product * dim, 1);
          expect(tensor?.shape).toEqual(shape);
          if (tensor !== undefined)
            expect([...toNumbers(await load(tensor))]).toEqual(Array.from({ length: count }, (_, i) => begin + i));
          begin += Math.ceil((count * 4) / 32) * 32;
        }
      },
    ),
    { numRuns: 300 },
  );
});

it('survives every number written over, at every place of its header', async () => {
  const rss = process.memoryUsage().rss;
  for (let at = 4; at < good.byteLength - 128; at++)
    for (const value of [0n, 1n, 0x7fn, 0xffffn, 2n ** 31n, 2n ** 32n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]) {
      const bytes = good.slice();
      new DataView(bytes.buffer).setBigUint64(at, value, true);
      await verified(bytes).catch((error) => {
        if (!(error instanceof HopfcoleError)) throw error;
      });
    }
  expect(process.memoryUsage().rss - rss).toBeLessThan(300 * 2 ** 20);
});

it('survives noise after its mark', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.constantFrom(2, 3), async (noise, version) => {
      const bytes = join(new TextEncoder().encode('GGUF'), u32(version), noise);
      await verified(bytes).catch((error) => {
        if (!(error instanceof HopfcoleError)) throw error;
        expect(error.line()).not.toMatch(/[\r\n]/);
      });
    }),
    { numRuns: 2000 },
  );
});
