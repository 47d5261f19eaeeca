import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Size } from '../lower/item.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { rankOf, vectorOf } from '../lower/sizes.ts';

/** How PyTorch places the points that it reads, in the words of ONNX's Resize. */
interface Manner {
  readonly mode: 'nearest' | 'linear' | 'cubic';
  readonly coordinateTransformationMode: 'asymmetric' | 'half_pixel' | 'align_corners';
  readonly nearestMode?: string;
  readonly cubicCoeffA?: number;
  readonly antialias?: number;
  readonly excludeOutside?: number;
}

type Name = 'nearest' | 'nearest_exact' | 'linear' | 'cubic' | 'linear_aa' | 'cubic_aa';

function mannerOf(call: Call, name: Name): Manner {
  if (name === 'nearest') return { mode: 'nearest', coordinateTransformationMode: 'asymmetric', nearestMode: 'floor' };
  if (name === 'nearest_exact')
    return { mode: 'nearest', coordinateTransformationMode: 'half_pixel', nearestMode: 'round_prefer_ceil' };
  const coordinateTransformationMode = call.bool('align_corners') ? 'align_corners' : 'half_pixel';
  // Antialiased filters are Pillow's: weights beyond the border are left out, and Keys' coefficient is -0.5.
  if (name === 'linear_aa') return { mode: 'linear', coordinateTransformationMode, antialias: 1, excludeOutside: 1 };
  if (name === 'cubic_aa')
    return { mode: 'cubic', coordinateTransformationMode, antialias: 1, excludeOutside: 1, cubicCoeffA: -0.5 };
  return name === 'cubic'
    ? { mode: 'cubic', coordinateTransformationMode, cubicCoeffA: -0.75 }
    : { mode: 'linear', coordinateTransformationMode };
}

/** The sizes asked for and the scales, where they are given. */
interface Wanted {
  readonly sizes: readonly Size[] | undefined;
  readonly scales: readonly number[] | undefined;
}

function wantedOf(call: Call, count: number): Wanted {
  if (call.target.endsWith('.vec'))
    return {
      sizes: call.has('output_size') ? call.sizes('output_size') : undefined,
      scales: call.has('scale_factors') ? call.floats('scale_factors') : undefined,
    };
  const names = count === 1 ? ['scales'] : ['scales_d', 'scales_h', 'scales_w'].slice(-count);
  const scales = names.map((name) => (call.has(name) ? call.float(name) : undefined));
  const known = scales.every((scale): scale is number => scale !== undefined);
  return { sizes: call.sizes('output_size'), scales: known ? (scales as number[]) : undefined };
}

const resized =
  (count: number, name: Name): Lowering =>
  (call) => {
    const self = call.tensor(call.target.endsWith('.vec') ? 'input' : 'self');
    const manner = mannerOf(call, name);
    const wanted = wantedOf(call, count);
    const axes = Array.from({ length: count }, (_, axis) => rankOf(self) - count + axis);
    const byIndex = nearestByIndex(call, self, axes, wanted, name);
    if (byIndex !== undefined) return byIndex;
    // Runtimes resize in single precision.
    const x = self.dtype === 'float64' || self.dtype === 'uint8' ? cast(self, 'float32') : self;
    return cast(resize(call, x, axes, wanted, manner), self.dtype ?? 'float32');
  };

function resize(call: Call, x: Value, axes: readonly number[], { sizes, scales }: Wanted, manner: Manner): Value {
  const attributes = { ...manner, axes };
  const fitting = scales === undefined ? undefined : fittingScales(call, x, axes, scales);
  if (fitting !== undefined) return op.resize(x, undefined, constant(fitting, 'float32'), undefined, attributes);
  if (sizes === undefined) throw call.unsupported('scale factors that give other sizes in float32');
  return op.resize(x, undefined, undefined, vectorOf(sizes), attributes);
}

/** Whether the scales, as float32, give the sizes that PyTorch found with float64. */
function keepsSizes(call: Call, x: Value, axes: readonly number[], scales: readonly number[]): boolean {
  const { sizes } = call.outMeta();
  return axes.every((axis, place) => {
    const [from, to] = [x.shape?.[axis], sizes[axis]];
    if (typeof from !== 'number' || typeof to !== 'number') return true;
    return Math.floor(Math.fround(from * Math.fround(scales[place] ?? 1))) === to;
  });
}

/** The scales, moved by a last digit of float32 where they would give other sizes; undefined where that does not do. */
function fittingScales(call: Call, x: Value, axes: readonly number[], scales: readonly number[]): number[] | undefined {
  const fitting = scales.map((scale, place) => {
    const moved = [0, -1, 1, -2, 2].map((digits) => Math.fround(scale * (1 + digits * 2 ** -23)));
    return moved.find((near) => keepsSizes(call, x, axes.slice(place, place + 1), [near]));
  });
  return fitting.every((scale): scale is number => scale !== undefined) ? (fitting as number[]) : undefined;
}

/** Places of no more elements are written out. */
const largest = 1 << 16;

/**
 * The nearest elements by their places, where rounding in float32 makes PyTorch choose others than ONNX's Resize would: undefined where they
 * are the same or the sizes are not known.
 */
function nearestByIndex(
  call: Call,
  x: Value,
  axes: readonly number[],
  { scales }: Wanted,
  name: Name,
): Value | undefined {
  if (name !== 'nearest' && name !== 'nearest_exact') return undefined;
  const outer = call.outMeta().sizes;
  const shift = name === 'nearest' ? 0 : 0.5;
  const places: number[][] = [];
  let differs = scales !== undefined && !keepsSizes(call, x, axes, scales);
  for (const [place, axis] of axes.entries()) {
    const [from, to] = [x.shape?.[axis], outer[axis]];
    if (typeof from !== 'number' || typeof to !== 'number' || to > largest) return undefined;
    const given = scales?.[place];
    const step = Math.fround(given === undefined ? from / to : 1 / given);
    const found = Array.from({ length: to }, (_, index) =>
      Math.min(Math.floor(Math.fround(Math.fround(index + shift) * step)), from - 1),
    );
    const scale = Math.fround(given ?? to / from);
    const theirs = found.map((_, index) => onnxPlace(index, scale, from, shift));
    differs ||= found.some((at, index) => at !== theirs[index]);
    places.push(found);
  }
  if (!differs) return undefined;
  return axes.reduce((y, axis, place) => op.gather(y, constant(places[place] ?? [], 'int64'), { axis }), x);
}

function onnxPlace(index: number, scale: number, size: number, shift: number): number {
  const at = Math.fround(Math.fround(Math.fround(index + shift) / scale) - shift);
  const place = shift === 0 ? Math.floor(at) : Math.floor(at + 0.5);
  return Math.min(Math.max(place, 0), size - 1);
}

const interpolation = (operator: string, count: number, name: Name): Rules => ({
  [`aten.${operator}.vec`]: resized(count, name),
  [`aten.${operator}.default`]: resized(count, name),
});

export const resamplingRules: Rules = {
  ...interpolation('upsample_nearest1d', 1, 'nearest'),
  ...interpolation('upsample_nearest2d', 2, 'nearest'),
  ...interpolation('upsample_nearest3d', 3, 'nearest'),
  ...interpolation('_upsample_nearest_exact1d', 1, 'nearest_exact'),
  ...interpolation('_upsample_nearest_exact2d', 2, 'nearest_exact'),
  ...interpolation('_upsample_nearest_exact3d', 3, 'nearest_exact'),
  ...interpolation('upsample_linear1d', 1, 'linear'),
  ...interpolation('upsample_bilinear2d', 2, 'linear'),
  ...interpolation('upsample_trilinear3d', 3, 'linear'),
  ...interpolation('upsample_bicubic2d', 2, 'cubic'),
  ...interpolation('_upsample_bilinear2d_aa', 2, 'linear_aa'),
  ...interpolation('_upsample_bicubic2d_aa', 2, 'cubic_aa'),
};
