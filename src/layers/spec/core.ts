import * as z from 'zod';
import * as op from '../../graph/op.ts';
import { hopfColeLayer } from '../hopf-cole.ts';
import { linear } from '../linear.ts';
import { lse, lseHead, softmax, tropical } from '../lse.ts';
import { convexNetwork } from '../models/convex.ts';
import { lseNetwork, mlp } from '../models/mlp.ts';
import { activation, activations, softplus } from '../units.ts';
import { epsilon, kind, type LayerKind, parameterName, size } from './kind.ts';

const bias = z
  .union([z.boolean(), parameterName])
  .default(true)
  .describe('false: the layer has none; a text: its name, as biasName gives it');

const weighted = {
  weight: parameterName
    .optional()
    .describe('name of the weight where it is not <name>.weight (the same name twice ties weights)'),
  biasName: parameterName.optional().describe('name of the bias where it is not <name>.bias'),
  bias,
};

const atomFields = {
  ...weighted,
  dim: size.optional().describe('d, the input features'),
  atoms: size.optional().describe('N, the atoms of each unit'),
  units: size
    .optional()
    .describe('K: a bank of K units, weight [K, N, d], output [batch, K]; absent: weight [N, d], output [batch]'),
  keepdim: z.boolean().default(false).describe('a single unit gives [batch, 1] instead of [batch]'),
};

/** The bias as the layers take it: whether there is one, or its full name. */
function biasOf({ bias: said, biasName }: { bias: boolean | string; biasName?: string | undefined }): boolean | string {
  return said === false ? false : (biasName ?? said);
}

const unitKinds = activations
  .filter((name) => !['softplus', 'prelu', 'elu', 'leaky-relu'].includes(name))
  .map((name) => kind(name, {}, ({ module, input }) => activation(module, input, name), { about: unitText(name) }));

function unitText(name: string): string {
  return name === 'relu'
    ? 'max(z, 0): the limit of softplus, two atoms.'
    : name === 'identity'
      ? 'What it takes.'
      : `${name} on each entry.`;
}

const slopedKinds = (['elu', 'leaky-relu'] as const).map((name) =>
  kind(
    name,
    {
      alpha: z
        .number()
        .optional()
        .describe(name === 'elu' ? 'default 1' : 'the slope below 0; default 0.01'),
    },
    ({ module, input, options }) => activation(module, input, name, options),
    { about: unitText(name) },
  ),
);

/** Linear and log-sum-exp layers, units, and the networks made of them alone. */
export const coreKinds: readonly LayerKind[] = [
  kind(
    'linear',
    {
      ...weighted,
      in: size.optional().describe('input features; sizes may be left out where a checkpoint gives them'),
      out: size.optional().describe('output features'),
      transposed: z.boolean().default(false).describe('the weight is stored [in, out], not [out, in]'),
    },
    ({ module, input, options }) => linear(module, input, { ...options, bias: biasOf(options) }),
    { about: 'nn.Linear: weight [out, in], bias [out]; [.., in] -> [.., out].' },
  ),
  kind(
    'lse',
    { ...atomFields, epsilon: epsilon.default(1) },
    ({ module, input, options }) => lse(module, input, { ...options, bias: biasOf(options) }),
    {
      about:
        'Log-sum-exp unit or bank, exactly a viscous Hopf-Cole solution: weight [N, d] or [K, N, d], bias [N] or [K, N].',
    },
  ),
  kind(
    'tropical',
    atomFields,
    ({ module, input, options }) => tropical(module, input, { ...options, bias: biasOf(options) }),
    { about: 'The limit epsilon -> 0 of lse, with the same parameters: max over the atoms; a bank is maxout.' },
  ),
  kind(
    'lse-head',
    { ...atomFields, epsilon: epsilon.default(1), temperature: epsilon.optional().describe('default: epsilon') },
    ({ module, input, options }) => lseHead(module, input, { ...options, bias: biasOf(options) }),
    { about: 'Classes as log-sum-exp units (a bank, as lse), then softmax weights at a temperature.' },
  ),
  kind(
    'hopf-cole',
    {
      dim: size.optional(),
      atoms: size.optional().describe('N: the parameters are y [N, d] and g [N]'),
      epsilon: z
        .union([epsilon, z.literal(0)])
        .default(1)
        .describe('0 is the inviscid limit (Hopf-Lax)'),
      time: z.number().positive().default(0.5),
      anisotropic: z.boolean().default(false).describe("H(p) = p'Ap, A = LL', the parameter metric is L"),
    },
    ({ module, input, options, expose }) => {
      const { u, gradient, foot, index } = hopfColeLayer(module, input, options);
      for (const [name, value] of Object.entries({ gradient, foot, index }))
        if (value !== undefined) expose(name, value);
      return u;
    },
    {
      about:
        'u(x, t) of the initial data y [N, d], g [N] by Hopf-Cole; further outputs gradient and foot (the foot point E_pi y), or index where epsilon is 0.',
    },
  ),
  kind(
    'softmax',
    { epsilon: epsilon.default(1).describe('temperature') },
    ({ module, input, options }) => softmax(module, input, options),
    { about: 'Gibbs weights over the last axis.' },
  ),
  kind(
    'softplus',
    { epsilon: epsilon.default(1).describe('1/beta') },
    ({ module, input, options }) => softplus(module, input, options),
    { about: 'epsilon log(exp(z/epsilon) + 1): nn.Softplus of beta 1/epsilon, two atoms.' },
  ),
  kind(
    'prelu',
    { parameters: size.optional().describe('slopes: one, or one per channel'), alpha: z.number().optional() },
    ({ module, input, options }) => activation(module, input, 'prelu', options),
    { about: 'nn.PReLU: weight [parameters].' },
  ),
  ...unitKinds,
  ...slopedKinds,
  kind('add', {}, ({ inputs }) => inputs.reduce((sum, value) => op.add(sum, value)), {
    takes: [2, 64],
    about: 'The sum of the values it names.',
  }),
  kind('concat', { axis: z.int().default(-1) }, ({ inputs, options }) => op.concat(inputs, { axis: options.axis }), {
    takes: [2, 64],
    about: 'The values it names, one after the other.',
  }),
  kind(
    'mlp',
    {
      sizes: z.array(size).min(1).describe('features of each hidden layer and of the output'),
      activation: z.enum(activations).default('relu'),
      bias: z.boolean().default(true),
      activateLast: z.boolean().default(false),
    },
    ({ module, input, options }) => mlp(module, input, options),
    {
      root: true,
      about: 'Linear, activation, Linear, ...: 0.weight, 0.bias, 2.weight, ... as nn.Sequential names them.',
    },
  ),
  kind(
    'lse-network',
    {
      units: z.array(size).min(1).describe('units of each layer; the last are the outputs'),
      atoms: size,
      epsilon: epsilon.default(1),
      head: epsilon.optional().describe('ends in softmax weights at this temperature'),
    },
    ({ module, input, options }) => lseNetwork(module, input, options),
    {
      root: true,
      about: 'Banks of log-sum-exp units one after the other: layers.0.weight [K, N, d], layers.0.bias [K, N], ...',
    },
  ),
  kind(
    'convex-network',
    {
      hidden: z.array(size).describe('units of each hidden layer'),
      atoms: size,
      epsilon: epsilon.default(1),
      positive: z.enum(['softplus', 'clamp']).default('softplus'),
    },
    ({ module, input, options }) => convexNetwork(module, input, options),
    {
      root: true,
      about:
        'Input-convex network of log-sum-exp units: layers.0.input.weight [K, N, d], layers.0.bias [K, N], layers.1.convex.weight [K, N, K before] (kept positive), ...; [batch, d] -> [batch].',
    },
  ),
];
