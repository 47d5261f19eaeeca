import * as z from 'zod';
import { s4d, ssmForms } from '../ssm/s4d.ts';
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
];
