import { HopfcoleError } from '../../files/error.ts';
import type { Value } from '../../graph/value.ts';
import { globalAveragePool } from '../adaptive-pooling.ts';
import { batchNorm } from '../batch-norm.ts';
import { type ConvolutionOptions, conv2d } from '../convolution.ts';
import { type Initial, normal, zeros } from '../initial.ts';
import { linear } from '../linear.ts';
import { layer, type Module } from '../module.ts';
import { maxPool } from '../pooling.ts';
import { residual } from '../residual.ts';
import { relu } from '../units.ts';
import { depthOf } from './parts.ts';

export const resnetBlocks = ['basic', 'bottleneck'] as const;
export type ResnetBlock = (typeof resnetBlocks)[number];
export const resnetStems = ['imagenet', 'cifar'] as const;
export type ResnetStem = (typeof resnetStems)[number];

export interface ResnetOptions {
  /** Two convolutions per block (ResNet-18, 34) or three (50, 101, 152, ResNeXt, wide). Default: as stored, or basic. */
  readonly block?: ResnetBlock | undefined;
  /** Blocks of each stage, [2, 2, 2, 2] for ResNet-18; default: as many as the checkpoint has. */
  readonly layers?: readonly number[] | undefined;
  /** Channels of the stem and the first stage; each later stage has twice as many. Default: as stored, or 64. */
  readonly width?: number | undefined;
  /** Groups of the middle convolution of a bottleneck (ResNeXt). Default 1. */
  readonly groups?: number | undefined;
  /** Default 64 (ResNeXt-50 32x4d: 4, wide ResNets: 128). */
  readonly widthPerGroup?: number | undefined;
  /** For each stage after the first: dilated where it would take strides of 2. */
  readonly replaceStrideWithDilation?: readonly boolean[] | undefined;
  /** imagenet: 7x7 with stride 2, then max pooling; cifar: 3x3, no pooling. Default: by the kernel stored, or imagenet. */
  readonly stem?: ResnetStem | undefined;
  /** Default: as stored; where nobody says, the output is the features [batch, channels]. */
  readonly classes?: number | undefined;
  /** Of the norms; default 1e-5. */
  readonly eps?: number | undefined;
  /** Fresh blocks start as the identity: the scale of the last norm of each is 0. */
  readonly zeroInitResidual?: boolean | undefined;
}

export interface ResnetValues {
  /** Scores [batch, classes], or the features where there is no classifier. */
  readonly output: Value;
  /** The mean over the image, [batch, channels]. */
  readonly features: Value;
  /** What each stage gives, [batch, channels, height, width]. */
  readonly stages: readonly Value[];
}

interface Stage {
  readonly planes: number;
  readonly stride: number;
  readonly dilation: number;
  readonly block: ResnetBlock;
}

const expansion = { basic: 1, bottleneck: 4 } as const;

/** kaiming_normal_ with fan_out and relu, as torchvision starts every convolution. */
function fanOutNormal(out: number, kernel: number): Initial {
  return normal(Math.sqrt(2 / (out * kernel * kernel)));
}

/**
 * ResNet with torchvision's names (`conv1`, `bn1`, `layer1.0.conv1`, `layer2.0.downsample.0`, `fc`): image [batch, channels, height, width] -> scores
 * [batch, classes]. Every block is a forward Euler step x + F(x) (theory.md section 4, structural), followed by ReLU.
 */
export function resnet(module: Module, image: Value, options: ResnetOptions = {}): ResnetValues {
  return layer(resnet, module, 'resnet', () => {
    module.rank(image, [4], '[batch, channels, height, width]');
    const block = options.block ?? (module.has('layer1.0.conv3.weight') === true ? 'bottleneck' : 'basic');
    const width = options.width ?? module.shapeOf('conv1.weight')?.[0] ?? 64;
    checkBasic(module, block, options);
    const counts = options.layers ?? storedLayers(module);
    let x = stemOf(module, image, width, options);
    const stages: Value[] = [];
    let dilation = 1;
    for (const [index, count] of counts.entries()) {
      const stage = module.at(`layer${index + 1}`);
      const before = dilation;
      const isDilated = index > 0 && options.replaceStrideWithDilation?.[index - 1] === true;
      const step = index === 0 || isDilated ? 1 : 2;
      if (isDilated) dilation *= 2;
      const planes = width * 2 ** index;
      for (let place = 0; place < count; place++) {
        const first = place === 0;
        const own = { planes, stride: first ? step : 1, dilation: first ? before : dilation, block };
        x = blockOf(stage.at(place), x, own, options);
      }
      stages.push(x);
    }
    const features = globalAveragePool(module.at('avgpool'), x, { flatten: true });
    const fc = module.at('fc');
    const classes = options.classes ?? fc.shapeOf('weight')?.[0];
    return { output: classes === undefined ? features : linear(fc, features, { out: classes }), features, stages };
  });
}

/** conv1, bn1, relu and, for large images, maxpool. */
function stemOf(module: Module, image: Value, width: number, options: ResnetOptions): Value {
  const stored = module.shapeOf('conv1.weight')?.[2];
  const stem = options.stem ?? (stored === 3 ? 'cifar' : 'imagenet');
  const shape = stem === 'cifar' ? { kernel: 3, padding: 1 } : { kernel: 7, stride: 2, padding: 3 };
  const x = relu(module.at('relu'), normalised(module, '1', image, { out: width, ...shape }, options));
  return stem === 'cifar' ? x : maxPool(module.at('maxpool'), x, { kernel: 3, stride: 2, padding: 1 });
}

/** BasicBlock or Bottleneck of torchvision: relu(S x + F(x)). */
function blockOf(module: Module, x: Value, stage: Stage, options: ResnetOptions): Value {
  return layer(blockOf, module, 'resnet block', () => {
    const out = stage.planes * expansion[stage.block];
    const changes = stage.stride !== 1 || x.shape?.[1] !== out;
    const branch = (value: Value) => (stage.block === 'basic' ? basic : bottleneck)(module, value, stage, options);
    const down = module.at('downsample');
    const shortcut = (value: Value) =>
      batchNorm(down.at(1), convolved(down.at(0), value, { out, kernel: 1, stride: stage.stride }), {
        eps: options.eps,
      });
    const sum = residual(module, x, branch, changes ? { shortcut } : {});
    return relu(module.at('relu'), sum);
  });
}

/** 3x3, 3x3. */
function basic(module: Module, x: Value, { planes, stride }: Stage, options: ResnetOptions): Value {
  const first = normalised(module, '1', x, { out: planes, kernel: 3, stride, padding: 1 }, options);
  return normalised(module, '2', relu(module.at('relu'), first), { out: planes, kernel: 3, padding: 1 }, options, true);
}

/** 1x1, 3x3 with the stride, 1x1. */
function bottleneck(module: Module, x: Value, stage: Stage, options: ResnetOptions): Value {
  const { planes, stride, dilation } = stage;
  const { groups = 1, widthPerGroup = 64 } = options;
  const width = Math.trunc(planes * (widthPerGroup / 64)) * groups;
  const first = relu(module.at('relu'), normalised(module, '1', x, { out: width, kernel: 1 }, options));
  const middle = { out: width, kernel: 3, stride, padding: dilation, dilation, groups };
  const second = relu(module.at('relu'), normalised(module, '2', first, middle, options));
  return normalised(module, '3', second, { out: planes * expansion.bottleneck, kernel: 1 }, options, true);
}

/** A convolution and its norm, an affine map that ONNX Runtime folds into it. */
function normalised(
  module: Module,
  index: string,
  x: Value,
  shape: ConvolutionOptions & { readonly out: number; readonly kernel: number },
  options: ResnetOptions,
  last = false,
): Value {
  const norm = module.at(`bn${index}`);
  const z = convolved(module.at(`conv${index}`), x, shape);
  if (last && options.zeroInitResidual === true) norm.parameter('weight', [shape.out], zeros);
  return batchNorm(norm, z, { eps: options.eps });
}

function convolved(
  module: Module,
  x: Value,
  shape: ConvolutionOptions & { readonly out: number; readonly kernel: number },
): Value {
  return conv2d(module, x, { bias: false, initial: fanOutNormal(shape.out, shape.kernel), ...shape });
}

/** The blocks of each stage that the checkpoint has. */
function storedLayers(module: Module): readonly number[] {
  const stages = depthOf(module, undefined, (index) => `layer${index + 1}.0.conv1.weight`);
  return Array.from({ length: stages }, (_, stage) =>
    depthOf(module, undefined, (index) => `layer${stage + 1}.${index}.conv1.weight`),
  );
}

/** @throws BAD_SPEC for what torchvision's BasicBlock does not have either. */
function checkBasic(module: Module, block: ResnetBlock, options: ResnetOptions): void {
  const { groups = 1, widthPerGroup = 64, replaceStrideWithDilation = [] } = options;
  if (block === 'bottleneck') return;
  if (groups === 1 && widthPerGroup === 64 && !replaceStrideWithDilation.includes(true)) return;
  throw new HopfcoleError(
    'BAD_SPEC',
    `${module.describe()}: basic blocks have no groups, other widths per group or dilation`,
    { argument: 'block' },
    'Say "block": "bottleneck"',
  );
}
