import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type CheckpointOptions, openCheckpoint } from '../../src/checkpoint/open.ts';
import { verifyCheckpoint } from '../../src/checkpoint/verify.ts';
import { HopfcoleError } from '../../src/files/error.ts';
import { openFile } from '../../src/files/node/file.ts';
import { fileFolder } from '../../src/files/node/folder.ts';
import { isStored } from '../../src/files/tensor.ts';
import { hasPython, pythonFile } from '../support/python.ts';
import { type Described, describeAll, sorted } from './described.ts';

interface Read {
  tensors: Record<string, Described>;
  order: string[];
  format: string;
  options?: CheckpointOptions;
  changed?: Record<string, string>;
  code?: string[];
}
interface Expected {
  read: Record<string, Read>;
  refused: Record<string, { code: string; word: string; options?: CheckpointOptions }>;
  partly: Record<string, { tensors: Record<string, Described>; missing: Record<string, string> }>;
}

const script = resolve(import.meta.dirname, '../../fixtures/containers.py');
const committed = resolve(import.meta.dirname, '../../fixtures/containers');
const fresh = mkdtempSync(join(tmpdir(), 'hopfcole-'));
afterAll(() => rmSync(fresh, { recursive: true, force: true }));
if (hasPython) pythonFile(script, [fresh]);

for (const folder of hasPython ? [committed, fresh] : [committed]) {
  const expected: Expected = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8'));
  describe(`containers of PyTorch in ${folder === fresh ? 'a fresh folder' : 'fixtures'}`, () => {
    for (const [file, { tensors, order, format, options, changed, code }] of Object.entries(expected.read))
      it(`reads ${file} as PyTorch does`, async () => {
        const source = await openFile(join(folder, file));
        const checkpoint = await verifyCheckpoint(source, fileFolder(folder), options);
        expect(await describeAll(checkpoint.tensors)).toEqual(sorted(tensors));
        expect([...checkpoint.tensors.keys()]).toEqual(order);
        expect(checkpoint.format).toBe(format);
        expect(checkpoint.problems).toEqual([]);
        const why = new Map(checkpoint.changed.map((change) => [change.name, change.why]));
        if (changed === undefined && !file.startsWith('quantised')) expect(why).toEqual(new Map());
        for (const [name, word] of Object.entries(changed ?? {})) expect(why.get(name)).toContain(word);
        if (code !== undefined) expect(checkpoint.code).toEqual(expect.arrayContaining(code));
        await source.close?.();
      });

    for (const [file, { code, word, options }] of Object.entries(expected.refused))
      it(`refuses ${file}`, async () => {
        const source = await openFile(join(folder, file));
        const problem = await openCheckpoint(source, undefined, options).catch((error) => error);
        expect(problem).toBeInstanceOf(HopfcoleError);
        expect({ code: problem.code, says: problem.line() }).toEqual({ code, says: expect.stringContaining(word) });
      });

    for (const [file, { tensors, missing }] of Object.entries(expected.partly))
      it(`gives what it can of ${file} and names the rest`, async () => {
        const source = await openFile(join(folder, file));
        const checkpoint = await openCheckpoint(source, undefined, { forgiving: true });
        expect(await describeAll(checkpoint.tensors)).toEqual(sorted(tensors));
        const said = checkpoint.problems.map(({ code, where, message }) => [code, where.tensor, message]);
        expect(said).toEqual(
          Object.entries(missing).map(([name, word]) => ['UNSUPPORTED_TENSOR', name, expect.stringContaining(word)]),
        );
        await expect(openCheckpoint(source)).rejects.toMatchObject({ code: 'UNSUPPORTED_TENSOR' });
      });
  });
}

describe('tensors of early files', () => {
  const open = async (file: string) => openCheckpoint(await openFile(join(committed, file)));

  it('are views of the file: storages shared, parts by their offsets', async () => {
    const { tensors } = await open('legacy-views.pt');
    const [base, part] = ['base', 'part'].map((name) => tensors.get(name));
    if (base === undefined || part === undefined || !isStored(base) || !isStored(part)) throw new Error('no ranges');
    expect(part.range.source).toBe(base.range.source);
    expect(part.range.offset - base.range.offset).toBe(16 * 4);
  });

  it('that views of one storage declare are parts of one', async () => {
    const { tensors } = await open('legacy-storage-views.pt');
    for (const tensor of tensors.values()) expect(isStored(tensor)).toBe(true);
    expect(tensors.get('b')).toMatchObject({ shape: [2, 2] });
  });
});
