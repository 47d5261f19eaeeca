import { HopfcoleError } from '../../files/error.ts';
import type { Value } from '../../graph/value.ts';
import { layer, type Module } from '../module.ts';
import { areTokens, type EmbeddedOptions, embedded } from './embedded.ts';
import { feedForwardStep, finalNorm, reads, step, type TransformerOptions, transformerEncoder } from './encoder.ts';
import { dense, depthOf, prefixed } from './parts.ts';

export interface TransformerDecoderOptions extends TransformerOptions {
  /** num_layers; default: as many as the checkpoint has. */
  readonly layers?: number | undefined;
  readonly finalNorm?: boolean | undefined;
  /** eps of that norm; default 1e-5. */
  readonly finalEps?: number | undefined;
  /** Each place of the target reads only those before it. Default true. */
  readonly causal?: boolean | undefined;
  /** [batch, time]: which places of the target are real. */
  readonly mask?: Value | undefined;
  /** [batch, source]: which places of the memory are real. */
  readonly memoryMask?: Value | undefined;
}

/** nn.TransformerDecoder, batch first: x [batch, time, features] reads itself and `memory` [batch, source, features]. */
export function transformerDecoder(module: Module, x: Value, memory: Value, options: TransformerDecoderOptions): Value {
  return layer(transformerDecoder, module, 'transformer-decoder', () => {
    module.rank(x, [3], '[batch, time, features]');
    const layers = depthOf(module, options.layers, (index) => `layers.${index}.self_attn.in_proj_weight`);
    let state = x;
    for (let index = 0; index < layers; index++)
      state = decoderLayer(module.at(`layers.${index}`), state, memory, options);
    return finalNorm(module.at('norm'), state, options);
  });
}

/** nn.TransformerDecoderLayer: residual steps of self-attention, of attention to the memory and of the feed-forward block. */
export function decoderLayer(module: Module, x: Value, memory: Value, options: TransformerDecoderOptions): Value {
  return layer(decoderLayer, module, 'transformer-decoder-layer', () => {
    const { causal = true, mask, memoryMask } = options;
    const itself = step(module, x, ['norm1', 'self_attn_step'], options, (state) =>
      reads(module.at('self_attn'), state, state, { ...options, causal, keyMask: mask }),
    );
    const crossed = step(module, itself, ['norm2', 'multihead_attn_step'], options, (state) =>
      reads(module.at('multihead_attn'), state, memory, { ...options, causal: false, keyMask: memoryMask }),
    );
    return feedForwardStep(module, crossed, 'norm3', options);
  });
}

export interface TransformerModelOptions extends TransformerOptions {
  /** num_encoder_layers and num_decoder_layers; default: as many as the checkpoint has. */
  readonly encoderLayers?: number | undefined;
  readonly decoderLayers?: number | undefined;
  /** How source tokens are embedded; names default to `src_embedding`, `src_position`. */
  readonly source?: EmbeddedOptions | undefined;
  /** How target tokens are embedded; names default to `tgt_embedding`, `tgt_position`. */
  readonly target?: EmbeddedOptions | undefined;
  /** Name of the linear layer at the end, default `generator`; false: none. */
  readonly head?: string | false | undefined;
  /** Of the head; default: as stored. */
  readonly vocabulary?: number | undefined;
  /** [batch, source]: which tokens of the source are real. */
  readonly mask?: Value | undefined;
  /** [batch, time]: which tokens of the target are real. */
  readonly targetMask?: Value | undefined;
  /** Each place of the target reads only those before it. Default true. */
  readonly causal?: boolean | undefined;
}

export interface TransformerValues {
  /** Logits [batch, time, vocabulary], or the features of the decoder without a head. */
  readonly output: Value;
  /** What the encoder gives, [batch, source, hidden]. */
  readonly memory: Value;
}

/**
 * Encoder-decoder, nn.Transformer (under `transformer.` or at the root) between embeddings: source [batch, source] and target [batch, time] of
 * int64 tokens -> logits [batch, time, vocabulary]; features [.., hidden] go in as they are.
 */
export function transformer(
  module: Module,
  source: Value,
  target: Value,
  options: TransformerModelOptions,
): TransformerValues {
  return layer(transformer, module, 'transformer', () => {
    const { mask, targetMask, head: headName = 'generator', causal = true } = options;
    const body = prefixed(module, 'encoder.layers.0.self_attn.in_proj_weight', ['transformer', '']);
    const from = entering(module, source, { embedding: 'src_embedding', position: 'src_position', ...options.source });
    const to = entering(module, target, { embedding: 'tgt_embedding', position: 'tgt_position', ...options.target });
    const hidden = from.shape?.at(-1);
    if (typeof hidden === 'number') module.features(to, hidden, 'hidden');
    const shared = { ...options, finalNorm: true, finalEps: options.eps };
    const memory = transformerEncoder(body.at('encoder'), from, {
      ...shared,
      layers: options.encoderLayers,
      mask,
      causal: false,
    });
    const state = transformerDecoder(body.at('decoder'), to, memory, {
      ...shared,
      layers: options.decoderLayers,
      mask: targetMask,
      memoryMask: mask,
      causal,
    });
    if (headName === false || (areTokens(target) === false && module.at(headName).has('weight') !== true))
      return { output: state, memory };
    const out = options.vocabulary ?? module.at(headName).shapeOf('weight')?.[0] ?? options.target?.vocabulary;
    if (out === undefined)
      throw new HopfcoleError(
        'BAD_SPEC',
        `${module.describe()} does not say "vocabulary"`,
        { argument: 'vocabulary' },
        'Add "vocabulary"',
      );
    return { output: dense(module.at(headName), state, { out, initial: undefined }), memory };
  });
}

function entering(module: Module, x: Value, options: EmbeddedOptions): Value {
  return areTokens(x) ? embedded(module, x, options) : x;
}
