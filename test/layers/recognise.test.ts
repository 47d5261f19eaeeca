import { join } from 'node:path';
import { expect } from 'vitest';
import { parseJson } from '../../src/files/json.ts';
import type { Tensor } from '../../src/files/tensor.ts';
import type { Model } from '../../src/graph/graph.ts';
import { importNetwork } from '../../src/layers/network.ts';
import { type Beside, recognise, specOf } from '../../src/layers/recognise/recognise.ts';
import type { ConfiguredModule } from '../../src/layers/recognise/sentence.ts';
import { judgedByTorch } from './judge.ts';

interface Case {
  readonly network: string;
  /** config.json beside the checkpoint. */
  readonly config?: object;
  readonly modules?: readonly ConfiguredModule[];
  /** What is assumed, by name. */
  readonly assumed?: readonly string[];
  readonly without?: readonly string[];
}

const json = (document: object) => parseJson(JSON.stringify(document), 'config.json');

/** The checkpoint imported as the command line does, and what it is taken for. */
function imported({ network, config, modules, assumed = [] }: Case) {
  return (tensors: ReadonlyMap<string, Tensor>): Model => {
    const beside: Beside = {
      config: config === undefined ? undefined : { document: json(config), file: 'config.json' },
      modules,
    };
    const recognised = recognise(tensors, beside);
    expect(recognised?.network).toBe(network);
    expect(recognised?.assumed.map(({ name }) => name).sort()).toEqual([...assumed].sort());
    const { model, parameters } = importNetwork(specOf(recognised, 'weights'), tensors);
    expect(parameters.unused).toEqual([]);
    return model;
  };
}

/** A bias of keys moves no softmax: its co-state is 0, and what is computed is rounding. */
const keyBiases = (prefix: string, name: (index: number) => string) => [0, 1].map((index) => `${prefix}${name(index)}`);
const bertKeys = (prefix = '') => keyBiases(prefix, (index) => `encoder.layer.${index}.attention.self.key.bias`);
const distilKeys = (prefix = '') => keyBiases(prefix, (index) => `transformer.layer.${index}.attention.k_lin.bias`);
const vitKeys = (prefix = '') => keyBiases(prefix, (index) => `encoder.layer.${index}.attention.attention.key.bias`);

const heads = { num_attention_heads: 4 };
const bert = { ...heads, model_type: 'bert', layer_norm_eps: 1e-12, hidden_act: 'gelu' };
const roberta = { ...heads, model_type: 'roberta', layer_norm_eps: 1e-5, hidden_act: 'gelu', pad_token_id: 1 };
const distilbert = { n_heads: 4, model_type: 'distilbert', activation: 'gelu', dim: 32 };
const decoder = { ...heads, num_key_value_heads: 2, rms_norm_eps: 1e-6, rope_theta: 10_000, hidden_act: 'silu' };
const module = (type: string, path: string, config?: object): ConfiguredModule => ({
  type,
  path,
  config: config === undefined ? undefined : json(config),
});
const flags = ['cls_token', 'max_tokens', 'mean_tokens', 'mean_sqrt_len_tokens', 'weightedmean_tokens', 'lasttoken'];
const everyPool = Object.fromEntries(flags.map((name) => [`pooling_mode_${name}`, true]));

const cases: Readonly<Record<string, Case>> = {
  bert: {
    network: 'BERT',
    config: heads,
    assumed: ['layer_norm_eps', 'hidden_act'],
    without: bertKeys(),
  },
  'bert-tokens': { network: 'BERT for classes of tokens', config: bert, without: bertKeys('bert.') },
  'bert-sequences': { network: 'BERT for classes of sequences', config: bert, without: bertKeys('bert.') },
  'bert-words': { network: 'BERT for masked words', config: bert, without: bertKeys('bert.') },
  'bert-spans': { network: 'BERT for question answering', config: bert, without: bertKeys('bert.') },
  sentences: {
    network: 'BERT for sentences',
    config: bert,
    modules: [
      module('Transformer', ''),
      module('Pooling', '1_Pooling', { pooling_mode_mean_tokens: true, pooling_mode_max_tokens: false }),
      module('Normalize', '2_Normalize'),
    ],
    without: bertKeys(),
  },
  'sentences-every-pool': {
    network: 'BERT for sentences',
    config: bert,
    modules: [module('Transformer', ''), module('Pooling', '1_Pooling', everyPool)],
    without: bertKeys(),
  },
  // No configuration says that this is RoBERTa: one type of token and two positions more than a power of two do.
  roberta: {
    network: 'RoBERTa',
    config: heads,
    assumed: ['layer_norm_eps', 'hidden_act', 'pad_token_id'],
    without: bertKeys(),
  },
  'roberta-words': { network: 'RoBERTa for masked words', config: roberta, without: bertKeys('roberta.') },
  'roberta-sequences': { network: 'RoBERTa for classes of sequences', config: roberta, without: bertKeys('roberta.') },
  distilbert: { network: 'DistilBERT', config: distilbert, without: distilKeys() },
  'distilbert-words': {
    network: 'DistilBERT for masked words',
    config: distilbert,
    without: distilKeys('distilbert.'),
  },
  'distilbert-sequences': {
    network: 'DistilBERT for classes of sequences',
    config: distilbert,
    without: distilKeys('distilbert.'),
  },
  gpt2: {
    network: 'GPT-2',
    config: { n_head: 4, model_type: 'gpt2' },
    assumed: ['layer_norm_epsilon', 'activation_function'],
  },
  nanogpt: {
    network: 'GPT-2 (nanoGPT)',
    config: { n_head: 4 },
    assumed: ['layer_norm_epsilon', 'activation_function'],
  },
  'nanogpt-biases': {
    network: 'GPT-2 (nanoGPT)',
    config: { n_head: 4, layer_norm_epsilon: 1e-5, activation_function: 'gelu' },
  },
  // As newer configurations say it, and with nothing but the table of angles to tell the features of a head.
  llama: {
    network: 'Llama',
    config: { rms_norm_eps: 1e-5, rope_parameters: { rope_theta: 5e5, rope_type: 'default' } },
    assumed: ['hidden_act'],
  },
  mistral: { network: 'Mistral', config: { ...decoder, model_type: 'mistral', sliding_window: 3 } },
  qwen2: {
    network: 'Qwen2',
    config: { ...decoder, num_key_value_heads: 1, model_type: 'qwen2', rope_theta: 1e6, sliding_window: 2 },
  },
  qwen3: { network: 'Qwen3', config: { ...decoder, model_type: 'qwen3', head_dim: 12 } },
  mamba: { network: 'Mamba', assumed: ['layer_norm_epsilon'] },
  'vit-timm': { network: 'ViT (timm)', assumed: ['image_size', 'num_attention_heads'] },
  'vit-timm-mean': { network: 'ViT (timm)', config: { ...heads, image_size: 8 } },
  'vit-timm-unplaced': { network: 'ViT (timm)', config: { ...heads, image_size: 8 } },
  'vit-torchvision': { network: 'ViT (torchvision)', config: heads, assumed: ['image_size'] },
  'vit-huggingface': {
    network: 'ViT (Hugging Face)',
    config: { ...heads, image_size: 8, layer_norm_eps: 1e-12, hidden_act: 'gelu' },
    without: vitKeys('vit.'),
  },
  'vit-bare': {
    network: 'ViT (Hugging Face)',
    config: { ...heads, image_size: 8 },
    assumed: ['layer_norm_eps', 'hidden_act'],
    without: vitKeys(),
  },
  resnet: { network: 'ResNet-18' },
  resnext: { network: 'ResNeXt-50 4x16d' },
  'wide-resnet': { network: 'ResNet of bottleneck blocks 1, 1' },
  cifar: { network: 'ResNet of basic blocks 1, 1, 1', assumed: ['stem'] },
  'resnet-huggingface': { network: 'ResNet of bottleneck blocks 1, 2' },
  encoder: {
    network: 'nn.TransformerEncoder',
    config: { nhead: 4, norm_first: true, activation: 'gelu' },
    assumed: ['batch_first', 'layer_norm_eps', 'is_causal'],
  },
  'encoder-layer': {
    network: 'nn.TransformerEncoderLayer',
    config: { nhead: 4 },
    assumed: ['batch_first', 'layer_norm_eps', 'is_causal', 'norm_first', 'activation'],
  },
  decoder: {
    network: 'nn.TransformerDecoder',
    config: { nhead: 4 },
    assumed: ['batch_first', 'layer_norm_eps', 'is_causal', 'norm_first', 'activation'],
  },
  transformer: {
    network: 'nn.Transformer',
    config: { nhead: 4 },
    assumed: ['batch_first', 'layer_norm_eps', 'tgt_is_causal', 'norm_first', 'activation'],
  },
  lstm: { network: 'nn.LSTM', assumed: ['batch_first'] },
  'lstm-projected': { network: 'nn.LSTM', assumed: ['batch_first'] },
  gru: { network: 'nn.GRU', assumed: ['batch_first'] },
  rnn: { network: 'nn.RNN', assumed: ['batch_first', 'nonlinearity'] },
  'lstm-cell': { network: 'nn.LSTMCell' },
  'gru-cell': { network: 'nn.GRUCell' },
  'rnn-cell': { network: 'nn.RNNCell', config: { nonlinearity: 'relu' } },
  attention: { network: 'nn.MultiheadAttention', config: { num_heads: 4 }, assumed: ['batch_first'] },
  tagger: { network: 'LSTM tagger', assumed: ['scores'] },
  'tagger-gru': { network: 'GRU tagger', assumed: ['scores'] },
  linear: { network: 'nn.Linear' },
  mlp: { network: '12 linear layers', config: { activation: 'tanh' } },
};

judgedByTorch(
  'networks recognised by their names',
  join(import.meta.dirname, 'recognise.py'),
  Object.entries(cases).map(([name, own]) => ({ name, build: imported(own), without: own.without ?? [] })),
);
