import * as z from 'zod';
import { bert } from '../models/bert.ts';
import { bertHeads } from '../models/bert-heads.ts';
import { bertLayouts } from '../models/bert-names.ts';
import { positionForms } from '../models/embedded.ts';
import { transformerEncoder } from '../models/encoder.ts';
import { meanPool, tokenPool, tokenPools, unitVectors } from '../models/pool.ts';
import { transformer, transformerDecoder } from '../models/seq2seq.ts';
import { vit, vitLayouts } from '../models/vit.ts';
import { activation, depth, eps, inputName, maskName, modelSizes, rowInput, stored } from './fields.ts';
import { kind, type LayerKind, parameterName, size } from './kind.ts';

/** The end of a stack of blocks. */
const stackEnd = {
  finalNorm: z.boolean().optional().describe('a norm after the last layer; default: as the checkpoint has'),
  finalEps: eps.default(1e-5).describe('eps of that norm'),
  layers: size.max(10_000).optional().describe('num_layers; default: as many as the checkpoint has'),
};

const encoderBlock = {
  heads: size.describe('nhead'),
  feedForward: size.optional().describe('dim_feedforward; default 2048, or as stored'),
  activation: activation.default('relu'),
  normFirst: z.boolean().default(false),
  eps: eps.default(1e-5).describe('layer_norm_eps'),
  bias: z.boolean().default(true),
};

/** Whole transformers, and the feed-forward blocks they are made of. */
export const transformerKinds: readonly LayerKind[] = [
  kind(
    'bert',
    {
      layout: z.enum(bertLayouts).optional().describe("whose names the parameters have; default: the checkpoint's"),
      ...modelSizes,
      heads: size.optional().describe('default: 64 features for each'),
      positions: size.optional().describe('max_position_embeddings; default 512'),
      types: size.optional().describe('type_vocab_size; default 2'),
      eps: eps.optional().describe('layer_norm_eps; default 1e-12 (RoBERTa: 1e-5)'),
      activation: activation.default('gelu'),
      positionOffset: z.int().min(0).default(0).describe('2 in RoBERTa'),
      paddingToken: z
        .int()
        .min(0)
        .optional()
        .describe(
          'RoBERTa: this token stands at the position of its own number (1), the others are counted from the next on; instead of positionOffset',
        ),
      mask: maskName,
      tokenTypes: inputName.describe('name of an int64 input [batch, time]; default: all of type 0'),
      head: z
        .enum(bertHeads)
        .default('none')
        .describe(
          'none gives the last hidden state; further outputs are hidden and, where there is a pooler, pooled; question-answering gives where the answer starts, and the further output end',
        ),
      classes: size.optional().describe('labels of the heads sequence and token'),
    },
    (place) => {
      const { module, input, options, expose, asked } = place;
      const mask = rowInput(place, options.mask);
      const values = bert(module, input, {
        ...options,
        pooled: asked('pooled'),
        mask,
        tokenTypes: rowInput(place, options.tokenTypes),
      });
      expose('hidden', values.hidden);
      if (values.pooled !== undefined) expose('pooled', values.pooled);
      if (values.end !== undefined) expose('end', values.end);
      return values.output;
    },
    {
      root: true,
      about:
        "BERT, RoBERTa and DistilBERT with Hugging Face's names (embeddings.word_embeddings.weight, encoder.layer.0.attention.self.query.weight, with bert. before them or not); int64 tokens [batch, time] -> the last hidden state, or what its head gives.",
    },
  ),
  kind(
    'vit',
    {
      layout: z.enum(vitLayouts).optional().describe("whose names the parameters have; default: the checkpoint's"),
      patch: size.optional().describe(`side of a patch; ${stored}`),
      hidden: size.optional(),
      heads: size.optional().describe('default: 64 features for each'),
      layers: depth,
      feedForward: size.optional().describe('default 4 * hidden, or as stored'),
      classes: size.optional().describe('default: as stored; none: the features'),
      eps: eps.default(1e-6),
      activation: activation.default('gelu'),
      pool: z.enum(['token', 'mean']).optional().describe('what the head reads'),
    },
    ({ module, input, options, expose }) => {
      const { output, hidden } = vit(module, input, options);
      expose('hidden', hidden);
      return output;
    },
    {
      root: true,
      about:
        'Vision transformer with the names of timm (blocks.0.attn.qkv.weight), torchvision (encoder.layers.encoder_layer_0.self_attention.in_proj_weight) or Hugging Face (encoder.layer.0.attention.attention.query.weight, with vit. before them or not); [batch, channels, height, width] -> [batch, classes].',
    },
  ),
  kind(
    'transformer-encoder',
    {
      ...encoderBlock,
      ...stackEnd,
      causal: z.boolean().default(false).describe('each place reads only those before it'),
      mask: maskName,
    },
    (place) => {
      const { module, input, options } = place;
      return transformerEncoder(module, input, { ...options, mask: rowInput(place, options.mask) });
    },
    {
      about:
        'nn.TransformerEncoder (batch first): layers.0.self_attn.in_proj_weight, layers.0.linear1.weight, ..., norm.weight; [batch, time, features] -> the same. Tokens come through an embedding and positions before it.',
    },
  ),
  kind(
    'transformer-decoder',
    {
      ...encoderBlock,
      ...stackEnd,
      causal: z.boolean().default(true).describe('each place reads only those before it'),
      mask: maskName,
      memoryMask: inputName.describe('name of an int64 input [batch, source], 1 for a real token of the memory'),
    },
    (place) => {
      const { module, options, graphInput } = place;
      const [x, memory] = place.inputs;
      if (x === undefined || memory === undefined) throw new Error('takes two values');
      const { memoryMask } = options;
      const [batch, source] = memory.shape ?? [];
      return transformerDecoder(module, x, memory, {
        ...options,
        mask: rowInput(place, options.mask),
        memoryMask: memoryMask === undefined ? undefined : graphInput(memoryMask, 'int64', [batch, source]),
      });
    },
    {
      takes: [2, 2],
      about:
        'nn.TransformerDecoder (batch first) of the target and the memory that "from" names: layers.0.self_attn.in_proj_weight, layers.0.multihead_attn.in_proj_weight, ..., norm.weight.',
    },
  ),
  kind(
    'transformer',
    {
      ...encoderBlock,
      encoderLayers: size.max(10_000).optional().describe('num_encoder_layers; default: as many as the checkpoint has'),
      decoderLayers: size.max(10_000).optional().describe('num_decoder_layers; default: as many as the checkpoint has'),
      hidden: size.optional().describe('d_model'),
      sourceVocabulary: size.optional().describe(stored),
      vocabulary: size.optional().describe('of the target, and of the head'),
      positions: size.optional().describe('the longest sequence, where positions are learned'),
      positionForm: z
        .enum(positionForms)
        .optional()
        .describe('default: learned where the checkpoint has a table of positions, sinusoidal where it has none'),
      scaled: z.boolean().default(false).describe('embeddings are multiplied by sqrt(hidden)'),
      mask: inputName.describe('name of an int64 input [batch, source]: 1 for a real token, 0 for padding'),
      targetMask: inputName.describe('name of an int64 input [batch, time], the same of the target'),
      causal: z.boolean().default(true).describe('each place of the target reads only those before it'),
      names: z
        .strictObject({
          sourceEmbedding: parameterName.default('src_embedding'),
          sourcePosition: parameterName.default('src_position'),
          targetEmbedding: parameterName.default('tgt_embedding'),
          targetPosition: parameterName.default('tgt_position'),
          head: z.union([parameterName, z.literal(false)]).default('generator'),
        })
        .prefault({})
        .describe('of what stands around nn.Transformer in the state dict'),
    },
    (place) => {
      const { module, inputs, options, expose } = place;
      const [source = place.input, target = place.input] = inputs;
      const { names } = options;
      const values = transformer(module, source, target, {
        ...options,
        mask: rowInput(place, options.mask),
        targetMask: rowInput({ ...place, input: target }, options.targetMask),
        source: {
          ...options,
          vocabulary: options.sourceVocabulary,
          embedding: names.sourceEmbedding,
          position: names.sourcePosition,
        },
        target: { ...options, embedding: names.targetEmbedding, position: names.targetPosition },
        head: names.head,
      });
      expose('memory', values.memory);
      return values.output;
    },
    {
      root: true,
      takes: [2, 2],
      about:
        'Encoder-decoder, nn.Transformer (transformer.encoder.layers.0.self_attn.in_proj_weight, with transformer. before it or not) between embeddings and a head; source and target, int64 tokens [batch, time] or features, -> logits. Further output: memory.',
    },
  ),
  kind(
    'mean-pool',
    { mask: maskName },
    (place) => meanPool(place.module, place.input, rowInput(place, place.options.mask)),
    { about: 'The mean over time of [batch, time, features], of real tokens alone: sentence embeddings.' },
  ),
  kind(
    'token-pool',
    {
      pool: z
        .enum(tokenPools)
        .default('mean')
        .describe('mean-sqrt: the sum over the root of their number; weighted-mean: by 1, 2, 3, ...'),
      mask: maskName,
    },
    (place) => tokenPool(place.module, place.input, place.options.pool, rowInput(place, place.options.mask)),
    { about: 'One vector for the real tokens of [batch, time, features], as the Pooling of sentence-transformers.' },
  ),
  kind(
    'normalize',
    { eps: eps.default(1e-12).describe('what shorter vectors are divided by') },
    ({ module, input, options }) => unitVectors(module, input, options.eps),
    { about: 'F.normalize over the last axis: vectors of length 1.' },
  ),
];
