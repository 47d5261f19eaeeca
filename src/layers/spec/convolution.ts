import * as z from 'zod';
import { adaptiveAveragePool, adaptiveMaxPool, globalAveragePool, globalMaxPool } from '../adaptive-pooling.ts';
import { conv1d, conv2d, conv3d, paddingModes } from '../convolution.ts';
import { flatten } from '../flatten.ts';
import { resnet, resnetBlocks, resnetStems } from '../models/resnet.ts';
import { averagePool, lsePool, maxPool } from '../pooling.ts';
import { convTranspose1d, convTranspose2d, convTranspose3d } from '../transposed-convolution.ts';
import { upsample, upsampleModes } from '../upsample.ts';
import { eps } from './fields.ts';
import { epsilon, kind, type LayerKind, size } from './kind.ts';

const sizes = z.union([size, z.array(size).min(1).max(3)]).describe('one size for all axes, or one for each');
const least = z
  .int()
  .min(0)
  .max(2 ** 31);
const pads = z.union([least, z.array(least).min(1).max(3)]).describe('on both sides of all axes, or of each');

const channels = {
  in: size.optional().describe('input channels; sizes may be left out where a checkpoint gives them'),
  out: size.optional().describe('output channels'),
  kernel: sizes.optional(),
  stride: sizes.default(1),
  dilation: sizes.default(1),
  groups: size.default(1),
  bias: z.boolean().default(true),
};

const convolutionFields = {
  ...channels,
  padding: z
    .union([pads, z.enum(['same', 'valid'])])
    .default(0)
    .describe('same keeps the sizes (stride 1 alone), valid is 0'),
  paddingMode: z.enum(paddingModes).default('zeros').describe('what stands around the image'),
};

const poolFields = {
  kernel: sizes,
  stride: sizes.optional().describe('default: the kernel'),
  padding: pads.default(0),
  ceilMode: z.boolean().default(false).describe('a last window may reach beyond the image'),
};

const transposedFields = {
  ...channels,
  padding: pads.default(0).describe('what the output loses on both sides'),
  outputPadding: pads.default(0).describe('what the output gains after each axis'),
};

const adaptive = {
  output: z
    .union([size, z.array(size.nullable()).min(1).max(3)])
    .describe('sizes of the output: one for all axes, or one for each; null keeps an axis as it is'),
};

const global = {
  flatten: z.boolean().default(true).describe('false: [batch, channels, 1, ..]'),
};

/** Convolutions, pools and the networks made of them. */
export const convolutionKinds: readonly LayerKind[] = [
  kind('conv1d', convolutionFields, ({ module, input, options }) => conv1d(module, input, options), {
    about: 'nn.Conv1d: weight [out, in/groups, kernel], bias [out]; [batch, in, length].',
  }),
  kind('conv2d', convolutionFields, ({ module, input, options }) => conv2d(module, input, options), {
    about: 'nn.Conv2d: weight [out, in/groups, kernel, kernel], bias [out]; [batch, in, height, width].',
  }),
  kind('conv3d', convolutionFields, ({ module, input, options }) => conv3d(module, input, options), {
    about: 'nn.Conv3d: weight [out, in/groups, kernel, kernel, kernel], bias [out]; [batch, in, depth, height, width].',
  }),
  kind(
    'max-pool',
    { ...poolFields, dilation: sizes.default(1) },
    ({ module, input, options }) => maxPool(module, input, options),
    { about: 'nn.MaxPool1d/2d/3d by the rank of its input, exactly the limit epsilon -> 0 of lse-pool.' },
  ),
  kind('conv-transpose1d', transposedFields, ({ module, input, options }) => convTranspose1d(module, input, options), {
    about: 'nn.ConvTranspose1d: weight [in, out/groups, kernel], bias [out]; [batch, in, length].',
  }),
  kind('conv-transpose2d', transposedFields, ({ module, input, options }) => convTranspose2d(module, input, options), {
    about: 'nn.ConvTranspose2d: weight [in, out/groups, kernel, kernel], bias [out]; [batch, in, height, width].',
  }),
  kind('conv-transpose3d', transposedFields, ({ module, input, options }) => convTranspose3d(module, input, options), {
    about:
      'nn.ConvTranspose3d: weight [in, out/groups, kernel, kernel, kernel], bias [out]; [batch, in, depth, height, width].',
  }),
  kind(
    'lse-pool',
    { ...poolFields, dilation: sizes.default(1), epsilon: epsilon.default(1) },
    ({ module, input, options }) => lsePool(module, input, options),
    {
      about:
        'epsilon log sum exp(x/epsilon) over the windows of max-pool, exactly a viscous Hopf-Cole solution; padding is left out.',
    },
  ),
  kind(
    'avg-pool',
    {
      ...poolFields,
      countIncludePad: z.boolean().default(true).describe('whether the padding counts as zeros'),
      divisorOverride: z.int().optional().describe('what sums are divided by; default: the number of entries'),
    },
    ({ module, input, options }) => averagePool(module, input, options),
    { about: 'nn.AvgPool1d/2d/3d by the rank of its input.' },
  ),
  kind('adaptive-avg-pool', adaptive, ({ module, input, options }) => adaptiveAveragePool(module, input, options), {
    about: 'nn.AdaptiveAvgPool1d/2d/3d by the rank of its input, whose sizes must be known where an output is not 1.',
  }),
  kind('adaptive-max-pool', adaptive, ({ module, input, options }) => adaptiveMaxPool(module, input, options), {
    about: 'nn.AdaptiveMaxPool1d/2d/3d by the rank of its input, whose sizes must be known where an output is not 1.',
  }),
  kind('global-avg-pool', global, ({ module, input, options }) => globalAveragePool(module, input, options), {
    about: 'The mean of each channel: [batch, channels, ..] -> [batch, channels].',
  }),
  kind('global-max-pool', global, ({ module, input, options }) => globalMaxPool(module, input, options), {
    about: 'The greatest entry of each channel: [batch, channels, ..] -> [batch, channels].',
  }),
  kind(
    'flatten',
    { start: z.int().default(1).describe('the first axis joined'), end: z.int().default(-1).describe('the last') },
    ({ module, input, options }) => flatten(module, input, options),
    { about: 'nn.Flatten: [batch, ..] -> [batch, all].' },
  ),
  kind(
    'upsample',
    {
      size: sizes.optional().describe('of the output; or scale'),
      scale: z.union([z.number().positive(), z.array(z.number().positive()).min(1).max(3)]).optional(),
      mode: z.enum(upsampleModes).default('nearest'),
      alignCorners: z.boolean().default(false).describe('the outermost entries stay where they are'),
    },
    ({ module, input, options }) => upsample(module, input, options),
    { about: 'nn.Upsample and interpolate: [batch, channels, ..] on another grid.' },
  ),
  kind(
    'resnet',
    {
      block: z
        .enum(resnetBlocks)
        .optional()
        .describe(
          'basic: ResNet-18 and 34; bottleneck: ResNet-50 and larger, ResNeXt, wide; default: as stored, or basic',
        ),
      layers: z
        .array(size)
        .min(1)
        .max(16)
        .optional()
        .describe('blocks of each stage, [2, 2, 2, 2] for ResNet-18; default: as stored'),
      width: size.optional().describe('channels of the first stage; default: as stored, or 64'),
      groups: size.default(1).describe('of the middle convolution of a bottleneck (ResNeXt)'),
      widthPerGroup: size.default(64).describe('width_per_group: 4 in ResNeXt-50 32x4d, 128 in wide ResNets'),
      replaceStrideWithDilation: z
        .array(z.boolean())
        .optional()
        .describe('replace_stride_with_dilation, for each stage after the first'),
      stem: z
        .enum(resnetStems)
        .optional()
        .describe('imagenet: 7x7 of stride 2 and max pooling; cifar: 3x3; default: by the kernel stored, or imagenet'),
      classes: size.optional().describe('default: as stored; without, the features are the output'),
      eps: eps.default(1e-5).describe('of the norms'),
      zeroInitResidual: z.boolean().default(false).describe('fresh blocks start as the identity'),
    },
    ({ module, input, options, expose }) => {
      const { output, features, stages } = resnet(module, input, options);
      expose('features', features);
      for (const [index, stage] of stages.entries()) expose(`layer${index + 1}`, stage);
      return output;
    },
    {
      root: true,
      about:
        "ResNet, ResNeXt and wide ResNet with torchvision's names (conv1, bn1, layer1.0.conv1, layer2.0.downsample.0, fc): [batch, channels, height, width] -> [batch, classes]. Further outputs: features, and what each stage gives, layer1, layer2, ...",
    },
  ),
];
