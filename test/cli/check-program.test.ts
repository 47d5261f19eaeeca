import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { check } from '../../src/cli/commands/check.ts';
import { perform } from '../support/command.ts';
import { hasPython, pythonFile } from '../support/python.ts';

describe.skipIf(!hasPython)('check of a program', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'hopfcole-check-'));
    pythonFile(join(import.meta.dirname, 'check-program.py'), [folder]);
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const checked = (program: string, expected?: string) =>
    perform(check, {
      file: join(folder, program),
      expected: expected === undefined ? undefined : join(folder, expected),
      ep: 'cpu',
    });

  it('finds the outputs equal, whatever the names they are given by', async () => {
    const { passed, json } = await checked('net.pt2', 'net.npz');
    expect(json).toMatchObject({
      outputs: [
        { name: 'logits', ok: true },
        { name: 'hidden', ok: true },
      ],
    });
    expect(json).not.toHaveProperty('firstDifference');
    expect(passed).toBe(true);
  });

  it.each([
    ['a module of one operator', 'net-tanh-2.pt2', 'blocks.1.act'],
    ['a function called in a block', 'net-relu-3.pt2', 'blocks.2'],
  ])('names where a difference begins: %s', async (_, name, module) => {
    const { passed, json } = await checked(name, 'net.npz');
    expect(json).toMatchObject({ firstDifference: { module } });
    expect(passed).toBe(false);
  });

  it('allows for the element type that a program computes in', async () => {
    const { passed, json } = await checked('half.pt2', 'half.npz');
    expect(json).toMatchObject({
      outputs: [
        { name: 'logits', ok: true, tolerance: 4e-2 },
        { name: 'hidden', ok: true },
      ],
    });
    expect(passed).toBe(true);
  });

  it('without expected outputs says what it takes and gives', async () => {
    const { json } = await checked('net.pt2');
    expect(json).toMatchObject({ format: 'pt2', inputs: [{ name: 'x' }, { name: 'scale_by' }], problems: [] });
  });
});
