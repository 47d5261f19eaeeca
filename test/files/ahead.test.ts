import fc from 'fast-check';
import { expect, it } from 'vitest';
import { readingAhead } from '../../src/files/ahead.ts';
import { memorySource } from '../../src/files/source.ts';

it('reads what the source holds, whatever was read before', async () => {
  const bytes = Uint8Array.from({ length: 40_000 }, (_, i) => (i * 31) % 251);
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(bytes.byteLength), fc.oneof(fc.nat(64), fc.nat(20_000))), { maxLength: 20 }),
      async (reads) => {
        const source = readingAhead(memorySource(bytes, 'x'));
        for (const [offset, length] of reads) {
          const expected = bytes.slice(offset, offset + length);
          if (offset + length > bytes.byteLength) await expect(source.read(offset, length)).rejects.toThrow('bytes');
          else expect(await source.read(offset, length)).toEqual(expected);
        }
      },
    ),
  );
});

it('asks the source once for what stands together', async () => {
  let asked = 0;
  const plain = memorySource(new Uint8Array(8000), 'x');
  const source = readingAhead({
    ...plain,
    read: (offset, length) => {
      asked += 1;
      return plain.read(offset, length);
    },
  });
  for (let at = 0; at < 8000; at += 8) await source.read(at, 8);
  expect(asked).toBe(1);
});
