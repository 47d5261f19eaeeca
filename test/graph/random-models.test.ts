import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memorySource } from '../../src/files/source.ts';
import type { Model } from '../../src/graph/graph.ts';
import { removeDead } from '../../src/graph/passes/dead.ts';
import { foldConstants } from '../../src/graph/passes/fold/fold.ts';
import { inlineFunctions } from '../../src/graph/passes/inline.ts';
import { shareCommon } from '../../src/graph/passes/share.ts';
import { validate } from '../../src/graph/validate/validate.ts';
import { fromProto } from '../../src/graph/wire/read.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { readModel } from '../../src/onnx/read.ts';
import { hasPython } from '../support/python.ts';
import { bytesOf, judged } from './judge.ts';
import { modelOf, steps } from './random-models.ts';

const readBack = async (bytes: Uint8Array) => fromProto(await readModel(memorySource(bytes)));
const passes = (model: Model) => removeDead(shareCommon(foldConstants(inlineFunctions(model))));

describe('models of random steps', () => {
  it('are valid, the same whenever they are built, and come back from their bytes', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        const built = modelOf(list);
        const bytes = bytesOf(built);
        expect(Buffer.compare(bytesOf(modelOf(list)), bytes)).toBe(0);
        expect((await validate(toProto(built))).filter(({ severity }) => severity === 'error')).toEqual([]);
        const read = await readBack(bytes);
        expect(read.problems).toEqual([]);
        expect(Buffer.compare(bytesOf(read), bytes)).toBe(0);
      }),
      { numRuns: 150 },
    );
  });

  it('are settled by the passes: another time changes nothing, and nothing is left to inline', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        const once = passes(modelOf(list));
        expect(once.functions).toEqual([]);
        expect(Buffer.compare(bytesOf(passes(once)), bytesOf(once))).toBe(0);
        expect((await validate(toProto(once))).filter(({ severity }) => severity === 'error')).toEqual([]);
      }),
      { numRuns: 100 },
    );
  });

  it.skipIf(!hasPython)(
    'compute in ONNX Runtime what they computed, after the passes, and after being read',
    async () => {
      const lists = fc.sample(steps, { numRuns: 60, seed: 20261123 });
      const x = { dtype: 'float32', shape: [2, 3], data: [0.5, -1, 2, 0.25, 3, -0.75] };
      const y = { dtype: 'float32', shape: [2, 3], data: [-2, 1.5, 0.125, 1, -0.5, 0.75] };
      const variants = await Promise.all(
        lists.map(async (list) => {
          const built = modelOf(list);
          return [built, passes(built), passes(await readBack(bytesOf(built)))];
        }),
      );
      const outputs = judged(variants.flat().map((model) => ({ model, feeds: { x, y } })));
      const nodes = (model: Model | undefined) => model?.graph.nodes.length ?? 0;
      expect(variants.filter(([built, changed]) => nodes(built) !== nodes(changed)).length).toBeGreaterThan(30);
      for (const [index, list] of lists.entries()) {
        const [expected = {}, ...rest] = outputs.slice(3 * index, 3 * index + 3);
        for (const [name, { shape, data }] of Object.entries(expected))
          for (const other of rest) {
            const said = `${name} of ${JSON.stringify(list)}`;
            expect(other[name]?.shape, said).toEqual(shape);
            const far = data.filter((value, i) => !(Math.abs(value - (other[name]?.data[i] ?? Number.NaN)) <= 1e-5));
            expect(far, said).toEqual([]);
          }
      }
    },
  );
});
