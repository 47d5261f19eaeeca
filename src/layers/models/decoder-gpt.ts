import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { attend } from '../attention.ts';
import { embedding } from '../embedding.ts';
import { feedForward } from '../feed-forward.ts';
import { layer, type Module } from '../module.ts';
import { layerNorm } from '../norm.ts';
import { residual } from '../residual.ts';
import type { Activation } from '../units.ts';
import {
  type CacheSizes,
  type CacheValue,
  type DecoderOptions,
  type DecoderValues,
  expectCache,
  logitsOf,
  type Ordered,
  placing,
} from './decoder.ts';
import { dense, depthOf, expectLength, headsOf, innerOf, prefixed, small } from './parts.ts';

export interface Gpt2Options extends DecoderOptions {
  /** Default: 64 features for each. */
  readonly heads?: number | undefined;
  /** Default gelu-tanh (gelu_new). */
  readonly activation?: Activation | undefined;
}

/** How many layers there are, and the shape of what each keeps: said, or as the checkpoint has them. */
export function gpt2Sizes(module: Module, options: Pick<Gpt2Options, 'hidden' | 'layers' | 'heads'>): CacheSizes {
  const body = bodyOf(module);
  const features = body.size(options.hidden, 'hidden', 'wte.weight', 1);
  const layers = depthOf(body, options.layers, (index) => `h.${index}.attn.c_attn.weight`);
  const heads = headsOf(body, features, options.heads);
  return { layers, heads, dim: features / heads };
}

function bodyOf(module: Module): Module {
  return prefixed(module, 'wte.weight', ['transformer', '']);
}

/** Hugging Face stores the causal mask, and what stood for minus infinity, as buffers. */
const buffers = ['attn.bias', 'attn.masked_bias'];

/**
 * GPT-2: tokens [batch, time] int64 -> logits [batch, time, vocabulary]. Hugging Face's names and layouts (`transformer.wte.weight`,
 * `transformer.h.0.attn.c_attn.weight` [in, out]), with `transformer.` or without, or nanoGPT's ([out, in], biases or none); the head is tied to the
 * embedding unless the checkpoint has another.
 */
export function gpt2(module: Module, tokens: Value, options: Gpt2Options = {}): DecoderValues {
  return layer(gpt2, module, 'gpt2', () => {
    const body = bodyOf(module);
    const { vocabulary, hidden: said, positions = 1024, eps = 1e-5, past } = options;
    const table = body.at('wpe');
    const entries = table.shapeOf('weight')?.[0] ?? positions;
    expectLength(module, tokens, entries);
    const words = embedding(body.at('wte'), tokens, {
      entries: vocabulary,
      features: said,
      std: 0.02,
      called: ['vocabulary', 'hidden'],
    });
    const features = module.features(words, said, 'hidden');
    const { places, ordered } = placing(module, tokens, options);
    const placed = embedding(table, places, { entries, features, std: 0.02 });
    const { layers, heads, dim } = gpt2Sizes(module, { ...options, hidden: features });
    expectCache(module, past, { layers, heads, dim });
    const present: CacheValue[] = [];
    let x = op.add(words, placed);
    for (let index = 0; index < layers; index++) {
      const made = block(body.at(`h.${index}`), x, { ...options, heads, ordered }, past?.[index]);
      x = made.x;
      if (made.present !== undefined) present.push(made.present);
    }
    const hidden = normed(body.at('ln_f'), x, eps);
    return { logits: logitsOf(module, body.nameOf('wte.weight'), hidden, vocabulary, options, true), hidden, present };
  });
}

function block(
  module: Module,
  x: Value,
  options: Gpt2Options & { readonly heads: number; readonly ordered: Ordered },
  past: CacheValue | undefined,
): { readonly x: Value; readonly present: CacheValue | undefined } {
  const { heads, ordered, eps = 1e-5, activation = 'gelu-tanh' } = options;
  for (const name of buffers) module.ignore(name);
  const features = module.features(x, undefined, 'hidden');
  const own = module.at('attn');
  // Hugging Face stores these [in, out]; nanoGPT as nn.Linear does.
  const transposed = own.shapeOf('c_attn.weight')?.[0] !== 3 * features;
  const bias = own.has('c_attn.bias') ?? true;
  const packed = dense(own.at('c_attn'), normed(module.at('ln_1'), x, eps), { out: 3 * features, transposed, bias });
  const [query, key, value] = op.split(packed, undefined, { axis: 2, numOutputs: 3 }) as [Value, Value, Value];
  const read = attend(own, query, key, value, { heads, ...ordered, past });
  const turned = dense(own.at('c_proj'), read.output, { out: features, transposed, bias });
  const middle = residual(module.at('attn_step'), x, turned);
  const mlp = module.at('mlp');
  const made = feedForward(mlp, normed(module.at('ln_2'), middle, eps), {
    hidden: innerOf(mlp.at('c_fc'), options.feedForward, features, transposed ? 1 : 0),
    activation,
    transposed,
    bias,
    names: ['c_fc', 'c_proj'],
    initial: small,
  });
  return { x: residual(module.at('mlp_step'), middle, made), present: read.present };
}

/** nn.LayerNorm, without a bias where the checkpoint has none. */
function normed(module: Module, x: Value, eps: number): Value {
  return layerNorm(module, x, { eps, bias: module.has('bias') ?? true });
}
