import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/open.ts';
import { HopfcoleError } from '../../src/files/error.ts';
import { openFile } from '../../src/files/node/file.ts';
import { fileFolder } from '../../src/files/node/folder.ts';
import { isStored } from '../../src/files/tensor.ts';
import { readTensors } from '../../src/files/tensors.ts';
import { hasPython, pythonFile } from '../support/python.ts';
import { type Described, describeAll, sorted } from './described.ts';

interface Expected {
  read: Record<string, { tensors: Record<string, Described>; metadata?: Record<string, string> }>;
  refused: Record<string, { code: string; word: string }>;
}

const script = resolve(import.meta.dirname, '../../fixtures/checkpoints.py');
const committed = resolve(import.meta.dirname, '../../fixtures/checkpoints');
const fresh = mkdtempSync(join(tmpdir(), 'hopfcole-'));
afterAll(() => rmSync(fresh, { recursive: true, force: true }));
if (hasPython) pythonFile(script, [fresh]);

for (const folder of hasPython ? [committed, fresh] : [committed]) {
  const expected: Expected = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8'));
  describe(`files of PyTorch, safetensors and numpy in ${folder === fresh ? 'a fresh folder' : 'fixtures'}`, () => {
    for (const [file, { tensors, metadata }] of Object.entries(expected.read))
      it(`reads ${file} as its author does`, async () => {
        const source = await openFile(join(folder, file));
        if (file.endsWith('.npy')) {
          expect(sorted(await describeAll(await readTensors(source)))).toEqual(sorted(tensors));
          return;
        }
        const checkpoint = await openCheckpoint(source, fileFolder(folder));
        expect(await describeAll(checkpoint.tensors)).toEqual(sorted(tensors));
        expect(checkpoint.problems).toEqual([]);
        if (metadata !== undefined) expect(Object.fromEntries(checkpoint.metadata)).toEqual(metadata);
      });

    for (const [file, { code, word }] of Object.entries(expected.refused))
      it(`refuses ${file}`, async () => {
        const problem = await openCheckpoint(await openFile(join(folder, file))).catch((error) => error);
        expect(problem).toBeInstanceOf(HopfcoleError);
        expect({ code: problem.code, says: problem.line() }).toEqual({ code, says: expect.stringContaining(word) });
      });
  });
}

describe('a checkpoint of torch.save', () => {
  const open = async (file: string) => openCheckpoint(await openFile(join(committed, file)));

  it('is viewed, not copied: contiguous tensors are ranges, tied ones the same range', async () => {
    const { tensors } = await open('state-protocol2.pt');
    const ranges = [...tensors.values()].map((tensor) => (isStored(tensor) ? tensor.range : undefined));
    expect(ranges.every((range) => range !== undefined)).toBe(true);
    const [a, b] = ['second.weight', 'tied.weight'].map((name) => tensors.get(name));
    if (a === undefined || b === undefined || !isStored(a) || !isStored(b)) throw new Error('expected ranges');
    expect(a.range.source).toBe(b.range.source);
    expect(a.range.offset).toBe(b.range.offset);
  });

  it('keeps the plain values beside the weights', async () => {
    expect((await open('training.ckpt')).metadata).toEqual(new Map([['epoch', 3]]));
  });

  it('opens another dict when told to', async () => {
    const source = await openFile(join(committed, 'two-nets.pt'));
    expect([...(await openCheckpoint(source, undefined, { select: 'discriminator' })).tensors.keys()]).toEqual(['c']);
  });

  it('describes what it can when forgiving', async () => {
    const source = await openFile(join(committed, 'meta.pt'));
    const { problems, tensors } = await openCheckpoint(source, undefined, { forgiving: true });
    expect(problems.map((problem) => problem.code)).toEqual(['UNSUPPORTED_TENSOR']);
    expect(tensors.size).toBe(0);
  });
});
