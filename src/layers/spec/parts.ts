import * as z from 'zod';
import type { Value } from '../../graph/value.ts';
import { batchNorm } from '../batch-norm.ts';
import { dropout } from '../dropout.ts';
import { embedding } from '../embedding.ts';
import { leapfrog } from '../leapfrog.ts';
import type { Module } from '../module.ts';
import { groupNorm, instanceNorm, layerNorm, rmsNorm } from '../norm.ts';
import { type Branch, methods, residual } from '../residual.ts';
import { eps, finite, inputName, stored, tooLarge } from './fields.ts';
import { kind, type LayerKind, type LayerSpec, parameterName, size } from './kind.ts';

const normalized = {
  shape: z
    .union([size, z.array(size).min(1).max(16)])
    .optional()
    .describe('normalized_shape, the last axes; default: the last axis'),
};
const affine = z.boolean().default(true).describe('elementwise_affine: whether it has weight and bias');
const channels = { channels: size.optional().describe(stored), eps: eps.default(1e-5) };

const normKinds: readonly LayerKind[] = [
  kind(
    'layer-norm',
    {
      ...normalized,
      eps: eps.default(1e-5),
      affine,
      bias: z.boolean().default(true),
    },
    ({ module, input, options }) => layerNorm(module, input, options),
    { about: 'nn.LayerNorm over the last axes: weight and bias of their shape.' },
  ),
  kind(
    'rms-norm',
    {
      ...normalized,
      eps: eps
        .optional()
        .describe("default, as PyTorch's: the smallest eps of the element type; Llama has 1e-6 or 1e-5"),
      affine: z.boolean().default(true).describe('elementwise_affine: whether it has a weight'),
      weightOffset: z.number().refine(finite, tooLarge).optional().describe('added to the weight: 1 in Gemma'),
    },
    ({ module, input, options }) => rmsNorm(module, input, options),
    { about: 'nn.RMSNorm over the last axes: weight of their shape.' },
  ),
  kind(
    'batch-norm',
    {
      ...channels,
      affine: z.boolean().default(true).describe('whether it has weight and bias'),
      track: z.boolean().default(true).describe('track_running_stats; false: mean and variance of the batch'),
    },
    ({ module, input, options }) => batchNorm(module, input, options),
    {
      about:
        'nn.BatchNorm1d/2d/3d at inference: weight, bias, running_mean, running_var [channels]; [batch, channels, ..].',
    },
  ),
  kind(
    'group-norm',
    { groups: size, ...channels, affine: z.boolean().default(true).describe('whether it has weight and bias') },
    ({ module, input, options }) => groupNorm(module, input, options),
    { about: 'nn.GroupNorm: weight and bias [channels]; [batch, channels, ..].' },
  ),
  kind(
    'instance-norm',
    {
      ...channels,
      affine: z.boolean().default(false).describe('whether it has weight and bias'),
      track: z.boolean().default(false).describe('track_running_stats: running_mean and running_var are used'),
    },
    ({ module, input, options }) => instanceNorm(module, input, options),
    { about: 'nn.InstanceNorm1d/2d/3d: [batch, channels, ..].' },
  ),
];

const simpleKinds: readonly LayerKind[] = [
  kind(
    'embedding',
    {
      entries: size.optional().describe(`num_embeddings; ${stored}`),
      features: size.optional().describe('embedding_dim'),
      paddingIdx: z.int().optional().describe('padding_idx: this row has no co-state'),
      weight: parameterName
        .optional()
        .describe('name of the table where it is not <name>.weight (the same name twice ties weights)'),
    },
    ({ module, input, options }) => embedding(module, input, options),
    { about: 'nn.Embedding: weight [entries, features]; int64 indices [..] -> [.., features].' },
  ),
  kind(
    'dropout',
    {
      p: z.number().min(0).lt(1).default(0.5),
      training: inputName.describe(
        'name of a bool input that switches dropout on; without it there is none; made where it is not there',
      ),
    },
    ({ module, input, options: { p, training }, graphInput }) =>
      dropout(module, input, {
        p,
        training: training === undefined || p === 0 ? undefined : graphInput(training, 'bool', []),
      }),
    { about: 'nn.Dropout: what it takes, but in training.' },
  ),
];

/** Layers that hold layers, and the parts that stand between: norms, embeddings, dropout. */
export function partKinds(nested: z.ZodType<LayerSpec[]>): readonly LayerKind[] {
  const inner = nested.describe('the layers inside, one after the other; their names begin with its own');
  return [
    ...simpleKinds,
    ...normKinds,
    kind(
      'sequential',
      { layers: inner },
      ({ module, input, options, chain }) => chain(options.layers, module, input, 'layers'),
      {
        about: 'nn.Sequential, or any module whose parts stand one after the other: layers inside a name.',
      },
    ),
    kind(
      'residual',
      {
        layers: nested.describe('F, layers one after the other; their names begin with its own'),
        shortcut: nested
          .optional()
          .describe('what x goes through on its way past F, where shapes change; default: nothing'),
        step: z.number().positive().refine(finite, tooLarge).default(1).describe('h'),
        method: z.enum(methods).default('euler'),
        scale: parameterName
          .optional()
          .describe('name of a parameter that F(x) is multiplied by, such as gamma [features]'),
        scaleAxis: z.int().optional().describe('the axis the scale runs along; default: the last'),
        viscosity: eps.optional().describe('eps: noise sqrt(2 eps h) in training'),
        training: inputName.describe('name of a bool input that switches the noise on; made where it is not there'),
        repeat: size.max(10_000).default(1).describe('so many steps one after the other'),
        tied: z
          .boolean()
          .default(true)
          .describe('all steps have the same weights; false: those of step i begin with <name>.<i>'),
      },
      ({ module, input, options, chain, graphInput }) => {
        const { layers, shortcut, training, repeat, tied, ...rest } = options;
        const switched = training === undefined ? undefined : graphInput(training, 'bool', []);
        const stepped = (own: Module, x: Value): Value => {
          const through =
            (inner: readonly LayerSpec[], field: string): Branch =>
            (state) =>
              chain(inner, own, state, field);
          return residual(own, x, through(layers, 'layers'), {
            ...rest,
            shortcut: shortcut && through(shortcut, 'shortcut'),
            training: switched,
          });
        };
        let x = input;
        for (let index = 0; index < repeat; index++) {
          const [before, own] = [x, tied || repeat === 1 ? module : module.at(index)];
          x = tied && index > 0 ? module.again(() => stepped(own, before)) : stepped(own, before);
        }
        return x;
      },
      { about: 'x + h F(x), a step of dx/dt = F(x): forward Euler, midpoint or Runge-Kutta.' },
    ),
    kind(
      'leapfrog',
      {
        potential: nested.describe('grad V(q), layers one after the other'),
        kinetic: nested.optional().describe('grad T(p); default: p'),
        step: z
          .number()
          .refine((h) => h !== 0 && finite(h), tooLarge)
          .default(1)
          .describe('h; a negative one leads back'),
        repeat: size.max(10_000).default(1).describe('so many steps one after the other, of the same weights'),
      },
      ({ module, inputs, options, chain, expose }) => {
        const { potential, kinetic, step, repeat } = options;
        const [q, p] = inputs;
        if (q === undefined || p === undefined) throw new Error('takes two values');
        const forces = {
          step,
          potential: (x: Value) => chain(potential, module, x, 'potential'),
          kinetic: kinetic && ((x: Value) => chain(kinetic, module, x, 'kinetic')),
        };
        let state = { q, p };
        for (let index = 0; index < repeat; index++) {
          const before = state;
          const next = () => leapfrog(module, before, forces);
          state = index === 0 ? next() : module.again(next);
        }
        expose('p', state.p);
        return state.q;
      },
      {
        takes: [2, 2],
        about: 'Leapfrog step of H(q, p) = T(p) + V(q): q and p -> q; further output p. Symplectic and reversible.',
      },
    ),
  ];
}
