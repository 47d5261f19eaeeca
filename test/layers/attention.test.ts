import { join } from 'node:path';
import { judgedByTorch } from './judge.ts';

/** A graph of one attention called `attn`. */
function spec(options: object = {}, { memory = 0, inputs = [], outputs = [], x = ['batch', 'time', 24] }: Asked = {}) {
  const from = ['x', ...(memory > 0 ? ['memory'] : []), ...(memory > 1 ? ['value'] : [])];
  const sizes = { memory: ['batch', 'keys', 24], value: ['batch', 'keys', 24] };
  const named = [{ name: 'x', shape: x }, ...from.slice(1).map((name) => ({ name, shape: sizes[name as 'value'] }))];
  return {
    inputs: [...named.filter(({ name }) => inputs.every((own) => own.name !== name)), ...inputs],
    layers: [{ kind: 'attention', name: 'attn', heads: 4, from, ...options }],
    outputs: Object.fromEntries(outputs.map((name) => [name, `attn.${name}`])),
  };
}

interface Asked {
  readonly memory?: 0 | 1 | 2;
  readonly inputs?: readonly {
    readonly name: string;
    readonly shape: readonly (string | number)[];
    readonly dtype?: string;
  }[];
  readonly outputs?: readonly string[];
  readonly x?: readonly (string | number)[];
}

const weights = { outputs: ['weights'] };
const causal = { causal: true };
const grouped = { keyValueHeads: 2 };
const cache = { cache: 'past.0' };
const keyMask = { keyMask: 'attention_mask' };
const masked = (...shape: (string | number)[]) => [{ name: 'mask', shape }];

const boolsByHead = [{ name: 'mask', dtype: 'bool', shape: [1, 4, 't', 't'] }];

judgedByTorch('attention', join(import.meta.dirname, 'attention.py'), [
  { name: 'mha', build: spec({}, weights) },
  { name: 'mha-cross', build: spec({}, { ...weights, memory: 1 }) },
  { name: 'mha-three', build: spec({}, { ...weights, memory: 2 }) },
  {
    name: 'mha-dims',
    build: spec(
      {},
      {
        ...weights,
        memory: 2,
        inputs: [
          { name: 'memory', shape: ['batch', 'keys', 10] },
          { name: 'value', shape: ['batch', 'keys', 9] },
        ],
      },
    ),
  },
  { name: 'mha-no-bias', build: spec() },
  { name: 'mha-padding', build: spec({ keyPaddingMask: 'key_padding_mask' }, weights) },
  { name: 'mha-causal', build: spec({ attnMask: 'attn_mask' }, weights) },
  {
    name: 'mha-causal',
    build: spec(causal, { ...weights, inputs: [{ name: 'attn_mask', dtype: 'bool', shape: ['t', 't'] }] }),
  },
  {
    name: 'mha-bias-mask',
    build: spec({ attnMask: 'attn_mask' }, { ...weights, inputs: [{ name: 'attn_mask', shape: ['t', 't'] }] }),
  },
  {
    name: 'mha-by-head',
    build: spec(
      { attnMask: 'attn_mask' },
      { ...weights, inputs: [{ name: 'attn_mask', dtype: 'bool', shape: ['n', 't', 't'] }] },
    ),
  },
  {
    name: 'mha-more',
    build: spec({ attnMask: 'attn_mask', keyPaddingMask: 'key_padding_mask', addZeroAttn: true }, weights),
  },
  {
    name: 'mha-time-first',
    build: spec(
      { batchFirst: false },
      { memory: 1, x: ['time', 'batch', 24], inputs: [{ name: 'memory', shape: ['keys', 'batch', 24] }] },
    ),
  },
  { name: 'mha-unbatched', build: spec({}, { x: ['time', 24] }) },
  { name: 'bert', build: spec(keyMask) },
  { name: 'llama', build: spec({ ...grouped, ...causal, ...keyMask, rope: { theta: 500 } }) },
  { name: 'llama-cache', build: spec({ ...grouped, ...causal, ...cache, rope: {} }) },
  { name: 'llama-one', build: spec({ ...grouped, ...causal, ...cache, rope: {} }) },
  { name: 'llama-one', build: spec({ ...grouped, ...causal, ...cache, rope: {} }, { x: ['batch', 1, 24] }) },
  {
    name: 'llama-left',
    build: spec({ ...grouped, ...causal, ...cache, ...keyMask, rope: {}, positions: 'positions' }),
  },
  {
    name: 'llama-three',
    build: spec({
      ...grouped,
      ...causal,
      rope: {
        scaling: { type: 'llama3', factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalLength: 64 },
      },
    }),
  },
  { name: 'llama-linear', build: spec({ ...grouped, ...causal, rope: { scaling: { type: 'linear', factor: 4 } } }) },
  { name: 'gpt-j', build: spec({ ...causal, rope: { dims: 4, interleaved: true } }) },
  {
    name: 'gpt-j-grouped',
    build: spec({ ...grouped, ...causal, rope: { dims: 4, interleaved: true }, positions: 'positions' }),
  },
  { name: 'window', build: spec({ ...grouped, ...causal, ...cache, window: 3 }) },
  { name: 'multi-query', build: spec({ ...causal, keyValueHeads: 1 }) },
  { name: 'wide-heads', build: spec({ ...grouped, ...causal, headDim: 10 }) },
  {
    name: 'sink',
    build: spec({ ...grouped, ...causal, sink: true, mask: 'mask' }, { inputs: masked('batch', 4, 't', 't') }),
  },
  { name: 'by-head', build: spec({ ...grouped, mask: 'mask' }, { inputs: boolsByHead }) },
  { name: 'by-head-plain', build: spec({ mask: 'mask' }, { inputs: boolsByHead }) },
  { name: 'grouped-mask', build: spec({ ...grouped, mask: 'mask' }, { inputs: masked('batch', 1, 't', 't') }) },
  { name: 'epsilon', build: spec({ ...grouped, ...causal, epsilon: { parameter: 'attn.tau', transform: 'exp' } }) },
  { name: 'epsilon-list', build: spec({ ...causal, epsilon: [0.5, 1, 2, 4] }) },
  { name: 'gpt2', build: spec(causal) },
  { name: 'timm', build: spec() },
  { name: 'bloom', build: spec({ ...causal, order: 'heads', alibi: true }) },
  { name: 'falcon', build: spec({ ...grouped, ...causal, order: 'heads' }) },
  { name: 'phi', build: spec({ ...grouped, ...causal }) },
  { name: 'alibi-symmetric', build: spec({ heads: 6, alibi: { symmetric: true } }) },
  { name: 'readings', build: spec({ ...grouped, ...causal }, { outputs: ['weights', 'entropy', 'logSumExp'] }) },
  { name: 'nothing-to-read', build: spec({ ...grouped, ...keyMask }) },
  { name: 'left-padding', build: spec({ ...grouped, ...causal, ...keyMask }) },
  {
    name: 'hopfield',
    build: {
      inputs: [{ name: 'x', shape: ['batch', 24] }],
      layers: [{ kind: 'hopfield', name: 'net', steps: 3 }],
      outputs: { weights: 'net.weights', energy: 'net.energy' },
    },
  },
  {
    name: 'hopfield-of',
    build: {
      inputs: [
        { name: 'x', shape: ['batch', 'time', 24] },
        { name: 'y', shape: ['batch', 'patterns', 24] },
      ],
      layers: [{ kind: 'hopfield', name: 'net', from: ['x', 'y'], steps: 2 }],
      outputs: { weights: 'net.weights', energy: 'net.energy' },
    },
  },
  {
    name: 'learned',
    build: {
      inputs: [{ name: 'x', shape: ['batch', 'time', 24] }],
      layers: [{ kind: 'learned-positions', name: 'net', offset: 2 }],
    },
  },
  {
    name: 'learned-vit',
    build: {
      inputs: [{ name: 'x', shape: ['batch', 'time', 24] }],
      layers: [{ kind: 'learned-positions', name: 'net', parameter: 'pos_embed' }],
    },
  },
  {
    name: 'sinusoidal',
    build: {
      inputs: [{ name: 'x', shape: ['batch', 'time', 24] }],
      layers: [{ kind: 'sinusoidal-positions', scale: 3 }],
    },
  },
]);
