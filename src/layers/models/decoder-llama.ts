import { ints } from '../../../ops/precision.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { attend } from '../attention.ts';
import { embedding } from '../embedding.ts';
import { gatedFeedForward } from '../feed-forward.ts';
import { layer, type Module } from '../module.ts';
import { rmsNorm } from '../norm.ts';
import type { RopeScaling } from '../positions.ts';
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
import { dense, depthOf, expectLength, headsOf, innerOf, perHead, prefixed, small } from './parts.ts';

export interface LlamaOptions extends DecoderOptions {
  /** Default: of the features of the queries, 64 for each. */
  readonly heads?: number | undefined;
  /** Heads of keys and values, each shared by heads / keyValueHeads queries; default: as stored, or as many as heads. */
  readonly keyValueHeads?: number | undefined;
  /** Features of each head (head_dim); default hidden / heads. */
  readonly headDim?: number | undefined;
  /** rope_theta; default 10000. */
  readonly ropeTheta?: number | undefined;
  /** How rotary positions are stretched beyond the length of training (rope_scaling). */
  readonly ropeScaling?: RopeScaling | undefined;
  /** Only so many tokens back are read (sliding_window). */
  readonly window?: number | undefined;
  /** Of the gate; default silu. */
  readonly activation?: Activation | undefined;
  /** Biases of queries, keys and values (Qwen2); default: as stored, or none. */
  readonly qkvBias?: boolean | undefined;
}

/** The table of angles is computed: what older checkpoints store of it is not read. */
const buffers = ['self_attn.rotary_emb.inv_freq', 'self_attn.rotary_emb.cos_cached', 'self_attn.rotary_emb.sin_cached'];

/**
 * Llama and its kin (Qwen2, Qwen3, Mistral): tokens [batch, time] int64 -> logits [batch, time, vocabulary]; RMS norms, rotary positions, grouped
 * queries, SwiGLU. Hugging Face's names (`model.layers.0.self_attn.q_proj.weight`); norms of queries and keys (Qwen3) where the checkpoint has them.
 */
export function llama(module: Module, tokens: Value, options: LlamaOptions = {}): DecoderValues {
  return layer(llama, module, 'llama', () => {
    const body = bodyOf(module);
    const { vocabulary, hidden: said, eps = 1e-6, past } = options;
    expectLength(module, tokens, options.positions);
    const words = embedding(body.at('embed_tokens'), tokens, {
      entries: vocabulary,
      features: said,
      std: 0.02,
      called: ['vocabulary', 'hidden'],
    });
    const features = module.features(words, said, 'hidden');
    const own = llamaSizes(module, { ...options, hidden: features });
    const sizes = headSizes(body.at('layers.0.self_attn'), features, options);
    expectCache(module, past, own);
    const { places, ordered } = placing(module, tokens, options);
    body.ignore('rotary_emb.inv_freq');
    const present: CacheValue[] = [];
    let x = words;
    for (let index = 0; index < own.layers; index++) {
      const made = block(body.at(`layers.${index}`), x, { ...options, sizes, ordered, places }, past?.[index]);
      x = made.x;
      if (made.present !== undefined) present.push(made.present);
    }
    const hidden = rmsNorm(body.at('norm'), x, { eps });
    const table = body.nameOf('embed_tokens.weight');
    return { logits: logitsOf(module, table, hidden, vocabulary, options, false), hidden, present };
  });
}

type SizeOptions = Pick<LlamaOptions, 'hidden' | 'layers' | 'heads' | 'keyValueHeads' | 'headDim'>;

/** How many layers there are, and the shape of what each keeps: said, or as the checkpoint has them. */
export function llamaSizes(module: Module, options: SizeOptions): CacheSizes {
  const body = bodyOf(module);
  const features = body.size(options.hidden, 'hidden', 'embed_tokens.weight', 1);
  const layers = depthOf(body, options.layers, (index) => `layers.${index}.self_attn.q_proj.weight`);
  const { keyValueHeads, dim } = headSizes(body.at('layers.0.self_attn'), features, options);
  return { layers, heads: keyValueHeads, dim };
}

function bodyOf(module: Module): Module {
  return prefixed(module, 'embed_tokens.weight', ['model', '']);
}

interface HeadSizes {
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly dim: number;
}

/** @throws BAD_SPEC where heads do not divide what they share. */
function headSizes(module: Module, features: number, options: SizeOptions): HeadSizes {
  const rows = module.shapeOf('q_proj.weight')?.[0];
  const queries =
    rows ?? (options.heads !== undefined && options.headDim !== undefined ? options.heads * options.headDim : features);
  const heads =
    options.heads ??
    (options.headDim === undefined
      ? headsOf(module, queries, undefined)
      : perHead(module, queries, options.headDim, 'headDim'));
  const dim = options.headDim ?? perHead(module, queries, heads);
  const stored = module.shapeOf('k_proj.weight')?.[0];
  const keyValueHeads =
    options.keyValueHeads ?? (stored === undefined ? heads : perHead(module, stored, dim, 'headDim'));
  perHead(module, heads, keyValueHeads, 'keyValueHeads');
  return { heads, keyValueHeads, dim };
}

interface BlockOptions extends LlamaOptions {
  readonly sizes: HeadSizes;
  readonly ordered: Ordered;
}

function block(
  module: Module,
  x: Value,
  options: BlockOptions,
  past: CacheValue | undefined,
): { readonly x: Value; readonly present: CacheValue | undefined } {
  const { sizes, ordered, places, eps = 1e-6, activation, ropeTheta: theta = 10_000 } = options;
  const { heads, keyValueHeads, dim } = sizes;
  for (const name of buffers) module.ignore(name);
  const features = module.features(x, undefined, 'hidden');
  const own = module.at('self_attn');
  const normed = rmsNorm(module.at('input_layernorm'), x, { eps });
  const bias = options.qkvBias ?? own.has('q_proj.bias') ?? false;
  const projected = (name: string, count: number) => dense(own.at(name), normed, { out: count * dim, bias });
  const query = headNorm(own.at('q_norm'), projected('q_proj', heads), heads, dim, eps);
  const key = headNorm(own.at('k_norm'), projected('k_proj', keyValueHeads), keyValueHeads, dim, eps);
  const value = projected('v_proj', keyValueHeads);
  const read = attend(own, query, key, value, {
    heads,
    keyValueHeads,
    ...ordered,
    rope: { theta, positions: places, scaling: options.ropeScaling },
    past,
  });
  const turned = dense(own.at('o_proj'), read.output, { out: features, bias: own.has('o_proj.bias') ?? false });
  const middle = residual(module.at('attn_step'), x, turned);
  const mlp = module.at('mlp');
  const made = gatedFeedForward(mlp, rmsNorm(module.at('post_attention_layernorm'), middle, { eps }), {
    hidden: innerOf(mlp.at('gate_proj'), options.feedForward, features),
    activation,
    bias: mlp.has('gate_proj.bias') ?? false,
    initial: small,
  });
  return { x: residual(module.at('mlp_step'), middle, made), present: read.present };
}

/** Queries or keys normalised head by head, where the checkpoint has the weight of that norm. */
function headNorm(module: Module, x: Value, heads: number, dim: number, eps: number): Value {
  if (module.has('weight') !== true) return x;
  const split = op.reshape(x, ints(0, 0, heads, dim));
  return op.reshape(rmsNorm(module, split, { eps }), ints(0, 0, heads * dim));
}
