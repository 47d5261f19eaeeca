import * as z from 'zod';
import type { Value } from '../../graph/value.ts';
import { hmm, viterbi } from '../semiring.ts';
import { epsilon, kind, type LayerKind, type Place, size } from './kind.ts';

const fields = {
  states: size.optional().describe('S; default: those of what it takes, or of the checkpoint'),
  symbols: size.optional().describe('of a model of discrete observations: the parameter emissions is [S, symbols]'),
  lengths: z
    .string()
    .min(1)
    .optional()
    .describe('name of an int64 input [batch], the length of each sequence; made where it is not there'),
  end: z
    .boolean()
    .optional()
    .describe('whether there is end_transitions [S]; default: as the checkpoint has, or false'),
};

function lengthsOf({
  input,
  options,
  graphInput,
}: Place<{ readonly lengths?: string | undefined }>): Value | undefined {
  return options.lengths === undefined ? undefined : graphInput(options.lengths, 'int64', [input.shape?.[0]]);
}

/** Recursions in the log-semiring and the max-plus semiring: hidden Markov models and linear-chain CRFs. */
export const semiringKinds: readonly LayerKind[] = [
  kind(
    'hmm',
    {
      ...fields,
      epsilon: epsilon.default(1).describe('viscosity; 1 for probabilities'),
      epsilonInput: z.string().min(1).optional().describe('name of a float32 input that gives epsilon instead'),
    },
    (place) => {
      const { module, input, options, expose, graphInput } = place;
      const eps =
        options.epsilonInput === undefined ? options.epsilon : graphInput(options.epsilonInput, 'float32', []);
      const { f, alpha, marginals } = hmm(module, input, { ...options, epsilon: eps, lengths: lengthsOf(place) });
      expose('alpha', alpha);
      expose('marginals', marginals);
      return f;
    },
    {
      about:
        'HMM forward, the log-sum-exp over all paths of what it takes, emissions [batch, time, S] (or int64 symbols): transitions [S, S], start_transitions [S]; -> [batch]. Further outputs: alpha, marginals (the posterior).',
    },
  ),
  kind(
    'viterbi',
    fields,
    (place) => {
      const { module, input, options, expose } = place;
      const { path, score } = viterbi(module, input, { ...options, lengths: lengthsOf(place) });
      expose('score', score);
      return path;
    },
    {
      about:
        'The best path, the limit epsilon -> 0 of hmm with the same parameters, int64 [batch, time]. Further output: score.',
    },
  ),
];
