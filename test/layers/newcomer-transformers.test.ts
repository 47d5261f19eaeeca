import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fromNumbers } from '../../src/files/tensor.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { buildNetwork, importNetwork } from '../../src/layers/network.ts';
import { parseSpec } from '../../src/layers/spec/spec.ts';
import { stateDictOf } from '../../src/layers/state-dict.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { generate } from '../../src/runtime/generation.ts';
import { openSession } from '../../src/runtime/node/open.ts';
import { hasPython, pythonFile } from '../support/python.ts';
import { judgedByTorch, tensorsOf } from './judge.ts';

const features = (size: number, name = 'x') => ({ name, shape: ['batch', 'time', size] });
const tokens = { name: 'tokens', dtype: 'int64', shape: ['batch', 'time'] };
const image = { name: 'image', shape: ['batch', 3, 'height', 'width'] };
const fixed = (size: number) => ({ name: 'image', shape: ['batch', 3, size, size] });

const one = (kind: string, options: object, ...inputs: object[]) => ({
  inputs,
  layers: [{ kind, name: '.', ...options }],
});
const whole = (kind: string, options: object, ...inputs: object[]) => ({ inputs, layers: [{ kind, ...options }] });

const attention = (options: object, size = 6) => one('attention', options, features(size, 'query'));
const crossed = (options: object, key: number, value: number, shape: string[] = ['batch', 'keys']) => ({
  inputs: [features(6, 'query'), { name: 'key', shape: [...shape, key] }, { name: 'value', shape: [...shape, value] }],
  layers: [{ kind: 'attention', name: '.', from: ['query', 'key', 'value'], ...options }],
});
const encoder = (options: object, size = 6) => one('transformer-encoder', options, features(size));
const pair = (size: number) => [
  { name: 'source', shape: ['batch', 'from', size] },
  { name: 'target', shape: ['batch', 'to', size] },
];
const bare = (options: object, size = 6) =>
  whole('transformer', { from: ['source', 'target'], positionForm: 'none', causal: false, ...options }, ...pair(size));
/** A bias of keys moves no softmax: its co-state is 0, and what is computed is rounding. */
const keyBiases = (layers: number) =>
  Array.from({ length: layers }, (_, index) => `encoder.layer.${index}.attention.self.key.bias`);

/** A block written by hand, with PyTorch's names. */
const ownBlock = (_: unknown, index: number) => ({
  kind: 'sequential',
  name: `blocks.${index}`,
  layers: [
    {
      kind: 'residual',
      name: '.',
      layers: [
        { kind: 'layer-norm', name: 'norm1', bias: false },
        { kind: 'attention', name: 'attn', heads: 2 },
      ],
    },
    {
      kind: 'residual',
      name: '.',
      scale: 'gamma',
      layers: [
        { kind: 'rms-norm', name: 'norm2', eps: 1e-3 },
        {
          kind: 'sequential',
          name: 'mlp',
          layers: [{ kind: 'linear' }, { kind: 'gelu' }, { kind: 'dropout', p: 0.3 }, { kind: 'linear' }],
        },
      ],
    },
  ],
});

const multiQuery = { kind: 'llama', heads: 5, headDim: 6, keyValueHeads: 1, ropeTheta: 500, eps: 0.01 };

judgedByTorch('a newcomer brings', join(import.meta.dirname, 'newcomer-transformers.py'), [
  { name: 'mha-no-bias', build: attention({ heads: 1 }) },
  { name: 'mha-one-feature', build: attention({ heads: 1 }, 1) },
  { name: 'mha-one-step', build: attention({ heads: 3 }) },
  { name: 'mha-kv-sizes', build: crossed({ heads: 2 }, 5, 3) },
  { name: 'mha-kv-sizes-no-bias', build: crossed({ heads: 2, bias: false }, 5, 3) },
  {
    name: 'mha-everything',
    build: one(
      'attention',
      { heads: 3, batchFirst: false, addZeroAttn: true, keyPaddingMask: 'key_padding_mask', attnMask: 'attn_mask' },
      { name: 'query', shape: ['time', 'batch', 6] },
    ),
  },
  {
    name: 'mha-time-first-kv',
    build: {
      inputs: [
        { name: 'query', shape: ['time', 'batch', 6] },
        { name: 'key', shape: ['keys', 'batch', 4] },
        { name: 'value', shape: ['keys', 'batch', 4] },
      ],
      layers: [
        {
          kind: 'attention',
          name: '.',
          from: ['query', 'key', 'value'],
          heads: 2,
          batchFirst: false,
          addBiasKv: true,
        },
      ],
    },
  },
  { name: 'encoder-no-bias', build: encoder({ heads: 2, normFirst: true, bias: false }) },
  { name: 'encoder-odd', build: encoder({ heads: 1, activation: 'gelu', eps: 0.1, finalEps: 0.01 }, 5) },
  { name: 'encoder-no-bias-final', build: encoder({ heads: 3, bias: false, finalEps: 0.01 }) },
  { name: 'encoder-silu', build: encoder({ heads: 3, activation: 'silu' }) },
  {
    name: 'encoder-causal-nested',
    build: {
      inputs: [features(6)],
      layers: [
        { kind: 'transformer-encoder', name: 'net.body', heads: 2, causal: true },
        { kind: 'linear', name: 'net.head', bias: false },
      ],
    },
  },
  { name: 'transformer-bare', build: bare({ heads: 2 }) },
  {
    name: 'transformer-no-bias',
    build: bare({ heads: 2, bias: false, normFirst: true, activation: 'gelu', eps: 0.01 }),
  },
  { name: 'transformer-one', build: bare({ heads: 1 }, 3) },
  {
    name: 'seq2seq-odd',
    build: whole(
      'transformer',
      { from: ['source', 'target'], heads: 4 },
      { name: 'source', dtype: 'int64', shape: ['batch', 'from'] },
      { name: 'target', dtype: 'int64', shape: ['batch', 'to'] },
    ),
  },
  { name: 'bert-small', build: whole('bert', { heads: 5, eps: 1e-3 }, tokens), without: keyBiases(3) },
  { name: 'bert-one', build: whole('bert', { heads: 1, head: 'pooler' }, tokens), without: keyBiases(1) },
  { name: 'gpt2-one', build: whole('gpt2', { heads: 1 }, tokens) },
  { name: 'gpt2-bare', build: whole('gpt2', { heads: 5 }, tokens) },
  {
    name: 'llama-multi-query',
    build: { inputs: [tokens], layers: [multiQuery] },
  },
  { name: 'llama-one', build: whole('llama', { heads: 1 }, tokens) },
  { name: 'vit-timm-odd', build: whole('vit', { heads: 5 }, fixed(6)) },
  { name: 'vit-one-patch', build: whole('vit', { heads: 1 }, fixed(6)) },
  { name: 'resnet-odd', build: whole('resnet', { groups: 2, widthPerGroup: 32 }, image) },
  { name: 'resnet-three', build: whole('resnet', {}, image) },
  {
    name: 'cnn-1d',
    build: {
      inputs: [{ name: 'x', shape: ['batch', 3, 17] }],
      layers: [
        {
          kind: 'conv1d',
          out: 6,
          kernel: 4,
          stride: 2,
          padding: 3,
          dilation: 2,
          groups: 3,
          bias: false,
          paddingMode: 'reflect',
        },
        { kind: 'batch-norm', eps: 0.01 },
        { kind: 'gelu' },
        { kind: 'max-pool', kernel: 3, stride: 2, padding: 1, ceilMode: true },
        {
          kind: 'conv-transpose1d',
          kernel: 3,
          stride: 2,
          padding: 1,
          outputPadding: 1,
          groups: 2,
          bias: false,
          dilation: 2,
        },
        { kind: 'avg-pool', kernel: 3, stride: 2, padding: 1, ceilMode: true, countIncludePad: false },
        { kind: 'flatten' },
      ],
    },
  },
  {
    name: 'cnn-2d',
    build: {
      inputs: [{ name: 'x', shape: ['batch', 2, 7, 5] }],
      layers: [
        { kind: 'conv2d', kernel: [1, 3], padding: 'same', paddingMode: 'circular' },
        { kind: 'adaptive-max-pool', output: [3, null] },
        {
          kind: 'conv-transpose2d',
          kernel: [3, 2],
          stride: [2, 1],
          padding: [1, 0],
          outputPadding: [1, 0],
          bias: false,
        },
        { kind: 'adaptive-avg-pool', output: [2, 3] },
        { kind: 'upsample', scale: 2, mode: 'bilinear', alignCorners: true },
        { kind: 'flatten' },
        { kind: 'linear' },
      ],
    },
  },
  {
    name: 'decoder-alone',
    build: {
      inputs: pair(6),
      layers: [
        {
          kind: 'transformer-decoder',
          name: '.',
          from: ['target', 'source'],
          heads: 3,
          normFirst: true,
          bias: false,
          finalEps: 0.01,
          memoryMask: 'memory_mask',
        },
      ],
    },
  },
  { name: 's4-one-step', build: whole('s4-classifier', {}, features(1)) },
  { name: 's4-pre', build: whole('s4-classifier', { normFirst: true }, features(2)) },
  { name: 'mamba-one-step', build: whole('mamba', {}, tokens) },
  {
    name: 'own-decoder',
    build: {
      inputs: [tokens],
      layers: [
        { kind: 'embedding', name: 'tok', paddingIdx: 0 },
        ...[0, 1].map(ownBlock),
        { kind: 'layer-norm', affine: false },
        { kind: 'linear', weight: 'tok.weight', bias: false },
      ],
    },
  },
  {
    name: 'own-residual',
    build: {
      inputs: [{ name: 'x', shape: ['batch', 3, 7, 5] }],
      layers: [
        {
          kind: 'residual',
          name: '.',
          layers: [
            {
              kind: 'sequential',
              name: 'body',
              layers: [
                { kind: 'conv2d', stride: 2, padding: 1, bias: false },
                { kind: 'group-norm', groups: 2, eps: 1e-3 },
                { kind: 'silu' },
                { kind: 'conv2d' },
              ],
            },
          ],
          shortcut: [
            { kind: 'conv2d', name: 'down.0', stride: 2 },
            { kind: 'instance-norm', name: 'down.1', affine: true },
          ],
        },
      ],
    },
  },
  {
    name: 'own-flow',
    build: {
      inputs: [{ name: 'x', shape: ['batch', 3] }],
      layers: [
        {
          kind: 'residual',
          name: 'f',
          method: 'rk4',
          step: 0.5,
          layers: [{ kind: 'linear' }, { kind: 'tanh' }, { kind: 'linear' }],
        },
        { kind: 'residual', name: 'g', method: 'midpoint', layers: [{ kind: 'layer-norm' }, { kind: 'linear' }] },
      ],
    },
  },
  {
    name: 'own-leapfrog',
    build: {
      inputs: [
        { name: 'q', shape: ['batch', 3] },
        { name: 'p', shape: ['batch', 3] },
      ],
      layers: [
        {
          kind: 'leapfrog',
          name: 'step',
          from: ['q', 'p'],
          step: 0.2,
          potential: [{ kind: 'linear', name: 'v.0' }, { kind: 'tanh' }],
          kinetic: [{ kind: 'linear', name: 't' }],
        },
      ],
      outputs: { momentum: 'step.p' },
    },
  },
]);

describe.skipIf(!hasPython)('a newcomer generates', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hopfcole-newcomer-'));
  let goes: Record<string, { prompts: number[][]; tokens: number[][] }>;
  beforeAll(() => {
    pythonFile(join(import.meta.dirname, 'newcomer-transformers.py'), [folder, 'generate']);
    goes = JSON.parse(readFileSync(join(folder, 'generated.json'), 'utf8'));
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each([
    ['llama-multi-query', multiQuery],
    ['llama-one', { kind: 'llama', heads: 1 }],
    ['mamba-one-step', { kind: 'mamba' }],
  ])("%s: PyTorch's tokens with and without a cache", async (name, layer) => {
    const weights = await tensorsOf(join(folder, `${name}.safetensors`));
    for (const cache of [false, true]) {
      const { model } = importNetwork(parseSpec({ inputs: [tokens], layers: [{ ...layer, cache }] }), weights);
      const session = await openSession(encodeModel(toProto(model)), { provider: 'cpu', home: 'process' });
      try {
        const { tokens: made } = await generate(session, goes[name]?.prompts ?? [], { maxTokens: 30 });
        expect(made).toEqual(goes[name]?.tokens);
      } finally {
        await session.close();
      }
    }
  });
});

describe('a newcomer errs', () => {
  const relu = { kind: 'relu' };
  const built = (...layers: object[]) => buildNetwork(parseSpec({ inputs: [features(6)], layers }), 1);

  it.each<[string, object, RegExp]>([
    ['a misspelt field', { kind: 'attention', headz: 2 }, /unknown field 'headz'/],
    ['an eps beyond float32', { kind: 'layer-norm', eps: 1e300 }, /float32 can hold, got 1e\+300/],
    ['a step beyond float32', { kind: 'residual', step: 1e300, layers: [relu] }, /float32 can hold/],
    ['a viscosity beyond float32', { kind: 'residual', viscosity: 1e300, layers: [relu] }, /float32 can hold/],
    ['a step of 0', { kind: 'residual', step: 0, layers: [relu] }, /expected number to be >0, got 0/],
    ['a dropout of everything', { kind: 'dropout', p: 1 }, /expected number to be <1, got 1/],
    ['groups that do not divide', { kind: 'group-norm', groups: 4, channels: 6 }, /layer '0' \(norm\)/],
    ['features for tokens', { kind: 'embedding', entries: 3, features: 2 }, /layer '0' .*int64/],
    ['a branch of another size', { kind: 'residual', layers: [{ kind: 'linear', out: 3 }] }, /F\(x\) of shape/],
    ['no layers', { kind: 'sequential', layers: [] }, /expected array to have >=1 items/],
    ['one value for two', { kind: 'leapfrog', potential: [relu] }, /takes 2 values, got 1/],
    ['features for a whole model', { kind: 'gpt2' }, /the network \(gpt2\) expects the axes \[batch, time\]/],
  ])('%s', (_, layer, message) => {
    expect(() => built(layer)).toThrow(message);
  });

  it('is pointed at a layer inside layers', () => {
    const inner = {
      kind: 'sequential',
      name: 'a',
      layers: [{ kind: 'residual', layers: [{ kind: 'linear', in: 5 }] }],
    };
    expect(() => built(inner)).toThrow(expect.objectContaining({ message: expect.stringContaining("'a.0.0'") }));
    expect(() => built(inner)).toThrow(
      expect.objectContaining({ where: expect.objectContaining({ at: '$.layers[0].layers[0].layers[0]' }) }),
    );
  });

  it('gives nn.Transformer sides of two sizes', () => {
    const layers = [{ kind: 'transformer', from: ['source', 'target'], heads: 2, encoderLayers: 1, decoderLayers: 1 }];
    const inputs = [pair(6)[0], pair(8)[1]];
    expect(() => buildNetwork(parseSpec({ inputs, layers }), 1)).toThrow(/expects 6 input features.*'target' gives 8/);
  });
});

it('weights that a checkpoint has under two names are written under both', () => {
  const weight = fromNumbers('float32', [41, 6], new Float64Array(246));
  const checkpoint = new Map([
    ['module.tok.weight', weight],
    ['module.head.weight', weight],
  ]);
  const layers = [
    { kind: 'embedding', name: 'tok' },
    { kind: 'linear', weight: 'tok.weight', bias: false },
  ];
  const { model } = importNetwork(parseSpec({ inputs: [tokens], layers }), checkpoint);
  expect([...stateDictOf(model).keys()].sort()).toEqual(['head.weight', 'tok.weight']);
});
