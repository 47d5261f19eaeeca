import { as, ints, last, scalar, widened, workType } from '../../ops/precision.ts';
import { HopfcoleError } from '../files/error.ts';
import * as op from '../graph/op.ts';
import type { Value } from '../graph/value.ts';
import { batchNorm } from './batch-norm.ts';
import { channelsOf, checked, constantOnes, filledWith, rankOf, scaled } from './channels.ts';
import { ones, zeros } from './initial.ts';
import { layer, type Module } from './module.ts';

export interface LayerNormOptions {
  /** The last axes to normalise, `normalized_shape`; default: the last axis of `x`. */
  readonly shape?: number | readonly number[] | undefined;
  /** Default 1e-5. */
  readonly eps?: number | undefined;
  /** Whether it has `weight` and `bias` (elementwise_affine). Default true. */
  readonly affine?: boolean | undefined;
  /** Default true. */
  readonly bias?: boolean | undefined;
}

/** nn.LayerNorm: x [.., shape] normalised over its last axes; parameters `weight` and `bias` of that shape. */
export function layerNorm(module: Module, x: Value, options: LayerNormOptions = {}): Value {
  return layer(layerNorm, module, 'norm', () => {
    const { affine = true, bias = true, eps = 1e-5 } = options;
    const shape = normalized(module, x, options.shape);
    const scale = affine ? module.parameter('weight', shape, ones) : constantOnes(module, shape);
    const shift = affine && bias ? module.parameter('bias', shape, zeros) : undefined;
    const [y] = op.layerNormalization(x, scale, shift, { axis: -shape.length, epsilon: checked(eps) });
    return module.mark(y, 'norm', { equation: '(x - mean)/sqrt(var + eps) * weight + bias' });
  });
}

export interface RmsNormOptions {
  readonly shape?: number | readonly number[] | undefined;
  /** Default, as in PyTorch: the smallest eps of the element type; Llama and T5 say 1e-6 or 1e-5. */
  readonly eps?: number | undefined;
  readonly affine?: boolean | undefined;
  /** Added to the weight: 1 where it is stored as its distance from 1 (Gemma). Default 0. */
  readonly weightOffset?: number | undefined;
}

/** The difference between 1 and the next number: torch.finfo(dtype).eps. */
const machineEpsilon = { float32: 2 ** -23, float64: 2 ** -52, float16: 2 ** -10, bfloat16: 2 ** -7 } as const;

/**
 * nn.RMSNorm: x [.., shape] / sqrt(mean x^2 + eps) * weight over its last axes, sums in float32 where x is narrower. Composed as ONNX Runtime's
 * SimplifiedLayerNormalization fusion knows it: RMSNormalization comes with opset 23.
 */
export function rmsNorm(module: Module, x: Value, options: RmsNormOptions = {}): Value {
  return layer(rmsNorm, module, 'norm', () => {
    const shape = normalized(module, x, options.shape);
    const work = workType(module.dtype);
    const wide = widened(x);
    const axes = ints(...shape.map((_, axis) => axis - shape.length));
    // Of float64 ONNX Runtime 1.30 fuses a norm that is wrong from the third digit on: it does not know the square by this form.
    const square = work === 'float64' ? op.mul(wide, wide) : op.pow(wide, scalar(2, work));
    const mean = op.reduceMean(square, axes, { keepdims: true });
    const root = op.sqrt(op.add(mean, scalar(checked(options.eps ?? machineEpsilon[module.dtype]), work)));
    const unit = as(op.div(wide, root), module.dtype);
    return module.mark(op.mul(unit, rmsScale(module, shape, options)), 'norm', {
      equation: 'x/sqrt(mean x^2 + eps) * weight',
      latex: '\\hat x = x/\\sqrt{\\overline{x^2} + \\epsilon}',
    });
  });
}

/** Ones where it has no weight: without the product the fusion does not see the norm. */
function rmsScale(module: Module, shape: readonly number[], options: RmsNormOptions): Value {
  const { affine = true, weightOffset = 0 } = options;
  if (!affine) return constantOnes(module, shape);
  const weight = module.parameter('weight', shape, weightOffset === 0 ? ones : zeros);
  return weightOffset === 0 ? weight : op.add(weight, scalar(weightOffset, module.dtype));
}

function normalized(module: Module, x: Value, said: number | readonly number[] | undefined): readonly number[] {
  const shape = typeof said === 'object' ? said : undefined;
  if (shape === undefined || shape.length === 0)
    return [module.features(x, typeof said === 'number' ? said : undefined, 'shape', module.shapeOf('weight')?.at(-1))];
  module.atLeast(x, shape.length, `[.., ${shape.join(', ')}]`);
  const own = x.shape?.slice(-shape.length);
  if (own?.some((dim, axis) => typeof dim === 'number' && dim !== shape[axis]))
    throw module.misfit(x, `the last axes [${shape.join(', ')}]`);
  return shape;
}

export interface GroupNormOptions {
  readonly groups: number;
  /** Default: axis 1 of `x`. */
  readonly channels?: number | undefined;
  readonly eps?: number | undefined;
  readonly affine?: boolean | undefined;
}

/** nn.GroupNorm: x [batch, channels, ..] normalised over the channels of each group; parameters `weight` and `bias` [channels]. */
export function groupNorm(module: Module, x: Value, options: GroupNormOptions): Value {
  return layer(groupNorm, module, 'norm', () => {
    const { groups, affine = true, eps = 1e-5 } = options;
    const channels = channelsOf(module, x, options.channels);
    if (channels % groups !== 0)
      throw new HopfcoleError(
        'BAD_SPEC',
        `${module.describe()} divides ${channels} channels into ${groups} groups`,
        { argument: 'groups' },
        'The number of groups must divide the channels',
      );
    const rows = op.reshape(x, ints(0, groups, -1));
    const unit = op.reshape(standardized(module, rows, groups, eps), op.shape(x));
    const equation = '(x - mean)/sqrt(var + eps) over each group * weight + bias';
    if (!affine) return module.mark(unit, 'norm', { equation });
    return module.mark(scaled(module, unit, channels, rankOf(x)), 'norm', { equation });
  });
}

export interface InstanceNormOptions {
  /** Default: axis 1 of `x`. */
  readonly channels?: number | undefined;
  readonly eps?: number | undefined;
  /** Default false, as in PyTorch. */
  readonly affine?: boolean | undefined;
  /** Statistics from `running_mean` and `running_var` (track_running_stats). Default false. */
  readonly track?: boolean | undefined;
}

/** nn.InstanceNorm1d/2d/3d: x [batch, channels, ..] normalised over what follows the channels. */
export function instanceNorm(module: Module, x: Value, options: InstanceNormOptions = {}): Value {
  if (options.track === true) return batchNorm(module, x, { ...options, affine: options.affine ?? false });
  return layer(instanceNorm, module, 'norm', () => {
    const { affine = false, eps = 1e-5 } = options;
    module.atLeast(x, 3, '[batch, channels, ..]');
    const channels = channelsOf(module, x, options.channels);
    const equation = '(x - mean)/sqrt(var + eps) over each channel * weight + bias';
    if (module.dtype !== 'float64') {
      const scale = affine ? module.parameter('weight', [channels], ones) : constantOnes(module, [channels]);
      const shift = affine ? module.parameter('bias', [channels], zeros) : filledWith(module, [channels], 0);
      return module.mark(op.instanceNormalization(x, scale, shift, { epsilon: checked(eps) }), 'norm', { equation });
    }
    const unit = op.reshape(standardized(module, op.reshape(x, ints(0, channels, -1)), channels, eps), op.shape(x));
    return module.mark(affine ? scaled(module, unit, channels, rankOf(x)) : unit, 'norm', { equation });
  });
}

/** Rows [batch, count, n] of mean 0 and variance 1. ONNX Runtime's CPU has no float64 InstanceNormalization. */
function standardized(module: Module, rows: Value, count: number, eps: number): Value {
  if (module.dtype !== 'float64')
    return op.instanceNormalization(rows, constantOnes(module, [count]), filledWith(module, [count], 0), {
      epsilon: checked(eps),
    });
  const centred = op.sub(rows, op.reduceMean(rows, last(rows), { keepdims: true }));
  const variance = op.reduceMean(op.mul(centred, centred), last(rows), { keepdims: true });
  return op.div(centred, op.sqrt(op.add(variance, scalar(checked(eps), module.dtype))));
}
