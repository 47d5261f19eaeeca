import * as z from 'zod';
import type { Value } from '../../graph/value.ts';
import { type CacheValue, cacheOutputs, type DecoderOptions, type DecoderValues } from '../models/decoder.ts';
import { gpt2, gpt2Sizes } from '../models/decoder-gpt.ts';
import { llama, llamaSizes } from '../models/decoder-llama.ts';
import { activation, eps, inputName, modelSizes, rowInput } from './fields.ts';
import { kind, type LayerKind, type Place, size } from './kind.ts';

const decoderFields = {
  ...modelSizes,
  heads: size.optional().describe('default: 64 features for each'),
  positions: size.optional().describe('the longest sequence'),
  tied: z
    .boolean()
    .optional()
    .describe('the head is the table of the embedding; default: unless the checkpoint has a head of its own'),
  mask: inputName.describe(
    'name of an int64 input [batch, time], with a cache [batch, past + time]: 1 for a real token, 0 for padding, which stands on the left; made where it is not there',
  ),
  positionIds: inputName.describe('name of an int64 input [batch, time]: where the tokens stand; default: computed'),
  cache: z
    .boolean()
    .default(false)
    .describe(
      'keys and values of the tokens before as inputs past.0.key, past.0.value, ... and outputs present.0.key, ...',
    ),
  lastLogits: z.boolean().default(false).describe('logits of the last position alone, all that generation reads'),
};

interface DecoderSpec extends Omit<DecoderOptions, 'mask' | 'places' | 'past'> {
  readonly mask?: string | undefined;
  readonly positionIds?: string | undefined;
  readonly cache: boolean;
}

/** A decoder with the inputs and outputs that its options ask for. */
function decoder<Options extends DecoderSpec>(
  place: Place<Options>,
  build: (options: Omit<Options, 'mask'> & DecoderOptions) => DecoderValues,
  cacheSizes: () => { readonly layers: number; readonly heads: number; readonly dim: number },
): Value {
  const { options, module, input, graphInput, graphOutput, expose } = place;
  const { mask, positionIds, cache } = options;
  let past: CacheValue[] | undefined;
  if (cache) {
    const { layers, heads, dim } = cacheSizes();
    const of = (index: number, part: string) =>
      graphInput(`past.${index}.${part}`, module.dtype, [input.shape?.[0], heads, 'past', dim]);
    past = Array.from({ length: layers }, (_, index) => ({ key: of(index, 'key'), value: of(index, 'value') }));
  }
  const { logits, hidden, present } = build({
    ...options,
    mask: rowInput(place, mask, cache ? 'total' : undefined),
    places: rowInput(place, positionIds),
    past,
  });
  for (const [name, value] of Object.entries(cacheOutputs(present))) graphOutput(name, value);
  expose('hidden', hidden);
  return logits;
}

/** Whole decoders, with and without a cache. */
export const decoderKinds: readonly LayerKind[] = [
  kind(
    'gpt2',
    { ...decoderFields, eps: eps.optional().describe('default 1e-5'), activation: activation.default('gelu-tanh') },
    (place) =>
      decoder(
        place,
        (options) => gpt2(place.module, place.input, options),
        () => gpt2Sizes(place.module, place.options),
      ),
    {
      root: true,
      about:
        "GPT-2 with Hugging Face's names and layouts (transformer.wte.weight, transformer.h.0.attn.c_attn.weight [in, out]), or nanoGPT's; int64 tokens [batch, time] -> logits.",
    },
  ),
  kind(
    'llama',
    {
      ...decoderFields,
      keyValueHeads: size.optional().describe('num_key_value_heads; default: as stored, or heads'),
      headDim: size.optional().describe('head_dim; default hidden / heads'),
      eps: eps.optional().describe('rms_norm_eps; default 1e-6'),
      ropeTheta: z.number().positive().default(10_000).describe('rope_theta'),
      ropeScaling: z
        .discriminatedUnion('type', [
          z.strictObject({ type: z.literal('linear'), factor: z.number().positive() }),
          z.strictObject({
            type: z.literal('llama3'),
            factor: z.number().positive(),
            lowFrequencyFactor: z.number().positive(),
            highFrequencyFactor: z.number().positive(),
            originalLength: z.number().positive(),
          }),
        ])
        .optional(),
      window: size.optional().describe('sliding_window: only so many tokens back are read'),
      qkvBias: z.boolean().optional().describe('biases of queries, keys and values (Qwen2); default: as stored'),
      activation: activation.default('silu'),
    },
    (place) =>
      decoder(
        place,
        (options) => llama(place.module, place.input, options),
        () => llamaSizes(place.module, place.options),
      ),
    {
      root: true,
      about:
        "Llama, Mistral, Qwen2 and Qwen3 with Hugging Face's names (model.layers.0.self_attn.q_proj.weight): RMS norms, rotary positions, grouped queries, SwiGLU; int64 tokens [batch, time] -> logits.",
    },
  ),
];
