import { as, floatTypeOf, ints, scalar, widened, workType } from '../../ops/precision.ts';
import { finite } from '../../ops/stable.ts';
import { HopfcoleError } from '../files/error.ts';
import { fromNumbers } from '../files/tensor.ts';
import * as op from '../graph/op.ts';
import type { Value } from '../graph/value.ts';
import { viscosityOf } from './lse.ts';
import { type Epsilon, layer, type Module } from './module.ts';
import type { ReadingDetails } from './reading.ts';
import {
  ceiled,
  expectWindow,
  padded,
  padsOf,
  perAxis,
  reach,
  type Sizes,
  spatialOf,
  unfolded,
  type Windows,
} from './windows.ts';

export interface MaxPoolOptions {
  /** Sizes of a window. */
  readonly kernel: Sizes;
  /** Default: the kernel. */
  readonly stride?: Sizes | undefined;
  /** On both sides, at most half of what a window reaches over. Default 0. */
  readonly padding?: Sizes | undefined;
  /** Default 1. */
  readonly dilation?: Sizes | undefined;
  /** A last window may reach beyond the image. Default false. */
  readonly ceilMode?: boolean | undefined;
}

/**
 * nn.MaxPool1d/2d/3d: x [batch, channels, ..] -> the greatest entry of each window, the limit eps -> 0 of `lsePool` (exact: Hopf-Lax).
 */
export function maxPool(module: Module, x: Value, options: MaxPoolOptions): Value {
  return layer(maxPool, module, 'max-pool', () => {
    const fixed = poolWindows(module, x, options);
    expectWindow(module, x, fixed);
    const { ceilMode = false } = options;
    // ONNX's ceil_mode lets a window begin beyond the image, which PyTorch does not: where sizes are known, the last one is given as padding.
    const isKnown = spatialOf(x).every((size) => size !== undefined);
    const windows = ceilMode && isKnown ? ceiled(module, x, fixed) : fixed;
    if (module.dtype === 'float64' && (isKnown || !ceilMode)) {
      // ONNX Runtime's CPU has a float64 MaxPool, but not the float64 Conv that its co-state takes.
      const greatest = op.reduceMax(unfolded(x, windows, Number.NEGATIVE_INFINITY), ints(2), { keepdims: false });
      return module.mark(greatest, 'max', maxReading('each window'));
    }
    const [y] = op.maxPool(x, {
      kernelShape: windows.kernel,
      strides: windows.stride,
      dilations: windows.dilation,
      pads: padsOf(windows),
      ceilMode: ceilMode && !isKnown,
    });
    return module.mark(y, 'max', maxReading('each window'));
  });
}

export interface AveragePoolOptions extends Omit<MaxPoolOptions, 'dilation'> {
  /** Whether the padding counts as zeros. Default true. */
  readonly countIncludePad?: boolean | undefined;
  /** What sums are divided by; default: the number of entries. */
  readonly divisorOverride?: number | undefined;
}

/** nn.AvgPool1d/2d/3d: x [batch, channels, ..] -> the mean of each window, a linear map. */
export function averagePool(module: Module, x: Value, options: AveragePoolOptions): Value {
  return layer(averagePool, module, 'avg-pool', () => {
    const { ceilMode = false, countIncludePad = true, divisorOverride } = options;
    const fixed = poolWindows(module, x, options);
    expectWindow(module, x, fixed);
    if (divisorOverride !== undefined && !(Number.isInteger(divisorOverride) && divisorOverride !== 0))
      throw new HopfcoleError(
        'BAD_ARGUMENT',
        `${module.describe()}: expected "divisorOverride" to be a whole number other than 0, got ${divisorOverride}`,
        { argument: 'divisorOverride' },
      );
    const isPlain = !ceilMode && divisorOverride === undefined && module.dtype !== 'float64';
    if (isPlain) {
      const shape = { kernelShape: fixed.kernel, strides: fixed.stride, pads: padsOf(fixed), countIncludePad };
      return module.mark(op.averagePool(x, shape), 'convolution', averageReading('each window'));
    }
    // Runtimes do not agree on what a window beyond the image is divided by: sums and counts are made apart.
    const windows = ceilMode ? ceiled(module, x, fixed) : fixed;
    const wide = widened(x);
    const sum = summed(wide, windows);
    const count =
      divisorOverride === undefined
        ? counted(wide, fixed, windows, countIncludePad)
        : scalar(divisorOverride, floatTypeOf(wide));
    return module.mark(as(op.div(sum, count), module.dtype), 'convolution', averageReading('each window'));
  });
}

function summed(x: Value, windows: Windows): Value {
  return op.reduceSum(unfolded(x, windows, 0), ints(2), { keepdims: false });
}

/** How many entries each window has, [1, 1, ..]: of the image, or of the image with its padding. */
function counted(x: Value, fixed: Windows, windows: Windows, withPadding: boolean): Value {
  const one = op.slice(x, ints(0, 0), ints(1, 1), ints(0, 1));
  const ones = op.constantOfShape(op.shape(one), { value: fromNumbers(floatTypeOf(x), [1], [1]) });
  if (!withPadding) return summed(ones, windows);
  const none = fixed.before.map(() => 0);
  const beyond = windows.after.map((size, axis) => size - (fixed.after[axis] ?? 0));
  return summed(padded(ones, fixed, 1), { ...windows, before: none, after: beyond });
}

export interface LsePoolOptions extends MaxPoolOptions {
  /** Default 1. */
  readonly epsilon?: Epsilon | undefined;
}

/**
 * Log-sum-exp pooling: x [batch, channels, ..] -> eps log sum_j exp(x_j/eps) over the entries of each window (theory.md section 1, exact: u_t + |grad
 * u|^2 = eps Lap u); padding is left out, as in max pooling, its limit eps -> 0.
 */
export function lsePool(module: Module, x: Value, options: LsePoolOptions): Value {
  return layer(lsePool, module, 'lse-pool', () => {
    const epsilon = options.epsilon ?? 1;
    const fixed = poolWindows(module, x, options);
    expectWindow(module, x, fixed);
    const windows = options.ceilMode === true ? ceiled(module, x, fixed) : fixed;
    const work = workType(module.dtype);
    const eps = as(module.epsilon(epsilon), work);
    const z = widened(unfolded(x, windows, Number.NEGATIVE_INFINITY));
    const max = finite(op.reduceMax(z, ints(2), { keepdims: true }), work);
    const sum = op.reduceSum(op.exp(op.div(op.sub(z, max), eps)), ints(2), { keepdims: true });
    const f = as(op.squeeze(op.add(max, op.mul(eps, op.log(sum))), ints(2)), module.dtype);
    return module.mark(f, 'lse', {
      viscosity: viscosityOf(epsilon),
      equation: 'u_t + |grad u|^2 = {eps} Lap u, f = {eps} log sum_j exp(x_j/{eps}) over each window',
      latex: 'f = \\varepsilon \\log \\sum_j e^{x_j/\\varepsilon}',
    });
  });
}

/** @throws SHAPE_MISMATCH for what is no image, BAD_ARGUMENT for windows that cannot be. */
function poolWindows(module: Module, x: Value, options: MaxPoolOptions): Windows {
  const axes = module.rank(x, [3, 4, 5], '[batch, channels, ..] with 1 to 3 more') - 2;
  const kernel = perAxis(module, options.kernel, axes, 'kernel');
  const stride = perAxis(module, options.stride ?? kernel, axes, 'stride');
  const dilation = perAxis(module, options.dilation ?? 1, axes, 'dilation');
  const pads = perAxis(module, options.padding ?? 0, axes, 'padding', 0);
  const reaches = reach({ kernel, dilation });
  for (const [axis, pad] of pads.entries())
    if (pad > Math.floor((reaches[axis] ?? 1) / 2))
      throw new HopfcoleError(
        'BAD_ARGUMENT',
        `${module.describe()}: expected "padding" of at most half a window of ${reaches[axis]}, got ${pad}`,
        { argument: 'padding' },
      );
  return { kernel, stride, dilation, before: pads, after: pads };
}

/** What the maximum over some entries is. */
export function maxReading(over: string): ReadingDetails {
  return {
    equation: `max of x over ${over}: Hopf-Lax, the limit eps -> 0 of eps log sum exp(x/eps) over it`,
    latex: '\\max_j x_j = \\lim_{\\varepsilon \\to 0} \\varepsilon \\log \\sum_j e^{x_j/\\varepsilon}',
  };
}

/** What the mean over some entries is: a linear map. */
export function averageReading(over: string): ReadingDetails {
  return { equation: `z = mean of x over ${over}`, latex: 'z = \\tfrac1n \\sum_j x_j' };
}
