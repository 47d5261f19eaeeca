import { ints } from '../../ops/precision.ts';
import { HopfcoleError } from '../files/error.ts';
import { fromNumbers } from '../files/tensor.ts';
import { constant } from '../graph/make.ts';
import * as op from '../graph/op.ts';
import type { Value } from '../graph/value.ts';
import { layer, type Module } from './module.ts';
import { perAxis, type Sizes } from './windows.ts';

export const upsampleModes = ['nearest', 'linear', 'bilinear', 'trilinear', 'bicubic'] as const;
export type UpsampleMode = (typeof upsampleModes)[number];

export interface UpsampleOptions {
  /** The sizes of the output; or `scale`. */
  readonly size?: Sizes | undefined;
  /** How many times as large, one for all axes or one for each. */
  readonly scale?: number | readonly number[] | undefined;
  /** Default nearest. */
  readonly mode?: UpsampleMode | undefined;
  /** Whether the outermost entries stay where they are (not for nearest). Default false. */
  readonly alignCorners?: boolean | undefined;
}

const ranks = { linear: 3, bilinear: 4, bicubic: 4, trilinear: 5 } as const;

/** nn.Upsample: x [batch, channels, ..] on a finer (or coarser) grid, a linear map. */
export function upsample(module: Module, x: Value, options: UpsampleOptions): Value {
  return layer(upsample, module, 'upsample', () => {
    const { mode = 'nearest', alignCorners = false } = options;
    const expected = mode === 'nearest' ? [3, 4, 5] : [ranks[mode]];
    const axes =
      module.rank(x, expected, `[batch, channels, ..], ${expected.map((rank) => rank - 2).join(' or ')} more,`) - 2;
    if (alignCorners && mode === 'nearest')
      throw new HopfcoleError('BAD_ARGUMENT', `${module.describe()}: mode nearest has no corners to align`, {
        argument: 'alignCorners',
      });
    const { scales, sizes } = target(module, x, axes, options);
    const resized = op.resize(x, undefined, scales, sizes, {
      mode: mode === 'nearest' ? 'nearest' : mode === 'bicubic' ? 'cubic' : 'linear',
      coordinateTransformationMode: mode === 'nearest' ? 'asymmetric' : alignCorners ? 'align_corners' : 'half_pixel',
      nearestMode: 'floor',
      ...(mode === 'bicubic' ? { cubicCoeffA: -0.75 } : {}),
    });
    return module.mark(resized, 'convolution', {
      equation: `z = R x, ${mode} interpolation along each axis`,
      latex: 'z = R x',
    });
  });
}

/** The scales or sizes of all axes. @throws BAD_SPEC where not one of the two is said. */
function target(
  module: Module,
  x: Value,
  axes: number,
  { size, scale }: UpsampleOptions,
): { readonly scales?: Value; readonly sizes?: Value } {
  if ((size === undefined) === (scale === undefined))
    throw new HopfcoleError('BAD_SPEC', `${module.describe()} needs one of "size" and "scale"`, {}, 'Give one of them');
  if (size !== undefined) {
    const front = op.slice(op.shape(x), ints(0), ints(2), ints(0));
    return { sizes: op.concat([front, ints(...perAxis(module, size, axes, 'size'))], { axis: 0 }) };
  }
  const scales = typeof scale === 'number' ? Array<number>(axes).fill(scale) : (scale ?? []);
  if (scales.length !== axes || !scales.every((factor) => factor > 0 && Number.isFinite(factor)))
    throw new HopfcoleError(
      'BAD_ARGUMENT',
      `${module.describe()}: expected "scale" of ${axes} numbers above 0, got ${JSON.stringify(scale)}`,
      { argument: 'scale' },
    );
  return { scales: constant(fromNumbers('float32', [axes + 2], [1, 1, ...scales])) };
}
