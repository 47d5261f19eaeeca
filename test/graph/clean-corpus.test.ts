import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { HopfcoleError } from '../../src/files/error.ts';
import { cleanModel, countNodes } from '../../src/graph/passes/clean/clean.ts';
import { validate } from '../../src/graph/validate/validate.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { hasPython, pythonFile } from '../support/python.ts';
import { compareVariants, modelsIn, modelsScript, readGraph, writeVariant } from './pass-support.ts';

/** Cleans every model of a kind, and has ONNX Runtime compare what comes out with what went in. */
async function cleanedCorpus(folder: string) {
  const [refused, invalid]: [string[], string[]] = [[], []];
  const nodes = { before: 0, after: 0 };
  let written = 0;
  for (const name of modelsIn(folder)) {
    const model = await readGraph(folder, name);
    try {
      const { model: cleaned } = cleanModel(model);
      nodes.before += countNodes(model);
      nodes.after += countNodes(cleaned);
      if (cleaned === model) continue;
      const problem = (await validate(toProto(cleaned))).find(({ severity }) => severity === 'error');
      if (problem !== undefined) invalid.push(`${name}: ${problem.code} ${problem.message}`);
      writeVariant(folder, name, 'clean', cleaned);
      written++;
    } catch (error) {
      refused.push(`${name}: ${(error as HopfcoleError).code}`);
    }
  }
  expect(invalid).toEqual([]);
  return { written, refused, nodes, ...compareVariants(folder) };
}

describe.skipIf(!hasPython)('cleaning keeps what models compute', () => {
  const folders: string[] = [];
  const make = (kind: string): string => {
    const folder = mkdtempSync(join(tmpdir(), `hopfcole-clean-${kind}-`));
    folders.push(folder);
    pythonFile(modelsScript, [kind, folder]);
    return folder;
  };
  afterAll(() => {
    for (const folder of folders) rmSync(folder, { recursive: true });
  });

  it('in the operators of every opset of the corpus', async () => {
    const { written, refused, different, same } = await cleanedCorpus(make('corpus'));
    expect(refused).toEqual([]);
    expect(different).toEqual([]);
    expect(written).toBeGreaterThan(700);
    expect(same).toBeGreaterThan(700);
  }, 300_000);

  it('where everything is constant, and where functions are called', async () => {
    const constants = await cleanedCorpus(make('constants'));
    expect([constants.refused, constants.different]).toEqual([[], []]);
    expect(constants.nodes.after).toBeLessThan(constants.nodes.before / 2);
    const functions = await cleanedCorpus(make('functions'));
    expect([functions.refused, functions.different]).toEqual([[], []]);
  }, 300_000);
});
