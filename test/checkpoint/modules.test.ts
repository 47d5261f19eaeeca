import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { verifyCheckpoint } from '../../src/checkpoint/verify.ts';
import { openFile } from '../../src/files/node/file.ts';
import { readSafetensors } from '../../src/files/safetensors.ts';
import { hasPython, pythonFile } from '../support/python.ts';
import { describeAll } from './described.ts';

const folder = mkdtempSync(join(tmpdir(), 'hopfcole-'));
let names: string[] = [];

describe.skipIf(!hasPython)('whole modules of torch.nn', () => {
  beforeAll(() => {
    names = pythonFile(join(import.meta.dirname, 'modules.py'), [folder])
      .trim()
      .split('\n');
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(['zip', 'five', 'early'])('have the names, the order and the bits of state_dict() (%s)', async (manner) => {
    expect(names.length).toBeGreaterThan(30);
    for (const name of names) {
      const state = await readSafetensors(await openFile(join(folder, `${name}.safetensors`)));
      const source = await openFile(join(folder, `${name}.${manner}.pt`));
      const checkpoint = await verifyCheckpoint(source);
      expect([name, await describeAll(checkpoint.tensors)]).toEqual([name, await describeAll(state.tensors)]);
      const order = readFileSync(join(folder, `${name}.order`), 'utf8').split('\n');
      expect([name, ...checkpoint.tensors.keys()]).toEqual([name, ...order]);
      expect(checkpoint.changed).toEqual([]);
      await source.close?.();
    }
  });
});
