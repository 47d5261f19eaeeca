import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { asHuggingFace } from '../../src/checkpoint/gguf/huggingface.ts';
import { openCheckpoint } from '../../src/checkpoint/open.ts';
import { exportModel } from '../../src/cli/commands/export.ts';
import { importWeights } from '../../src/cli/commands/import.ts';
import { inspect } from '../../src/cli/commands/inspect.ts';
import { run } from '../../src/cli/commands/run.ts';
import { readArrays } from '../../src/cli/tensor-files.ts';
import { openFile } from '../../src/files/node/file.ts';
import { load, type Tensor, toNumbers } from '../../src/files/tensor.ts';
import { perform } from '../support/command.ts';
import { hasGguf } from '../support/gguf.ts';
import { pythonFile } from '../support/python.ts';

const folder = mkdtempSync(join(tmpdir(), 'hopfcole-import-gguf-'));
const path = (name: string) => join(folder, name);

/** What each is taken for. */
const models: Readonly<Record<string, string>> = {
  llama: 'Llama',
  'llama-bias': 'Llama',
  'llama-q8': 'Llama',
  qwen2: 'Qwen2',
  qwen3: 'Qwen3',
};

async function opened(name: string) {
  return openCheckpoint(await openFile(path(`${name}.gguf`)));
}

describe.skipIf(!hasGguf)('GGUF models of Llama and its kin', () => {
  beforeAll(() => {
    pythonFile(join(import.meta.dirname, 'gguf_models.py'), [folder]);
  }, 120_000);

  it.each(Object.keys(models))('%s: has the names and rows of Hugging Face again, bit for bit', async (name) => {
    const { tensors } = await asHuggingFace(await opened(name), name);
    const expected = await readArrays(path(`${name}.safetensors`));
    expect([...tensors.keys()].sort()).toEqual([...expected.keys()].sort());
    for (const [key, tensor] of tensors) expect([key, await load(tensor)]).toEqual([key, expected.get(key)]);
  });

  it.each(Object.entries(models))(
    '%s is imported as %s without a configuration, and computes what PyTorch does',
    async (name, network) => {
      const model = path(`${name}.onnx`);
      const { json } = await perform(importWeights, { file: path(`${name}.gguf`), output: model });
      expect(json).toMatchObject({ format: 'gguf', recognised: { network, assumed: [], needed: [] } });
      const output = path(`${name}.out.npz`);
      await perform(run, { model, input: path(`${name}.npz`), output, ep: 'cpu' });
      const [found, expected] = [await readArrays(output), await readArrays(path(`${name}.npz`))];
      const numbers = (arrays: Map<string, Tensor>) => [...toNumbers(arrays.get('logits') as Tensor)];
      const [ours, theirs] = [numbers(found), numbers(expected)];
      const largest = Math.max(...theirs.map(Math.abs));
      expect(ours.length).toBe(2 * 9 * 60);
      expect(Math.max(...ours.map((value, i) => Math.abs(value - (theirs[i] ?? Number.NaN))))).toBeLessThan(
        1e-5 * largest,
      );
    },
  );

  it('says which were quantised, under the names it gives them', async () => {
    const output = path('said.onnx');
    const { json } = await perform(importWeights, { file: path('llama-q8.gguf'), output });
    const name = 'model.layers.1.self_attn.k_proj.weight';
    expect(json.changed).toContainEqual({ name, why: 'Q8_0 in the file, read as float32' });
  });

  it('reads any piece of rows that were turned', async () => {
    const { tensors } = await asHuggingFace(await opened('llama-q8'), 'x');
    const tensor = tensors.get('model.layers.0.self_attn.q_proj.weight');
    if (tensor === undefined || !('range' in tensor)) throw new Error('expected a stored tensor');
    const { bytes } = await load(tensor);
    for (const [at, length] of [
      [0, 0],
      [0, 1],
      [1000, 200],
      [1023, 2],
      [127, 2049],
      [4095, 1],
    ] as const)
      expect([at, await tensor.range.source.read(at, length)]).toEqual([at, bytes.subarray(at, at + length)]);
  });

  it('is recognised by inspect, which shows the names of the file', async () => {
    const { json } = await perform(inspect, { file: path('qwen3.gguf') });
    expect(json).toMatchObject({ format: 'gguf', recognised: { network: 'Qwen3' } });
    expect(JSON.stringify(json.parameters)).toContain('blk.0.attn_q_norm.weight');
  });

  it('is exported under either names', async () => {
    const names = async (args: Record<string, unknown>) => {
      const output = path('named.safetensors');
      const { json } = await perform(exportModel, { model: path('llama.gguf'), to: 'safetensors', output, ...args });
      return (json.parameters as string[]).sort();
    };
    expect(await names({})).toContain('blk.0.attn_q.weight');
    expect(await names({ names: 'huggingface' })).toEqual(
      [...(await readArrays(path('llama.safetensors'))).keys()].sort(),
    );
    const [written, expected] = [
      await readArrays(path('named.safetensors')),
      await readArrays(path('llama.safetensors')),
    ];
    expect(written).toEqual(expected);
    const other = { model: path('llama.safetensors'), to: 'npz', output: path('x.npz'), names: 'huggingface' };
    await expect(perform(exportModel, other)).rejects.toMatchObject({ code: 'BAD_USAGE' });
  });

  it('refuses what it cannot undo', async () => {
    const strange = await opened('strange');
    const lost = { code: 'UNRECOGNISED_NETWORK', message: expect.stringMatching(/"blk.0.ssm_a"/) };
    await expect(asHuggingFace(strange, 'm.gguf')).rejects.toMatchObject(lost);
    const scaled = perform(importWeights, { file: path('stretched.gguf'), output: path('never.onnx') });
    const unknown = { code: 'UNRECOGNISED_NETWORK', message: expect.stringMatching(/rope_freqs/) };
    await expect(scaled).rejects.toMatchObject(unknown);
    const llama = await opened('llama');
    const told = (changes: Record<string, string | number>) =>
      asHuggingFace({ ...llama, metadata: new Map([...llama.metadata, ...Object.entries(changes)]) }, 'm.gguf');
    const error = (code: string, message: RegExp) => ({ code, message: expect.stringMatching(message) });
    const architecture = told({ 'general.architecture': 'gemma' });
    await expect(architecture).rejects.toMatchObject(error('UNRECOGNISED_NETWORK', /'gemma'/));
    await expect(told({ 'llama.expert_count': 8 })).rejects.toMatchObject(error('UNRECOGNISED_NETWORK', /experts/));
    const heads = (count: string | number) => told({ 'llama.attention.head_count': count });
    await expect(heads(5)).rejects.toMatchObject(error('BAD_GGUF', /rows do not make 5 heads/));
    for (const count of [0, 1.5, 'four', Number.NaN])
      await expect(heads(count)).rejects.toMatchObject(error('BAD_GGUF', /head_count to be a/));
  });

  it('knows the rotation of Llama 3.1 by its numbers', async () => {
    const { config, tensors, changed } = await asHuggingFace(await opened('llama31'), 'm.gguf');
    const scaling = config.get('rope_scaling');
    expect(Object.fromEntries(scaling as ReadonlyMap<string, unknown>)).toEqual({
      rope_type: 'llama3',
      factor: 32,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    });
    expect(tensors.has('rope_freqs.weight')).toBe(false);
    expect(changed.map(({ name }) => name)).toEqual(['rope_freqs.weight']);
    const { json } = await perform(importWeights, { file: path('llama31.gguf'), output: path('llama31.onnx') });
    const ropeScaling = {
      type: 'llama3',
      factor: 32,
      lowFrequencyFactor: 1,
      highFrequencyFactor: 4,
      originalLength: 8192,
    };
    expect(json.recognised).toMatchObject({ spec: { layers: [{ ropeScaling }] } });
    expect((await asHuggingFace(await opened('unstretched'), 'm.gguf')).config.has('rope_scaling')).toBe(false);
  });
});
