import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { HopfcoleError } from '../../src/files/error.ts';
import type { Model } from '../../src/graph/graph.ts';
import { foldConstants } from '../../src/graph/passes/fold/fold.ts';
import { inlineFunctions, resolveEmptyOptionals } from '../../src/graph/passes/inline.ts';
import { lowerOpset } from '../../src/graph/passes/opset/lower.ts';
import { opsetOf, raiseOpset } from '../../src/graph/passes/opset/raise.ts';
import { shareCommon } from '../../src/graph/passes/share.ts';
import { validate } from '../../src/graph/validate/validate.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { hasPython, pythonFile } from '../support/python.ts';
import { compareVariants, modelsIn, modelsScript, readGraph, writeVariant } from './pass-support.ts';

type Passes = Readonly<Record<string, (model: Model) => Model>>;

/** Applies passes to every model of a folder; what comes out must be valid. @returns how many changed, and the refusals. */
async function apply(folder: string, passes: Passes): Promise<{ written: number; refused: string[] }> {
  const refused: string[] = [];
  const invalid: string[] = [];
  let written = 0;
  for (const name of modelsIn(folder)) {
    const model = await readGraph(folder, name);
    for (const [variant, pass] of Object.entries(passes)) {
      let result: Model;
      try {
        result = pass(model);
      } catch (error) {
        refused.push(`${name}@${variant}: ${(error as HopfcoleError).code}`);
        continue;
      }
      if (result === model) continue;
      const problem = (await validate(toProto(result))).find(({ severity }) => severity === 'error');
      if (problem !== undefined) invalid.push(`${name}@${variant}: ${problem.code} ${problem.message}`);
      writeVariant(folder, name, variant, result);
      written++;
    }
  }
  expect(invalid).toEqual([]);
  return { written, refused };
}

describe.skipIf(!hasPython)('passes keep what models compute', () => {
  const folders: string[] = [];
  const make = (kind: string): string => {
    const folder = mkdtempSync(join(tmpdir(), `hopfcole-${kind}-`));
    folders.push(folder);
    pythonFile(modelsScript, [kind, folder]);
    return folder;
  };
  afterAll(() => {
    for (const folder of folders) rmSync(folder, { recursive: true });
  });

  it('raising operators from the forms of old opsets', async () => {
    const folder = make('legacy');
    const targets = [13, 17, 21, 24];
    const passes = Object.fromEntries(targets.map((target) => [target, (model: Model) => raiseOpset(model, target)]));
    const { written, refused } = await apply(folder, passes);
    expect(refused).toEqual([]);
    expect(written).toBeGreaterThan(370);
    const { same, different } = compareVariants(folder);
    // ONNX Runtime has no kernel of RoiAlign 22.
    expect(different.filter((line) => !line.startsWith('roialign@24'))).toEqual([]);
    expect(same).toBeGreaterThan(370);
  }, 300_000);

  it('inlining functions, and only the calls that leave inputs empty', async () => {
    const folder = make('functions');
    const { refused } = await apply(folder, { inline: inlineFunctions, resolve: resolveEmptyOptionals });
    expect(refused).toEqual([]);
    for (const name of modelsIn(folder)) {
      const model = inlineFunctions(await readGraph(folder, name));
      expect(model.functions, name).toEqual([]);
    }
    const { same, different } = compareVariants(folder);
    expect(different).toEqual([]);
    expect(same).toBe(14);
  }, 300_000);

  it('folding the corpus with its inputs as constants', async () => {
    const folder = make('constants');
    const { written, refused } = await apply(folder, { fold: (model) => foldConstants(model) });
    expect(refused).toEqual([]);
    expect(written).toBeGreaterThan(550);
    const { same, different } = compareVariants(folder);
    expect(different).toEqual([]);
    expect(same).toBeGreaterThan(550);
  }, 300_000);

  describe('on the corpus', () => {
    let folder = '';
    beforeAll(() => {
      folder = make('corpus');
    });

    it('folding, raising to 24, lowering to 17, and all of them with sharing and inlining', async () => {
      const { written, refused } = await apply(folder, {
        fold: (model) => foldConstants(model),
        raise: (model) => ((opsetOf(model.opsets) ?? 24) < 24 ? raiseOpset(model, 24) : model),
        lower: (model) => ((opsetOf(model.opsets) ?? 17) > 17 ? lowerOpset(model, 17) : model),
        all: (model) => foldConstants(shareCommon(inlineFunctions(raiseOpset(model, 24)))),
      });
      expect(refused.filter((line) => !line.includes('@lower') && !line.startsWith('test_scan_sum'))).toEqual([]);
      expect(refused.filter((line) => !line.includes('UNSUPPORTED_CONVERSION'))).toEqual([]);
      expect(written).toBeGreaterThan(3000);
      const { same, different } = compareVariants(folder);
      expect(different).toEqual([]);
      expect(same).toBeGreaterThan(3000);
    }, 300_000);
  });
});
