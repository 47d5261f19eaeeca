import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fromNumbers, type Tensor, toNumbers } from '../../src/files/tensor.ts';
import { input } from '../../src/graph/make.ts';
import { linear } from '../../src/layers/linear.ts';
import { embedded } from '../../src/layers/models/embedded.ts';
import { transformerEncoder } from '../../src/layers/models/encoder.ts';
import { meanPool } from '../../src/layers/models/pool.ts';
import { fromCheckpoint } from '../../src/layers/module.ts';
import { buildNetwork, network } from '../../src/layers/network.ts';
import { parseSpec } from '../../src/layers/spec/spec.ts';
import { judgedByTorch, ran } from './judge.ts';

const tokens = { name: 'tokens', dtype: 'int64', shape: ['batch', 'time'] };
const features = { name: 'x', shape: ['batch', 'time', 32] };
const image = { name: 'image', shape: ['batch', 3, 8, 8] };

/** A whole model that stands at the root of the state dict. */
const whole = (kind: string, options: object = {}, input: object = tokens, more: object = {}) => ({
  inputs: [input],
  layers: [{ kind, ...options }],
  ...more,
});

const pooled = { outputs: { pooled: 'pooled' } };
const bert = (options: object = {}, more: object = {}) => whole('bert', { heads: 4, ...options }, tokens, more);
const gpt2 = (options: object = {}) => whole('gpt2', { heads: 4, ...options });
const llama = (options: object = {}) => whole('llama', { heads: 4, ...options });
const encoder = (options: object = {}) => whole('transformer-encoder', { name: '.', heads: 4, ...options }, features);

const translator = (options: object = {}) => ({
  inputs: [
    { name: 'source', dtype: 'int64', shape: ['batch', 'from'] },
    { name: 'target', dtype: 'int64', shape: ['batch', 'to'] },
  ],
  layers: [{ kind: 'transformer', from: ['source', 'target'], heads: 4, ...options }],
});

/** A bias of keys moves no softmax: its co-state is 0, and what is computed is rounding. */
const keyBiases = (prefix = '') => [0, 1].map((index) => `${prefix}encoder.layer.${index}.attention.self.key.bias`);

const block = (options: object) => whole('feed-forward', { name: 'ff', ...options }, features);

judgedByTorch('whole transformers', join(import.meta.dirname, 'transformer_cases.py'), [
  { name: 'bert', build: bert({}, pooled), without: keyBiases() },
  { name: 'bert-masked', build: bert({ mask: 'mask', tokenTypes: 'token_types' }, pooled), without: keyBiases() },
  { name: 'roberta', build: bert({ mask: 'mask', positionOffset: 2 }, pooled), without: keyBiases() },
  { name: 'bert-mean', build: bert({ mask: 'mask', head: 'mean' }), without: keyBiases() },
  {
    name: 'bert-classifier',
    build: bert({ mask: 'mask', tokenTypes: 'token_types', head: 'sequence' }),
    without: keyBiases('bert.'),
  },
  { name: 'bert-tagger', build: bert({ head: 'token' }), without: keyBiases('bert.') },
  { name: 'bert-masked-lm', build: bert({ mask: 'mask', head: 'masked-lm' }), without: keyBiases('bert.') },
  { name: 'gpt2', build: gpt2() },
  { name: 'gpt2-untied', build: gpt2({ mask: 'mask' }) },
  { name: 'gpt2-cache', build: gpt2({ cache: true }) },
  { name: 'gpt2-cache-masked', build: gpt2({ cache: true, mask: 'mask' }) },
  { name: 'gpt2-last', build: gpt2({ lastLogits: true }) },
  { name: 'llama', build: llama() },
  { name: 'llama-masked', build: llama({ mask: 'mask' }) },
  { name: 'llama-cache', build: llama({ cache: true }) },
  { name: 'llama-cache-masked', build: llama({ cache: true, mask: 'mask' }) },
  { name: 'qwen2', build: llama({ ropeTheta: 1e6, tied: true }) },
  { name: 'qwen3', build: llama({ cache: true, tied: true }) },
  { name: 'mistral', build: llama({ window: 3 }) },
  { name: 'vit-timm', build: whole('vit', { heads: 4 }, image) },
  { name: 'vit-timm-scaled', build: whole('vit', { heads: 4 }, image) },
  { name: 'vit-torchvision', build: whole('vit', { heads: 4 }, image) },
  { name: 'encoder-post', build: encoder() },
  { name: 'encoder-pre', build: encoder({ normFirst: true, activation: 'gelu', eps: 1e-3, mask: 'mask' }) },
  { name: 'encoder-bare', build: encoder({ bias: false }) },
  { name: 'encoder-causal', build: encoder({ causal: true }) },
  {
    name: 'encoder-tokens',
    build: (weights) => {
      const root = fromCheckpoint(weights);
      const ids = input('tokens', 'int64', ['batch', 'time']);
      const mask = input('mask', 'int64', ['batch', 'time']);
      const x = embedded(root, ids);
      const read = transformerEncoder(root.at('encoder'), x, { heads: 4, normFirst: true, activation: 'gelu', mask });
      const output = linear(root.at('head'), meanPool(root, read, mask));
      return network(root, { inputs: [ids, mask], outputs: { output } }).model;
    },
  },
  { name: 'seq2seq', build: translator({ mask: 'mask' }) },
  {
    name: 'seq2seq-sinusoids',
    build: translator({ normFirst: true, activation: 'gelu', scaled: true }),
  },
  ...['relu', 'gelu', 'gelu-tanh', 'silu'].map((activation) => ({
    name: `feed-forward-${activation}`,
    build: block({ activation }),
  })),
  { name: 'feed-forward-glu', build: block({ activation: 'sigmoid', gated: true, bias: true }) },
  { name: 'feed-forward-lse', build: whole('lse-feed-forward', { name: 'ff', epsilon: 0.5 }, features) },
]);

describe('whole transformers with fresh weights', () => {
  const sizes = { vocabulary: 50, hidden: 32, heads: 4, layers: 2 };
  const built = (spec: object) => buildNetwork(parseSpec(spec), 1).model;
  const fixed = (time: number) => ({ ...tokens, shape: ['batch', time] });
  const random = (shape: number[]) =>
    fromNumbers(
      'float32',
      shape,
      Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i)),
    );

  it('run at any length, and their cache continues what they began', async () => {
    for (const kind of ['gpt2', 'llama']) {
      const cached = built(whole(kind, { ...sizes, cache: true }));
      const plain = built(whole(kind, sizes));
      const ids = (from: number, to: number) =>
        fromNumbers(
          'int64',
          [2, to - from],
          [1, 2].flatMap((row) => Array.from({ length: to - from }, (_, i) => (7 * row * (from + i)) % 50)),
        );
      const none = fromNumbers('float32', [2, 4, 0, 8], []);
      const names = [0, 1].flatMap((layer) => [`${layer}.key`, `${layer}.value`]);
      const first = await ran(
        cached,
        new Map([['tokens', ids(0, 5)], ...names.map((name) => [`past.${name}`, none] as const)]),
      );
      const past = names.map((name) => [`past.${name}`, first.get(`present.${name}`) as Tensor] as const);
      const second = await ran(cached, new Map([['tokens', ids(5, 9)], ...past]));
      const all = await ran(plain, new Map([['tokens', ids(0, 9)]]));
      const rows = toNumbers(all.get('output') as Tensor);
      const later = toNumbers(second.get('output') as Tensor);
      const expected = [0, 1].flatMap((row) => [...rows.subarray((row * 9 + 5) * 50, (row + 1) * 9 * 50)]);
      const largest = Math.max(...expected.map(Math.abs));
      expect(Math.max(...expected.map((value, i) => Math.abs(value - (later[i] ?? 0)))) / largest).toBeLessThan(1e-5);
    }
  });

  it('run in every kind of float that ONNX Runtime has kernels for (no float64 Erf), and give what float32 gives', async () => {
    for (const kind of ['bert', 'gpt2', 'llama'])
      for (const dtype of kind === 'bert' ? ['float16'] : ['float16', 'float64']) {
        const ids = new Map([['tokens', fromNumbers('int64', [2, 4], [1, 2, 3, 4, 5, 6, 7, 8])]]);
        const wide = toNumbers((await ran(built(whole(kind, sizes)), ids)).get('output') as Tensor);
        const own = toNumbers((await ran(built({ ...whole(kind, sizes), dtype }), ids)).get('output') as Tensor);
        const largest = Math.max(...wide.map(Math.abs));
        const far = Math.max(...wide.map((value, i) => Math.abs(value - (own[i] ?? 0)))) / largest;
        expect(far).toBeLessThan(dtype === 'float16' ? 1e-2 : 1e-5);
      }
    const image8 = whole('vit', { hidden: 32, heads: 4, layers: 1, patch: 4, classes: 3 }, image);
    expect((await ran(built(image8), new Map([['image', random([2, 3, 8, 8])]]))).get('output')?.shape).toEqual([2, 3]);
    const pair = {
      ...translator({
        hidden: 32,
        sourceVocabulary: 9,
        vocabulary: 11,
        encoderLayers: 1,
        decoderLayers: 1,
        positions: 8,
      }),
    };
    const two = fromNumbers('int64', [1, 2], [1, 2]);
    const out = await ran(
      built(pair),
      new Map([
        ['source', two],
        ['target', two],
      ]),
    );
    expect(out.get('output')?.shape).toEqual([1, 2, 11]);
  });

  it.each<[string, object, object]>([
    [
      'no layers said',
      whole('gpt2', { ...sizes, layers: undefined }),
      { code: 'BAD_SPEC', message: expect.stringMatching(/"layers"/) },
    ],
    [
      'heads that do not divide',
      whole('bert', { ...sizes, heads: 5 }),
      { code: 'BAD_SPEC', message: expect.stringMatching(/32 features among 5/) },
    ],
    [
      'heads that share unevenly',
      whole('llama', { ...sizes, keyValueHeads: 3 }),
      { code: 'BAD_SPEC', message: expect.stringMatching(/keyValueHeads/) },
    ],
    [
      'more tokens than positions',
      whole('gpt2', { ...sizes, positions: 8 }, fixed(9)),
      { code: 'SHAPE_MISMATCH', message: expect.stringMatching(/at most 8 tokens/) },
    ],
    [
      'no tokens',
      whole('llama', sizes, fixed(0)),
      { code: 'SHAPE_MISMATCH', message: expect.stringMatching(/at least one token/) },
    ],
    ['tokens that are numbers', whole('bert', sizes, { name: 'x', shape: ['batch', 4] }), { code: 'DTYPE_MISMATCH' }],
    [
      'an image that is no multiple of its patches',
      whole('vit', { hidden: 8, heads: 1, layers: 1, patch: 3 }, image),
      { code: 'SHAPE_MISMATCH', message: expect.stringMatching(/multiples/) },
    ],
    [
      'a mask of another length',
      {
        ...whole('bert', { ...sizes, mask: 'm' }, fixed(4)),
        inputs: [fixed(4), { name: 'm', dtype: 'int64', shape: ['batch', 5] }],
      },
      { code: 'SHAPE_MISMATCH', message: expect.stringMatching(/mask/) },
    ],
    [
      'a mask of another rank',
      {
        ...whole('llama', { ...sizes, mask: 'm' }),
        inputs: [tokens, { name: 'm', dtype: 'int64', shape: ['batch', 1, 'time'] }],
      },
      { code: 'SHAPE_MISMATCH' },
    ],
    [
      'a cache of other heads',
      {
        ...whole('gpt2', { ...sizes, cache: true }),
        inputs: [tokens, { name: 'past.0.key', shape: ['batch', 2, 'past', 8] }],
      },
      { code: 'SHAPE_MISMATCH', message: expect.stringMatching(/cache \[batch, 4, past, 8\]/) },
    ],
    [
      'one sequence of two',
      whole('transformer', { heads: 4 }),
      { code: 'BAD_SPEC', message: expect.stringMatching(/takes 2 values/) },
    ],
  ])('refuse %s', (_, spec, expected) => {
    expect(() => built(JSON.parse(JSON.stringify(spec)))).toThrow(expect.objectContaining(expected));
  });
});
