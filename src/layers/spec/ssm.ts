import * as z from 'zod';
import { HopfcoleError } from '../../files/error.ts';
import type { Shape } from '../../graph/type.ts';
import type { Value } from '../../graph/value.ts';
import { mamba } from '../models/mamba.ts';
import { s4Classifier } from '../models/ssm-classifier.ts';
import { s4d, ssmForms } from '../ssm/s4d.ts';
import { selectiveForms } from '../ssm/selective.ts';
import { mambaMixer } from '../ssm/selective-scan.ts';
import { kind, type LayerKind, size } from './kind.ts';

const form = z
  .enum(ssmForms)
  .optional()
  .describe(
    'the same numbers by blocks of steps (default), step by step (a Scan), as a convolution by the Fourier transform, or by an associative scan of log2 T rounds',
  );

const dropout = z.number().min(0).lt(1).default(0).describe('in training');

const training = z
  .string()
  .min(1)
  .optional()
  .describe('name of a bool input that switches dropout on; without it there is none');

const mask = z
  .string()
  .min(1)
  .optional()
  .describe('name of an int64 input [batch, time], 1 where a step counts in the mean; made where it is not there');

const mixer = {
  inner: size.optional().describe('channels inside (d_inner); default: as stored, or twice the features'),
  state: size.optional().describe('states of a channel (d_state); default: as stored, or 16'),
  conv: size.optional().describe('width of the causal convolution (d_conv); default: as stored, or 4'),
  dtRank: size.optional().describe('rank of dt; default: as stored, or features/16 rounded up'),
  bias: z.boolean().optional().describe('of in_proj and out_proj; default: as stored, or false'),
  convBias: z.boolean().optional().describe('of conv1d; default: as stored, or true'),
  form: z
    .enum(selectiveForms)
    .optional()
    .describe(
      'the same numbers by blocks of steps (default), step by step (a Scan; default where there are states), or by an associative scan of log2 T rounds',
    ),
};

/** State-space models. An initial state follows x in "from". */
export const ssmKinds: readonly LayerKind[] = [
  kind(
    's4d',
    {
      in: size.optional().describe('features; sizes may be left out where a checkpoint gives them'),
      state: size.optional().describe('size of the state, twice the stored modes: even'),
      form,
      block: z.boolean().default(true).describe('GELU, output_linear and GLU follow; false: y = Ch + Dx alone'),
      dropout,
      training,
    },
    ({ module, input, inputs, options, expose, graphInput }) => {
      const switched = options.training === undefined ? undefined : graphInput(options.training, 'bool', []);
      const { output, state } = s4d(module, input, { ...options, initial: inputs[1], training: switched });
      expose('state', state);
      return output;
    },
    {
      takes: [1, 2],
      about:
        'S4D: a diagonal complex state-space model by zero-order hold; parameters as the reference code names them',
    },
  ),
  kind(
    's4-classifier',
    {
      in: size.optional().describe('features of the input; sizes may be left out where a checkpoint gives them'),
      features: size.optional().describe('features inside (d_model)'),
      layers: size.max(10_000).optional().describe('default: as many as the checkpoint has'),
      state: size.optional().describe('size of the state, twice the stored modes: even'),
      classes: size.optional().describe('outputs of the decoder'),
      normFirst: z.boolean().default(false).describe('the norm stands before each block (prenorm)'),
      pool: z.boolean().default(true).describe('mean over time before the decoder; false: scores at every step'),
      mask,
      form,
      dropout,
      training,
    },
    ({ module, input, options, graphInput }) => {
      const switched = options.training === undefined ? undefined : graphInput(options.training, 'bool', []);
      const counted = options.mask === undefined ? undefined : graphInput(options.mask, 'int64', timesOf(input));
      return s4Classifier(module, input, { ...options, training: switched, mask: counted });
    },
    {
      root: true,
      about: 'encoder, residual S4D blocks with LayerNorm, mean over time, decoder: the example of the reference code',
    },
  ),
  kind(
    'selective-scan',
    { in: size.optional().describe('features of a token (d_model)'), ...mixer },
    ({ module, input, inputs, options, expose }) => {
      const [, conv, ssm] = inputs;
      if (inputs.length === 2)
        throw new HopfcoleError(
          'BAD_SPEC',
          `${module.describe()} expects both states, conv and ssm, got one`,
          {},
          'Name both in "from"',
        );
      const past = conv === undefined || ssm === undefined ? undefined : { conv, ssm };
      const { output, present } = mambaMixer(module, input, { ...options, past });
      expose('conv', present.conv);
      expose('ssm', present.ssm);
      return output;
    },
    {
      takes: [1, 3],
      about: "Mamba's mixer; its states follow x in from: conv, ssm; parameters as mamba_ssm names them",
    },
  ),
  kind(
    'mamba',
    {
      vocabulary: size
        .optional()
        .describe('rows of the embedding; sizes may be left out where a checkpoint gives them'),
      features: size.optional().describe('features of a token (d_model)'),
      layers: size.max(10_000).optional().describe('default: as many as the checkpoint has'),
      ...mixer,
      eps: z.number().min(0).optional().describe('of the norms; default 1e-5'),
      task: z.enum(['language-model', 'classifier', 'features']).default('language-model'),
      tied: z.boolean().optional().describe('lm_head is the embedding; default: where the checkpoint has no lm_head'),
      classes: size.optional().describe('of the classifier: head on the mean over time'),
      mask,
      cache: z
        .boolean()
        .default(false)
        .describe('the states of layer i are inputs past.i.conv, past.i.ssm and outputs present.i.conv, present.i.ssm'),
    },
    ({ module, input, options, expose, graphInput, graphOutput }) => {
      const { dtype } = module;
      const batch = input.shape?.[0];
      const counted = options.mask === undefined ? undefined : graphInput(options.mask, 'int64', timesOf(input));
      const { output, hidden, present } = mamba(module, input, {
        ...options,
        mask: counted,
        past: options.cache
          ? (index, { inner, conv, state }) => ({
              conv: graphInput(`past.${index}.conv`, dtype, [batch, inner, conv - 1]),
              ssm: graphInput(`past.${index}.ssm`, dtype, [batch, inner, state]),
            })
          : undefined,
      });
      expose('hidden', hidden);
      if (options.cache)
        for (const [index, { conv, ssm }] of present.entries()) {
          graphOutput(`present.${index}.conv`, conv);
          graphOutput(`present.${index}.ssm`, ssm);
        }
      return output;
    },
    {
      root: true,
      about: 'Mamba as a language model or a classifier, with the parameters of mamba_ssm and Hugging Face',
    },
  ),
];

/** [batch, time] of x. */
function timesOf(x: Value): Shape {
  return x.shape?.slice(0, 2);
}
