import { HopfcoleError } from '../files/error.ts';
import * as op from '../graph/op.ts';
import type { Value } from '../graph/value.ts';
import { layer, type Module } from './module.ts';
import type { ReadingDetails } from './reading.ts';
import { expectWindow, padsOf, perAxis, reach, type Sizes, type Windows } from './windows.ts';

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
    const windows = poolWindows(module, x, options);
    expectWindow(module, x, windows);
    const [y] = op.maxPool(x, {
      kernelShape: windows.kernel,
      strides: windows.stride,
      dilations: windows.dilation,
      pads: padsOf(windows),
      ceilMode: options.ceilMode ?? false,
    });
    return module.mark(y, 'max', maxReading('each window'));
  });
}

/** @throws SHAPE_MISMATCH for what is no image, BAD_ARGUMENT for windows that cannot be. */
export function poolWindows(module: Module, x: Value, options: MaxPoolOptions): Windows {
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
