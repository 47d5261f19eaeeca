import { join } from 'node:path';
import { judgedByTorch } from './judge.ts';

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
    build: {
      inputs: [tokens],
      layers: [
        { kind: 'embedding', name: 'embedding' },
        { kind: 'learned-positions', name: 'position' },
        { kind: 'transformer-encoder', name: 'encoder', heads: 4, normFirst: true, activation: 'gelu', mask: 'mask' },
        { kind: 'mean-pool', mask: 'mask' },
        { kind: 'linear', name: 'head' },
      ],
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
