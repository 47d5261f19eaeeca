import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/open.ts';
import { readPickle } from '../../src/checkpoint/pickle/machine.ts';
import { recogniseFormat } from '../../src/checkpoint/recognise.ts';
import { verifyCheckpoint } from '../../src/checkpoint/verify.ts';
import { HopfcoleError } from '../../src/files/error.ts';
import { parseJson } from '../../src/files/json.ts';
import { memorySource } from '../../src/files/source.ts';
import { load } from '../../src/files/tensor.ts';
import { readTensors, type TensorFormat } from '../../src/files/tensors.ts';
import { openZip, readEntry } from '../../src/files/zip/read.ts';
import { holds, mutate, mutations } from './mutations.ts';

const files = ['checkpoints', 'containers'].flatMap((kind) => {
  const folder = resolve(import.meta.dirname, '../../fixtures', kind);
  return readdirSync(folder)
    .filter((name) => name !== 'expected.json')
    .map((name) => ({ name, bytes: new Uint8Array(readFileSync(join(folder, name))) }));
});

describe('mutations of sound files', () => {
  it('are refused or read by the checkpoint readers', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...files), mutations, async ({ bytes }, steps) => {
        const source = memorySource(mutate(bytes, steps), 'x');
        await holds(() => verifyCheckpoint(source));
        await holds(async () => {
          for (const tensor of (await openCheckpoint(source, undefined, { forgiving: true })).tensors.values())
            await load(tensor);
        });
        await holds(() => recogniseFormat(source));
      }),
      { numRuns: 1500 },
    );
  }, 120_000);

  it('are refused or read by the readers of tensor files', async () => {
    const formats: TensorFormat[] = ['npz', 'npy', 'safetensors', 'csv'];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...files),
        mutations,
        fc.constantFrom(...formats),
        async ({ bytes }, steps, format) => {
          const source = memorySource(mutate(bytes, steps), 'x');
          await holds(async () => {
            for (const tensor of (await readTensors(source, format)).values()) await load(tensor);
          });
        },
      ),
      { numRuns: 500 },
    );
  }, 120_000);

  it('of pickles are refused or read by the machine', async () => {
    const pickles: Uint8Array[] = [];
    for (const { name, bytes } of files) {
      if (!/\.(pt|ckpt)$/.test(name) || /^(legacy|tar)/.test(name)) continue;
      const archive = await openZip(memorySource(bytes));
      for (const entry of archive.entries.values())
        if (entry.name.endsWith('data.pkl')) pickles.push(await readEntry(archive, entry));
    }
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...pickles), mutations, async (bytes, steps) => {
        await holds(async () => readPickle(mutate(bytes, steps), 'x'));
      }),
      { numRuns: 3000 },
    );
  }, 120_000);
});

describe('noise', () => {
  it('is refused or read', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (bytes) => {
        await holds(async () => readPickle(bytes, 'x'));
        await holds(() => verifyCheckpoint(memorySource(bytes, 'x')));
      }),
      { numRuns: 1000 },
    );
  });

  it('of JSON agrees with JSON.parse, duplicates and large integers aside', () => {
    const plain = (value: unknown): unknown =>
      value instanceof Map
        ? Object.fromEntries([...value].map(([key, item]) => [key, plain(item)]))
        : Array.isArray(value)
          ? value.map(plain)
          : value;
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), (text) => {
        // Whole numbers that a double does not hold exactly are refused; the next property allows for them.
        fc.pre(!/[0-9]{16}|e\+/.test(text));
        expect(plain(parseJson(text, 'x'))).toEqual(JSON.parse(text));
      }),
    );
    fc.assert(
      fc.property(fc.json(), fc.nat(), fc.string({ maxLength: 2 }), (text, at, extra) => {
        const place = at % (text.length + 1);
        const mutated = text.slice(0, place) + extra + text.slice(place);
        let theirs: unknown;
        try {
          theirs = JSON.parse(mutated);
        } catch {
          expect(() => parseJson(mutated, 'x')).toThrow(HopfcoleError);
          return;
        }
        try {
          expect(plain(parseJson(mutated, 'x'))).toEqual(theirs);
        } catch (error) {
          if (!(error instanceof HopfcoleError)) throw error;
          expect(error.message).toMatch(/twice|out of range|nested/);
        }
      }),
    );
  });
});
