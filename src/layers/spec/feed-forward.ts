import * as z from 'zod';
import { feedForward, gatedFeedForward, lseFeedForward } from '../feed-forward.ts';
import { activation, stored } from './fields.ts';
import { epsilon, kind, type LayerKind, size } from './kind.ts';

/** Feed-forward blocks. */
export const feedForwardKinds: readonly LayerKind[] = [
  kind(
    'feed-forward',
    {
      hidden: size.optional().describe(stored),
      out: size.optional().describe('default: as many as come in'),
      activation: activation.default('gelu'),
      gated: z
        .boolean()
        .default(false)
        .describe('D(phi(Gx) * Ux): SwiGLU with silu, GLU with sigmoid, GEGLU with gelu'),
      bias: z.boolean().optional().describe('default true; false where it is gated'),
      transposed: z.boolean().default(false).describe('weights are stored [in, out] (GPT-2)'),
      names: z
        .array(z.string().min(1))
        .min(2)
        .max(3)
        .optional()
        .describe('of the linear layers; default linear1, linear2, or gate_proj, up_proj, down_proj'),
    },
    ({ module, input, options }) => {
      const [first, second, third] = options.names ?? [];
      if (!options.gated)
        return feedForward(module, input, {
          ...options,
          names: first === undefined || second === undefined ? undefined : [first, second],
        });
      const names =
        first === undefined || second === undefined || third === undefined
          ? undefined
          : ([first, second, third] as const);
      return gatedFeedForward(module, input, { ...options, names });
    },
    { about: 'linear, activation, linear: exact by unit with relu and softplus, open with GELU, SiLU and the rest.' },
  ),
  kind(
    'lse-feed-forward',
    {
      hidden: size.optional().describe('K, the units between'),
      atoms: size.optional().describe('N, the atoms of each unit'),
      out: size.optional().describe('default: as many as come in'),
      epsilon: epsilon.default(1),
      bias: z.boolean().optional(),
    },
    ({ module, input, options }) => lseFeedForward(module, input, options),
    { about: 'V LSE(Wx + b) + c, exact: linear1.weight [K, N, in], linear1.bias [K, N], linear2.weight [out, K].' },
  ),
];
