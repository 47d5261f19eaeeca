import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Checkpoint, openCheckpoint } from '../../src/checkpoint/open.ts';
import { openFile } from '../../src/files/node/file.ts';
import { fileFolder } from '../../src/files/node/folder.ts';
import { type AnyTensor, load } from '../../src/files/tensor.ts';
import { hasGguf } from '../support/gguf.ts';
import { pythonFile } from '../support/python.ts';

const folder = mkdtempSync(join(tmpdir(), 'hopfcole-gguf-'));
const quantised = ['Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q8_0', 'TQ2_0', 'MXFP4'];

interface Expected {
  readonly dtype: string;
  readonly shape: readonly number[];
}

async function opened(name: string, forgiving = false): Promise<Checkpoint> {
  return openCheckpoint(await openFile(join(folder, name)), undefined, { forgiving });
}

async function bytesOf(tensor: AnyTensor | undefined): Promise<Uint8Array> {
  if (tensor === undefined) throw new Error('there is no such tensor');
  return (await load(tensor)).bytes;
}

function raw(name: string): Uint8Array {
  return new Uint8Array(readFileSync(join(folder, `${name}.raw`)));
}

/** -0 and 0 are different here: bit for bit. */
async function expectEqual(checkpoint: Checkpoint, expected: Readonly<Record<string, Expected>>): Promise<void> {
  for (const [name, { dtype, shape }] of Object.entries(expected)) {
    const tensor = checkpoint.tensors.get(name);
    expect([name, tensor?.dtype, tensor?.shape]).toEqual([name, dtype, shape]);
    expect([name, await bytesOf(tensor)]).toEqual([name, raw(name)]);
  }
}

describe.skipIf(!hasGguf)('files of the gguf package', () => {
  let expected: Readonly<Record<string, Expected>>;

  beforeAll(() => {
    pythonFile(join(import.meta.dirname, 'gguf_files.py'), [folder]);
    expected = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8'));
  }, 120_000);

  it('are read as that package reads them, bit for bit, from random blocks of every type', async () => {
    const checkpoint = await opened('little.gguf');
    expect(checkpoint.format).toBe('gguf');
    expect(Object.keys(expected).length).toBe(26);
    expect([...checkpoint.tensors.keys()].sort()).toEqual(Object.keys(expected).sort());
    await expectEqual(checkpoint, expected);
    expect(checkpoint.changed?.length).toBe(17);
    expect(checkpoint.changed).toContainEqual({ name: 'blk.Q4_K.weight', why: 'Q4_K in the file, read as float32' });
  });

  it('are read in big-endian byte order, but for types that have none defined', async () => {
    const checkpoint = await opened('big.gguf', true);
    const without = Object.entries(expected).filter(([name]) => !/Q5_0|Q5_1|Q8_K/.test(name));
    expect(without.length).toBe(23);
    expect([...checkpoint.tensors.keys()].sort()).toEqual(without.map(([name]) => name).sort());
    await expectEqual(checkpoint, Object.fromEntries(without));
  });

  it('keep their metadata, arrays aside', async () => {
    for (const name of ['little.gguf', 'big.gguf']) {
      expect(Object.fromEntries((await opened(name)).metadata)).toEqual({
        'general.architecture': 'llama',
        'general.name': 'a model Ünï',
        't.u8': 200,
        't.i8': -3,
        't.u16': 60000,
        't.i16': -300,
        't.u32': 4000000000,
        't.i32': -7,
        't.f32': 0.5,
        't.bool': true,
        't.u64': '9223372036854775809',
        't.i64': -(2 ** 40),
        't.f64': 0.1,
        'llama.block_count': 2,
      });
    }
  });

  it('are read as quantised by real quantisers, whatever the alignment', async () => {
    const checkpoint = await opened('quantised.gguf');
    expect(checkpoint.metadata.get('general.alignment')).toBe(64);
    for (const kind of quantised)
      expect([kind, await bytesOf(checkpoint.tensors.get(`${kind}.weight`))]).toEqual([kind, raw(`quantised.${kind}`)]);
  });

  it('are read in pieces that begin and end anywhere', async () => {
    const { tensors } = await opened('little.gguf');
    const tensor = tensors.get('blk.Q6_K.weight');
    if (tensor === undefined || !('range' in tensor)) throw new Error('expected a stored tensor');
    const whole = raw('blk.Q6_K.weight');
    const { source, offset } = tensor.range;
    for (const [at, length] of [
      [0, 0],
      [0, 4],
      [1020, 8],
      [1023, 2],
      [1024, 1024],
      [5000, 5001],
      [12287, 1],
    ] as const)
      expect([at, await source.read(offset + at, length)]).toEqual([at, whole.subarray(at, at + length)]);
    await expect(source.read(12287, 2)).rejects.toMatchObject({ code: 'TRUNCATED' });
  });

  describe('split into parts', () => {
    const parts = [1, 2, 3, 4].map((i) => `m-0000${i}-of-00004.gguf`);
    const opened = async (directory: string, name: string, forgiving = false) =>
      openCheckpoint(await openFile(join(directory, name)), fileFolder(directory), { forgiving });
    const copied = () => {
      const copy = mkdtempSync(join(tmpdir(), 'hopfcole-gguf-split-'));
      cpSync(join(folder, 'split'), copy, { recursive: true });
      return copy;
    };

    it('are read whole, whichever is opened', async () => {
      for (const name of parts) {
        const { tensors, metadata } = await opened(join(folder, 'split'), name);
        const found = [...tensors].map(([key, { shape }]) => [key, shape]);
        expect(found).toEqual(Array.from({ length: 5 }, (_, i) => [`blk.${i}.weight`, [2, i + 1]]));
        expect(metadata.get('llama.block_count')).toBe(5);
        const last = tensors.get('blk.4.weight');
        expect(await bytesOf(last)).toEqual(new Uint8Array(new Float32Array(10).fill(4).buffer));
      }
    });

    it('are refused where one is missing, renamed or of another model', async () => {
      const missing = copied();
      rmSync(join(missing, parts[2] ?? ''));
      await expect(opened(missing, parts[0] ?? '')).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
      const described = await opened(missing, parts[0] ?? '', true);
      expect(described.problems.map(({ code }) => code)).toEqual(['FILE_NOT_FOUND']);
      expect(described.tensors.size).toBe(3);

      const renamed = copied();
      renameSync(join(renamed, parts[1] ?? ''), join(renamed, 'part.gguf'));
      const lost = { code: 'BAD_GGUF', message: expect.stringMatching(/does not end in -00002-of-00004.gguf/) };
      await expect(opened(renamed, 'part.gguf')).rejects.toMatchObject(lost);

      const mixed = copied();
      cpSync(join(mixed, parts[1] ?? ''), join(mixed, parts[2] ?? ''));
      const strange = { code: 'BAD_GGUF', message: expect.stringMatching(/is no part 3 of 4/) };
      await expect(opened(mixed, parts[0] ?? '')).rejects.toMatchObject(strange);

      const alone = openCheckpoint(await openFile(join(missing, parts[0] ?? '')));
      await expect(alone).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    });
  });
});
