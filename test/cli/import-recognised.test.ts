import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { importWeights } from '../../src/cli/commands/import.ts';
import { inspect } from '../../src/cli/commands/inspect.ts';
import { HopfcoleError } from '../../src/files/error.ts';
import { perform } from '../support/command.ts';

const root = mkdtempSync(join(tmpdir(), 'hopfcole-recognised-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let count = 0;

type Shapes = Readonly<Record<string, readonly number[]>>;

/** A folder with model.safetensors of these shapes, all zeros, and further files. */
function laid(shapes: Shapes, files: Readonly<Record<string, string>> = {}): string {
  const folder = join(root, String(count++));
  mkdirSync(folder);
  let offset = 0;
  const header: Record<string, object> = {};
  for (const [name, shape] of Object.entries(shapes)) {
    const bytes = 4 * shape.reduce((product, size) => product * size, 1);
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + bytes] };
    offset += bytes;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.byteLength));
  writeFileSync(join(folder, 'model.safetensors'), Buffer.concat([length, text, Buffer.alloc(offset)]));
  for (const [name, content] of Object.entries(files)) {
    if (name.includes('/')) mkdirSync(join(folder, name.slice(0, name.lastIndexOf('/'))), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

const lstm: Shapes = {
  'net.weight_ih_l0': [32, 5],
  'net.weight_hh_l0': [32, 8],
  'net.bias_ih_l0': [32],
  'net.bias_hh_l0': [32],
};

const block = (name: string, out: number, into: number): Shapes => ({
  [`${name}.weight`]: [out, into],
  [`${name}.bias`]: [out],
});
const norm = (name: string): Shapes => ({ [`${name}.weight`]: [8], [`${name}.bias`]: [8] });
const first = 'encoder.layer.0';
const bert: Shapes = {
  'embeddings.word_embeddings.weight': [20, 8],
  'embeddings.position_embeddings.weight': [16, 8],
  'embeddings.token_type_embeddings.weight': [2, 8],
  ...norm('embeddings.LayerNorm'),
  ...block(`${first}.attention.self.query`, 8, 8),
  ...block(`${first}.attention.self.key`, 8, 8),
  ...block(`${first}.attention.self.value`, 8, 8),
  ...block(`${first}.attention.output.dense`, 8, 8),
  ...norm(`${first}.attention.output.LayerNorm`),
  ...block(`${first}.intermediate.dense`, 16, 8),
  ...block(`${first}.output.dense`, 8, 16),
  ...norm(`${first}.output.LayerNorm`),
};
const heads = JSON.stringify({ num_attention_heads: 2, layer_norm_eps: 1e-12, hidden_act: 'gelu' });

async function refused(act: Promise<unknown>): Promise<HopfcoleError> {
  const error = await act.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof HopfcoleError) return error;
  throw error ?? new Error('nothing was refused');
}

describe('import of a checkpoint without a specification', () => {
  it('says what it takes the weights for, what it assumed, and keeps sizes open', async () => {
    const folder = laid(lstm);
    const file = join(folder, 'model.safetensors');
    const { json, text } = await perform(importWeights, { file, output: join(folder, 'm.onnx') });
    expect(json).toMatchObject({
      recognised: {
        network: 'nn.LSTM',
        family: 'recurrent',
        assumed: [{ name: 'batch_first', value: true }],
        needed: [],
        spec: { layers: [{ kind: 'lstm' }] },
      },
      inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', 'time', 5] }],
      outputs: [{ name: 'output' }, { name: 'h_n' }, { name: 'c_n' }],
    });
    expect(text.slice(0, 2)).toEqual(['recognised as nn.LSTM', 'assumed batch_first = true']);
  });

  it('reads config.json beside the file, in the folder, or where --config says', async () => {
    const bare = laid(bert);
    const output = join(bare, 'm.onnx');
    const needed = await refused(perform(importWeights, { file: bare, output }));
    expect(needed.code).toBe('CONFIG_NEEDED');
    expect(needed.message).toBe('BERT: its shapes do not tell num_attention_heads');
    expect(needed.hint).toContain('--config FILE ({"num_attention_heads": ...} is enough)');
    expect(existsSync(output)).toBe(false);
    const whole = laid(bert, { 'config.json': heads });
    const config = join(whole, 'config.json');
    for (const args of [{ file: bare, config }, { file: whole }, { file: join(whole, 'model.safetensors') }]) {
      const { json } = await perform(importWeights, { ...args, output: join(whole, 'm.onnx') });
      expect(json).toMatchObject({ recognised: { network: 'BERT', assumed: [], needed: [] } });
    }
  });

  it('takes a folder of sentence-transformers with its pooling', async () => {
    const modules = [
      { idx: 0, path: '', type: 'sentence_transformers.models.Transformer' },
      { idx: 1, path: '1_Pooling', type: 'sentence_transformers.models.Pooling' },
      { idx: 2, path: '2_Normalize', type: 'sentence_transformers.models.Normalize' },
    ];
    const pooling = JSON.stringify({ pooling_mode: 'cls', embedding_dimension: 8 });
    const folder = laid(bert, {
      'config.json': heads,
      'modules.json': JSON.stringify(modules),
      '1_Pooling/config.json': pooling,
    });
    const { json } = await perform(importWeights, { file: folder, output: join(folder, 'm.onnx') });
    expect(json).toMatchObject({
      recognised: {
        network: 'BERT for sentences',
        spec: { layers: [{}, { kind: 'token-pool', pool: 'first' }, { kind: 'normalize' }] },
      },
      outputs: [{ name: 'sentence_embedding', shape: ['batch', 8] }, { name: 'token_embeddings' }],
    });
    const dense = [...modules, { idx: 3, path: '3_Dense', type: 'sentence_transformers.models.Dense' }];
    writeFileSync(join(folder, 'modules.json'), JSON.stringify(dense));
    const error = await refused(perform(importWeights, { file: folder, output: join(folder, 'n.onnx') }));
    expect([error.code, error.message]).toEqual([
      'UNRECOGNISED_NETWORK',
      "the network has the module 'Dense' of sentence-transformers, which no layer here computes",
    ]);
  });

  it('says which network does not use a tensor, or lacks one', async () => {
    const { [`${first}.output.dense.bias`]: _, ...lame } = bert;
    const lacking = laid(lame, { 'config.json': heads });
    const missing = await refused(perform(importWeights, { file: lacking, output: join(lacking, 'm.onnx') }));
    expect(missing.code).toBe('UNRECOGNISED_NETWORK');
    expect(missing.message).toMatch(
      /^the names are those of BERT, but missing: encoder\.layer\.0\.output\.dense\.bias/,
    );
    expect(missing.hint).toContain('torch.export.save');
    const further = laid({ ...bert, 'adapter.down': [3, 8] }, { 'config.json': heads });
    const unused = await refused(perform(importWeights, { file: further, output: join(further, 'm.onnx') }));
    expect([unused.code, unused.message]).toEqual([
      'UNUSED_PARAMETERS',
      "BERT does not use 1 of the checkpoint's tensors: adapter.down",
    ]);
  });

  it.each<[string, Readonly<Record<string, string>>, string]>([
    ['no JSON', { 'config.json': '{"num_attention_heads": 2' }, 'BAD_JSON'],
    ['no text', { 'config.json': '\u0000' }, 'BAD_JSON'],
    ['a number where a text belongs', { 'config.json': '{"num_attention_heads": 2, "hidden_act": 1}' }, 'BAD_CONFIG'],
    [
      'modules outside the folder',
      {
        'config.json': heads,
        'modules.json': JSON.stringify([{ type: 'sentence_transformers.models.Pooling', path: '../../etc' }]),
      },
      'PATH_OUTSIDE_MODEL',
    ],
  ])('refuses a configuration that is %s', async (_, files, code) => {
    const folder = laid(bert, files);
    const output = join(folder, 'm.onnx');
    expect((await refused(perform(importWeights, { file: folder, output }))).code).toBe(code);
    expect(existsSync(output)).toBe(false);
  });

  it('leaves a configuration of something else alone', async () => {
    const folder = laid(lstm, { 'config.json': '["build", "test"]', 'modules.json': '{"a": 1}' });
    const { json } = await perform(importWeights, { file: folder, output: join(folder, 'm.onnx') });
    expect(json).toMatchObject({ recognised: { network: 'nn.LSTM' } });
    const named = { file: folder, config: join(folder, 'config.json'), output: join(folder, 'n.onnx') };
    expect((await refused(perform(importWeights, named))).code).toBe('BAD_CONFIG');
    const absent = { file: folder, config: join(folder, 'none.json'), output: join(folder, 'n.onnx') };
    expect((await refused(perform(importWeights, absent))).code).toBe('FILE_NOT_FOUND');
  });
});

describe('inspect', () => {
  it('says what a checkpoint is taken for, and what is still needed', async () => {
    const { json, text } = await perform(inspect, { file: laid(bert) });
    expect(json).toMatchObject({ recognised: { network: 'BERT', needed: ['num_attention_heads'] }, problems: [] });
    expect(text).toContain('to import it, say num_attention_heads: config.json beside the file, or --config FILE');
    expect((await perform(inspect, { file: laid({ a: [3] }) })).json).toMatchObject({ recognised: null });
    const broken = await perform(inspect, { file: laid(bert, { 'config.json': '{' }) });
    expect(broken.json).toMatchObject({ recognised: null, problems: [] });
  });
});
