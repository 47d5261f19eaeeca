import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/open.ts';
import { readPickle } from '../../src/checkpoint/pickle/machine.ts';
import { mayBeMentioned } from '../../src/checkpoint/pickle/strangers.ts';
import { verifyCheckpoint } from '../../src/checkpoint/verify.ts';
import { HopfcoleError } from '../../src/files/error.ts';
import { memorySource } from '../../src/files/source.ts';
import { load } from '../../src/files/tensor.ts';
import { openZip, readEntry } from '../../src/files/zip/read.ts';
import { zip } from './assemble.ts';
import { holds, mutate, mutations } from './mutations.ts';

const folder = resolve(import.meta.dirname, '../../fixtures/containers');
const files = readdirSync(folder).map((name) => ({ name, bytes: new Uint8Array(readFileSync(join(folder, name))) }));
const early = files.filter(({ name }) => /^(legacy|tar)/.test(name));
const indices = files.filter(({ name }) => name.endsWith('.index.json'));
const archives = await Promise.all(
  files
    .filter(({ name, bytes }) => bytes[0] === 0x50 && !name.endsWith('.npz'))
    .map(async ({ name, bytes }) => {
      const archive = await openZip(memorySource(bytes));
      const entries: Record<string, Uint8Array> = {};
      for (const entry of archive.entries.values()) entries[entry.name] = await readEntry(archive, entry);
      return { name, entries };
    }),
);

/** Strictly, and all that is given of it when forgiving. */
async function readBoth(bytes: Uint8Array): Promise<void> {
  const source = memorySource(bytes, 'x');
  await holds(() => verifyCheckpoint(source));
  await holds(async () => {
    for (const tensor of (await openCheckpoint(source, undefined, { forgiving: true })).tensors.values())
      await load(tensor);
  });
}

describe('mutations behind the checksums', () => {
  it('of the pickles and the code in archives are refused or read', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...archives), fc.nat(), mutations, async ({ entries }, which, steps) => {
        const names = Object.keys(entries).filter((name) => /\.(pkl|py)$|byteorder$/.test(name));
        const name = names[which % names.length] as string;
        await readBoth(await zip({ ...entries, [name]: mutate(entries[name] as Uint8Array, steps) }));
      }),
      { numRuns: 1500 },
    );
  }, 120_000);

  it('of storages are refused or read', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...archives), fc.nat(), mutations, async ({ entries }, which, steps) => {
        const names = Object.keys(entries).filter((name) => /\/data\/\d+$/.test(name));
        fc.pre(names.length > 0);
        const name = names[which % names.length] as string;
        await readBoth(await zip({ ...entries, [name]: mutate(entries[name] as Uint8Array, steps) }));
      }),
      { numRuns: 300 },
    );
  }, 120_000);

  it('of early streams and tars are refused or read', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...early), mutations, async ({ bytes }, steps) =>
        readBoth(mutate(bytes, steps)),
      ),
      { numRuns: 1500 },
    );
  }, 120_000);

  it('of indices are refused or read', async () => {
    const beside = new Map(files.map(({ name, bytes }) => [name, bytes]));
    const there = {
      name: 'x',
      open: async (path: string) => {
        const bytes = beside.get(path);
        if (bytes === undefined) throw new HopfcoleError('FILE_NOT_FOUND', 'no such file', { file: path });
        return memorySource(bytes, path);
      },
    };
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...indices), mutations, async ({ bytes }, steps) => {
        await holds(() => verifyCheckpoint(memorySource(mutate(bytes, steps), 'x'), there));
      }),
      { numRuns: 500 },
    );
  }, 120_000);
});

describe('pickles of any opcodes', () => {
  const text = (value: string) => [0x8c, value.length, ...new TextEncoder().encode(value)];
  const known = [
    'collections.OrderedDict',
    'torch._utils._rebuild_tensor_v2',
    'torch._utils._rebuild_qtensor',
    'torch._utils._rebuild_sparse_tensor',
    'torch._tensor._rebuild_from_type_v2',
    'torch._utils._rebuild_wrapper_subclass',
    'torch._utils._rebuild_parameter',
    'copyreg._reconstructor',
    'functools.partial',
    'torch.Size',
    'torch.FloatStorage',
    'torch.serialization._get_layout',
    'torch.jit._pickle.build_intlist',
    'evil.Net',
    'builtins.object',
    'builtins.dict',
    'pathlib.Path',
    'os.system',
  ];
  const name = fc.constantFrom(...known).map((full) => {
    const dot = full.lastIndexOf('.');
    return [...text(full.slice(0, dot)), ...text(full.slice(dot + 1)), 0x93];
  });
  const value = fc.oneof(
    fc.constantFrom([0x4e], [0x88], [0x29], [0x5d], [0x7d], [0x4b, 3], [0x28], [0x8f]),
    fc.constantFrom('storage', '0', 'cpu', '_parameters', '_buffers', '_modules').map(text),
    fc.constant([0x47, 0, 0, 0, 0, 0, 0, 0, 0]),
    name,
  );
  const step = fc.constantFrom(
    [0x52],
    [0x81],
    [0x62],
    [0x51],
    [0x85],
    [0x86],
    [0x87],
    [0x74],
    [0x73],
    [0x75],
    [0x61],
    [0x65],
    [0x30],
    [0x32],
    [0x94],
    [0x68, 0],
    [0x68, 1],
    [0x6f],
    [0x92],
    [0x90],
  );

  it('are refused or read, and never call what is not known', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(value, step), { maxLength: 40 }), async (pieces) => {
        const bytes = Uint8Array.from([0x80, 4, ...pieces.flat(), 0x2e]);
        await holds(async () => {
          expect(readPickle(bytes, 'x').strangers).not.toContain('os.system');
        });
        await readBoth(await zip({ 'm/data.pkl': bytes, 'm/data/0': new Uint8Array(12) }));
      }),
      { numRuns: 4000 },
    );
  }, 120_000);

  it('mention nothing by names that are no names', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (module, attribute) => {
        if (mayBeMentioned(module, attribute)) expect(`${module}.${attribute}`).toMatch(/^[\p{ID_Continue}.]+$/u);
      }),
    );
  });
});
