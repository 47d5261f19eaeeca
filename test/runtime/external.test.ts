import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromNumbers, toNumbers } from '../../src/files/tensor.ts';
import { openSession } from '../../src/runtime/node/open.ts';
import type { ModelSource } from '../../src/runtime/node/options.ts';
import { failure, fixture, fixtures } from './support.ts';

const model = new Uint8Array(readFileSync(fixture('external')));
const weights = new Uint8Array(readFileSync(join(fixtures, 'weights.bin')));
const x = fromNumbers('float32', [1, 4], [1, 2, 3, 4]);

let root = '';
let folder = '';
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'external-'));
  folder = join(root, 'model');
  mkdirSync(folder);
  cpSync(join(fixtures, 'weights.bin'), join(root, 'weights.bin'));
  cpSync(join(fixtures, 'weights.bin'), join(root, 's.bin'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** The model with another place of the same length for its weights. */
function pointing(place: string): Uint8Array {
  expect(place).toHaveLength('weights.bin'.length);
  return new Uint8Array(Buffer.from(Buffer.from(model).toString('latin1').replace('weights.bin', place), 'latin1'));
}

async function run(source: ModelSource, home: 'worker' | 'child' | 'process'): Promise<number[]> {
  const session = await openSession(source, { home, provider: 'cpu' });
  const y = (await session.run({ x })).outputs.get('y');
  await session.close();
  return y === undefined ? [] : [...toNumbers(y)];
}

describe.each(['process', 'worker', 'child'] as const)('external data, in a %s', (home) => {
  it('is read beside the model, or taken from memory', async () => {
    const expected = await run(fixture('affine'), home);
    expect(await run(fixture('external'), home)).toEqual(expected);
    const changed = new Uint8Array(fromNumbers('float32', [12], new Array(12).fill(1)).bytes);
    expect(await run({ bytes: model, externalData: [{ path: 'weights.bin', data: weights }] }, home)).toEqual(expected);
    expect(await run({ bytes: model, externalData: [{ path: 'weights.bin', data: changed }] }, home)).toEqual([
      10, 10, 10,
    ]);
  });

  it('is found by a model that had to be mended', async () => {
    const row = [1, 2, 3, 4].map((value) => (value - 2.5) / Math.sqrt(1.25 + 1e-5));
    const input = fromNumbers('float32', [2, 4], [1, 2, 3, 4, 2, 4, 6, 8]);
    const bytes = new Uint8Array(readFileSync(fixture('empty-call-external')));
    const data = new Uint8Array(readFileSync(join(fixtures, 'ones.bin')));
    const sources: ModelSource[] = [
      fixture('empty-call'),
      fixture('empty-call-external'),
      { bytes, externalData: [{ path: 'ones.bin', data }] },
    ];
    for (const source of sources) {
      const session = await openSession(source, { home, provider: 'cpu' });
      const y = (await session.run({ x: input })).outputs.get('y') ?? input;
      await session.close();
      row.forEach((value, i) => {
        expect(toNumbers(y)[i]).toBeCloseTo(value, 5);
      });
    }
  });

  it('must be given with bytes: the disk is not looked at', async () => {
    const got = await failure(openSession(model, { home, provider: 'cpu' }));
    expect(got).toMatchObject({ code: 'MISSING_EXTERNAL_DATA', line: expect.stringContaining("'weights.bin'") });
  });

  it.each([
    ['a parent folder', '../././s.bin', 'PATH_OUTSIDE_MODEL'],
    ['an absolute path', '/etc/passwd', 'PATH_OUTSIDE_MODEL'],
    ['a file that is not there', 'missing.bin', 'FILE_NOT_FOUND'],
    ["the runtime's own mark for an address in memory", '*/_ORT_ME/*', 'FILE_NOT_FOUND'],
  ])('is refused in %s', async (_, place, code) => {
    const path = join(folder, 'model.onnx');
    writeFileSync(path, pointing(place.slice(0, 11)));
    expect((await failure(openSession(path, { home, provider: 'cpu' }))).code).toBe(code);
  });

  it('is refused through a link out of the folder, and cut short', async () => {
    const path = join(folder, 'model.onnx');
    writeFileSync(path, model);
    symlinkSync(join(root, 'weights.bin'), join(folder, 'weights.bin'));
    expect((await failure(openSession(path, { home, provider: 'cpu' }))).code).toBe('PATH_OUTSIDE_MODEL');
    rmSync(join(folder, 'weights.bin'));
    writeFileSync(join(folder, 'weights.bin'), weights.subarray(0, 20));
    expect((await failure(openSession(path, { home, provider: 'cpu' }))).code).toBe('MODEL_REFUSED');
    rmSync(join(folder, 'weights.bin'));
  });
});
