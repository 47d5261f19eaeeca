import * as z from 'zod';
import { conv1d, conv2d, conv3d, paddingModes } from '../convolution.ts';
import { resnet, resnetBlocks, resnetStems } from '../models/resnet.ts';
import { maxPool } from '../pooling.ts';
import { eps } from './fields.ts';
import { kind, type LayerKind, size } from './kind.ts';

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
