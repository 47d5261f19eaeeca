import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { check } from '../../src/cli/commands/check.ts';
import { importWeights } from '../../src/cli/commands/import.ts';
import { inspect } from '../../src/cli/commands/inspect.ts';
import { relativeError } from '../../src/cli/relative-error.ts';
import { readArrays, readInputs } from '../../src/cli/tensor-files.ts';
import type { Tensor } from '../../src/files/tensor.ts';
import { openSession } from '../../src/runtime/node/open.ts';
import { perform } from '../support/command.ts';
import { generated } from '../support/corpora.ts';
import { hasPython } from '../support/python.ts';

interface Row {
  readonly name: string;
  readonly exporter: string;
  readonly model?: string;
  readonly input: string;
  readonly expected: string;
  readonly outputs: readonly string[];
  readonly opset: number;
  readonly rtol: number;
}

/** On a person's machine a few of each kind; every network where CI=true, which takes the exporters two minutes. */
const few = 'mlp,lse,if-scripted,scan,elementwise,softmaxes,norms,sdpa-mask,lstm-1,gru-2,cnn,unet';

function made(): { folder: string; index: Row[] } {
  const ready = process.env.HOPFCOLE_ZOO;
  if (ready !== undefined) return { folder: ready, index: JSON.parse(readFileSync(join(ready, 'index.json'), 'utf8')) };
  return generated<Row>('fixtures/zoo.py', process.env.CI === 'true' ? [] : ['--only', few]);
}

const { folder, index } = hasPython ? made() : { folder: '', index: [] };
const exported = index
  .filter(({ model }) => model !== undefined)
  .map((row) => [`${row.name} by ${row.exporter}`, row] as const);

describe.skipIf(!hasPython)('networks that PyTorch exported', () => {
  it('are there', () => {
    expect(exported.length).toBeGreaterThan(process.env.CI === 'true' ? 110 : 15);
  });

  it.each(exported)("%s is accepted and gives PyTorch's outputs", async (_name, row) => {
    const file = join(folder, row.model ?? '');
    expect((await perform(check, { file })).json).toMatchObject({ format: 'onnx', problems: [] });
    const described = (await perform(inspect, { file })).json;
    expect(described).toMatchObject({ format: 'onnx', opsets: { 'ai.onnx': row.opset } });
    // The TorchScript exporter annotates branches that are never taken with shapes that cannot be.
    const others = (described.problems as { code: string }[]).filter(({ code }) => code !== 'TYPE_CONFLICT');
    expect(others).toEqual([]);
    const session = await openSession(file, { provider: 'cpu' });
    const { outputs } = await session.run(await readInputs(join(folder, row.input), session.inputs));
    await session.close();
    expect([...outputs.keys()]).toEqual(row.outputs);
    const expected = [...(await readArrays(join(folder, row.expected))).values()];
    expect(expected).toHaveLength(outputs.size);
    [...outputs].forEach(([name, got], position) => {
      const tensor = expected[position];
      if (tensor === undefined) throw new Error(`nothing is expected of ${name}`);
      expect([name, got.shape]).toEqual([name, tensor.shape]);
      expect(relativeError(tensor, got), name).toBeLessThanOrEqual(Math.max(row.rtol, 1e-4));
    });
  });

  it.each(exported)('%s gives the same outputs when it is clean, and is still sound', async (_name, row) => {
    const file = join(folder, row.model ?? '');
    const output = join(folder, `${row.model ?? ''}.clean`);
    const { json } = await perform(importWeights, { file, output, clean: true });
    expect((await perform(check, { file: output })).json).toMatchObject({ format: 'onnx', problems: [] });
    const runs = [];
    for (const path of [file, output]) {
      // The operators as they stand: fusions round differently.
      const session = await openSession(path, { provider: 'cpu', optimization: 'disabled' });
      runs.push((await session.run(await readInputs(join(folder, row.input), session.inputs))).outputs);
      await session.close();
    }
    const [before, after] = runs;
    expect([...(after?.keys() ?? [])]).toEqual([...(before?.keys() ?? [])]);
    for (const [name, tensor] of before ?? [])
      expect(relativeError(tensor, after?.get(name) as Tensor), name).toBeLessThanOrEqual(1e-6);
    expect(json.output).toBe(output);
  });
});
