import * as z from 'zod';
import { HopfcoleError } from '../../files/error.ts';
import type { Value } from '../../graph/value.ts';
import { type AttentionCache, type AttentionOutput, multiHeadAttention } from '../attention.ts';
import { hopfield } from '../hopfield.ts';
import { learnedPositions, type RopeScaling, sinusoidalPositions } from '../positions.ts';
import { epsilon, kind, type LayerKind, type Place, parameterName, size } from './kind.ts';

const given = (text: string) =>
  parameterName.optional().describe(`name of ${text}; the input is made where it is not there`);

/** How frequencies are stretched, as in the configuration of Llama 3. */
const scaling = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('linear'), factor: z.number().positive() }),
  z.strictObject({
    type: z.literal('llama3'),
    factor: z.number().positive(),
    lowFrequencyFactor: z.number().positive(),
    highFrequencyFactor: z.number().positive(),
    originalLength: size,
  }),
]) satisfies z.ZodType<RopeScaling>;

const ropeFields = z.strictObject({
  theta: z.number().positive().default(10_000),
  dims: size.optional().describe('features of a head that turn, the first ones; default: all'),
  interleaved: z.boolean().default(false).describe('pairs are neighbours (GPT-J), not the two halves (Llama)'),
  scaling: scaling.optional().describe('stretched frequencies, for sequences longer than those of the training'),
});

/** How queries read keys. */
const fields = {
  heads: size,
  keyValueHeads: size
    .optional()
    .describe('heads of keys and values, each read by several of queries; 1 is multi-query'),
  headDim: size.optional().describe('features of a head where they are not features/heads'),
  epsilon: z
    .union([epsilon, z.array(z.number().positive()).min(1)])
    .optional()
    .describe('viscosity = temperature of the softmax, of all heads or of each; default: sqrt(features of a head)'),
  causal: z.boolean().default(false).describe('a query reads its own key and those before'),
  window: size.optional().describe('with causal: only so many keys back, the own one counted'),
  rope: ropeFields.optional().describe('rotary positions; {} is what Llama has'),
  alibi: z
    .union([
      z.boolean(),
      z.strictObject({ slopes: z.array(z.number()).optional(), symmetric: z.boolean().default(false) }),
    ])
    .default(false)
    .describe('linear biases by distance'),
  sink: z
    .boolean()
    .default(false)
    .describe('a learned score of each head, the parameter sinks [heads], that takes weight and gives nothing'),
  mask: given('a mask [time, keys] or [batch, heads, time, keys]: booleans, true is read, or numbers to add'),
  keyMask: given('a mask [batch, keys] of the keys that are real (1), as attention_mask of Hugging Face'),
  keyPaddingMask: given('a mask [batch, keys] of the keys that are padding (true), as key_padding_mask of PyTorch'),
  attnMask: given('a mask [time, keys] as attn_mask of nn.MultiheadAttention: true is not read'),
  positions: given('int64 [batch, time], where the tokens stand, for rope'),
  dropout: z.number().min(0).lt(1).default(0).describe('of the weights, in training'),
  training: given('a bool that switches dropout on; without it there is none'),
  cache: parameterName
    .optional()
    .describe(
      'keys and values of the tokens before: inputs <cache>.key and <cache>.value [batch, heads, past, features], outputs present.key and present.value (past.0 gives present.0.key)',
    ),
  layout: z
    .enum(['packed', 'separate', 'fused', 'conv1d'])
    .optional()
    .describe(
      'packed: nn.MultiheadAttention; separate: a Linear each; fused: one Linear; conv1d: one, stored [in, out]; default: as the checkpoint has it, else packed',
    ),
  names: z
    .strictObject({
      query: parameterName.optional(),
      key: parameterName.optional(),
      value: parameterName.optional(),
      all: parameterName.optional().describe('of the one Linear of fused and conv1d'),
      output: z
        .union([parameterName, z.literal(false)])
        .optional()
        .describe('false: there is none'),
    })
    .optional()
    .describe('names of the Linears; default: those of the checkpoint'),
  order: z
    .enum(['parts', 'heads'])
    .default('parts')
    .describe('rows of a fused weight; heads: as in BLOOM and GPT-NeoX'),
  bias: z.boolean().optional().describe('default: as the checkpoint has, else true'),
  addBiasKv: z
    .boolean()
    .optional()
    .describe('one more key and value, bias_k and bias_v; default: as the checkpoint has'),
  addZeroAttn: z.boolean().default(false).describe('one more key and value of zeros'),
  batchFirst: z
    .boolean()
    .default(true)
    .describe("x is [batch, time, features]; false: [time, batch, features], PyTorch's default"),
  out: size.optional().describe('features of the result; default: those of the query'),
};

type Options = z.output<z.ZodObject<typeof fields>>;

/** The graph's inputs that the options name. */
function inputsOf(place: Place<Options>): {
  readonly [name in 'mask' | 'keyMask' | 'keyPaddingMask' | 'attnMask' | 'positions' | 'training']: Value | undefined;
} {
  const { options, input, inputs, graphInput } = place;
  const [first, second] = options.batchFirst ? [0, 1] : [1, 0];
  const [batch, time] = input.shape?.length === 2 ? [1, input.shape[0]] : [input.shape?.[first], input.shape?.[second]];
  const source = inputs[1]?.shape;
  const keys =
    options.cache === undefined ? (source === undefined ? time : source.at(source.length === 2 ? 0 : second)) : 'keys';
  const asked = (name: string | undefined, dtype: 'bool' | 'int64', shape: Value['shape']) =>
    name === undefined ? undefined : graphInput(name, dtype, shape);
  return {
    mask: anyRank(place, options.mask, [time, keys]),
    keyMask: asked(options.keyMask, 'int64', [batch, keys]),
    keyPaddingMask: asked(options.keyPaddingMask, 'bool', [batch, keys]),
    attnMask: anyRank(place, options.attnMask, [time, keys]),
    positions: asked(options.positions, 'int64', [batch, time]),
    training: asked(options.training, 'bool', []),
  };
}

/** A mask of booleans, or as it was declared, whatever its rank: which ones there may be the layer says. */
function anyRank({ graphInput }: Place<Options>, name: string | undefined, shape: Value['shape']): Value | undefined {
  if (name === undefined) return undefined;
  try {
    return graphInput(name, 'bool', shape);
  } catch (error) {
    if (error instanceof HopfcoleError && error.code === 'SHAPE_MISMATCH') return graphInput(name, 'bool', undefined);
    throw error;
  }
}

function cacheOf({ options, input, module, graphInput }: Place<Options>): AttentionCache | undefined {
  const { cache, heads, keyValueHeads = heads, headDim } = options;
  if (cache === undefined) return undefined;
  const features = input.shape?.at(-1);
  const dim = headDim ?? (typeof features === 'number' ? features / heads : undefined);
  const of = (part: string) =>
    graphInput(`${cache}.${part}`, module.dtype, [
      input.shape?.[options.batchFirst ? 0 : 1],
      keyValueHeads,
      'past',
      dim,
    ]);
  return { key: of('key'), value: of('value') };
}

const asked: readonly AttentionOutput[] = ['weights', 'entropy', 'logSumExp'];

/** Attention, Hopfield retrieval and positions. */
export const attentionKinds: readonly LayerKind[] = [
  kind(
    'attention',
    fields,
    (place) => {
      const { module, input, inputs, options, expose, graphOutput } = place;
      const { positions, ...masks } = inputsOf(place);
      const past = cacheOf(place);
      const read = multiHeadAttention(module, input, {
        ...options,
        ...masks,
        key: inputs[1],
        value: inputs[2],
        past,
        rope: options.rope === undefined ? undefined : { ...options.rope, positions },
        outputs: asked.filter((name) => place.asked(name)),
      });
      for (const name of asked) {
        const value = name === 'present' ? undefined : read[name];
        if (value !== undefined) expose(name, value);
      }
      if (read.present !== undefined && options.cache !== undefined) {
        const name = /^past\b/.test(options.cache)
          ? options.cache.replace('past', 'present')
          : `${options.cache}.present`;
        graphOutput(`${name}.key`, read.present.key);
        graphOutput(`${name}.value`, read.present.value);
      }
      return read.output;
    },
    {
      takes: [1, 3],
      about:
        'Multi-head attention of a query to itself, or to the key and value that "from" names after it; every layout of PyTorch. Further outputs weights, entropy and logSumExp.',
    },
  ),
  kind(
    'hopfield',
    {
      count: size.optional().describe('patterns; the parameter patterns [count, features]'),
      epsilon: epsilon.optional().describe('1/beta; default: sqrt(features)'),
      steps: size.max(1000).default(1),
    },
    (place) => {
      const { module, input, inputs, options, expose } = place;
      const outputs = (['weights', 'energy'] as const).filter((name) => place.asked(name));
      const { output, ...more } = hopfield(module, input, { ...options, patterns: inputs[1], outputs });
      for (const [name, value] of Object.entries(more)) if (value !== undefined) expose(name, value);
      return output;
    },
    {
      takes: [1, 2],
      about:
        'Modern Hopfield retrieval: attention over stored patterns, or over those that "from" names after the state. Further outputs weights and energy.',
    },
  ),
  kind(
    'learned-positions',
    {
      length: size.optional().describe('the longest sequence; may be left out where a checkpoint gives it'),
      offset: z.int().min(0).default(0).describe('rows before that of position 0 (2 in OPT and BART)'),
      parameter: parameterName.default('weight').describe('name of the table'),
    },
    ({ module, input, options }) => learnedPositions(module, input, options),
    {
      about:
        'Adds a learned vector of each position: weight [length, features] (nn.Embedding), or [1, length, features].',
    },
  ),
  kind(
    'sinusoidal-positions',
    {
      theta: z.number().positive().default(10_000),
      layout: z
        .enum(['interleaved', 'halves'])
        .default('interleaved')
        .describe('sin and cos take turns, or all sines stand first'),
      scale: z.number().default(1).describe('x is multiplied by this first'),
    },
    ({ module, input, options }) => sinusoidalPositions(module, input, options),
    { about: 'Adds sine and cosine waves of the positions; no parameters.' },
  ),
];
