import type { Value } from '../../graph/value.ts';
import { multiHeadAttention } from '../attention.ts';
import { feedForward } from '../feed-forward.ts';
import { layer, type Module } from '../module.ts';
import { layerNorm } from '../norm.ts';
import { residual } from '../residual.ts';
import type { Activation } from '../units.ts';
import { depthOf } from './parts.ts';

/** What the layers of nn.TransformerEncoder, nn.TransformerDecoder and nn.Transformer have in common. */
export interface TransformerOptions {
  /** nhead. */
  readonly heads: number;
  /** dim_feedforward; default: as stored, or 2048. */
  readonly feedForward?: number | undefined;
  /** Default relu. */
  readonly activation?: Activation | undefined;
  /** Norms stand before attention and feed-forward, not after their residual steps. Default false. */
  readonly normFirst?: boolean | undefined;
  /** layer_norm_eps; default 1e-5. */
  readonly eps?: number | undefined;
  /** Default true. */
  readonly bias?: boolean | undefined;
}

export interface TransformerEncoderOptions extends TransformerOptions {
  /** num_layers; default: as many as the checkpoint has. */
  readonly layers?: number | undefined;
  /** A norm after the last layer; default: as the checkpoint has. */
  readonly finalNorm?: boolean | undefined;
  /** eps of that norm, a module of its own; default 1e-5. */
  readonly finalEps?: number | undefined;
  /** Each place reads only those before it. */
  readonly causal?: boolean | undefined;
  /** int64 or bool [batch, time]: which tokens are real, 1 or true (PyTorch's src_key_padding_mask is the opposite). */
  readonly mask?: Value | undefined;
}

/**
 * nn.TransformerEncoder, batch first: x [batch, time, features] -> the same. Parameters `layers.0.self_attn.in_proj_weight`, `layers.0.linear1.weight`,
 * `layers.0.norm1.weight`, ..., and `norm.weight` where it ends in a norm.
 */
export function transformerEncoder(module: Module, x: Value, options: TransformerEncoderOptions): Value {
  return layer(transformerEncoder, module, 'transformer-encoder', () => {
    module.rank(x, [3], '[batch, time, features]');
    const layers = depthOf(module, options.layers, (index) => `layers.${index}.self_attn.in_proj_weight`);
    let state = x;
    for (let index = 0; index < layers; index++) state = encoderLayer(module.at(`layers.${index}`), state, options);
    return finalNorm(module.at('norm'), state, options);
  });
}

/** nn.TransformerEncoderLayer: two residual steps, of attention and of the feed-forward block. */
export function encoderLayer(module: Module, x: Value, options: Omit<TransformerEncoderOptions, 'layers'>): Value {
  return layer(encoderLayer, module, 'transformer-encoder-layer', () => {
    const { mask: keyMask, causal } = options;
    const attended = step(module, x, ['norm1', 'self_attn_step'], options, (own) =>
      reads(module.at('self_attn'), own, own, { ...options, keyMask, causal }),
    );
    return feedForwardStep(module, attended, 'norm2', options);
  });
}

/** A residual step with its norm before the branch or after the sum. */
export function step(
  module: Module,
  x: Value,
  [norm, name]: readonly [norm: string, name: string],
  { normFirst = false, eps = 1e-5, bias = true }: TransformerOptions,
  branch: (x: Value) => Value,
): Value {
  const normed = (value: Value) => layerNorm(module.at(norm), value, { eps, bias });
  if (normFirst) return residual(module.at(name), x, branch(normed(x)));
  return normed(residual(module.at(name), x, branch(x)));
}

export function feedForwardStep(module: Module, x: Value, norm: string, options: TransformerOptions): Value {
  const { activation = 'relu', bias = true } = options;
  const hidden = options.feedForward ?? module.shapeOf('linear1.weight')?.[0] ?? 2048;
  return step(module, x, [norm, 'feed_forward_step'], options, (own) =>
    feedForward(module, own, { hidden, activation, bias }),
  );
}

interface Reading extends TransformerOptions {
  readonly keyMask?: Value | undefined;
  readonly causal?: boolean | undefined;
}

/** nn.MultiheadAttention of one sequence to another, or to itself. */
export function reads(module: Module, query: Value, memory: Value, { heads, bias, keyMask, causal }: Reading): Value {
  return multiHeadAttention(module, query, { heads, bias, keyMask, causal, key: memory, value: memory }).output;
}

/** The norm after the last layer, with a bias of its own. */
export function finalNorm(
  module: Module,
  x: Value,
  options: Pick<TransformerEncoderOptions, 'finalNorm' | 'finalEps' | 'bias'>,
): Value {
  const { finalNorm: said, finalEps: eps = 1e-5, bias } = options;
  if ((said ?? module.has('weight') ?? false) === false) return x;
  return layerNorm(module, x, { eps, bias: module.has('bias') ?? bias ?? true });
}
