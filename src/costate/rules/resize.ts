import { toNumbers } from '../../files/tensor.ts';
import * as op from '../../graph/op.ts';
import { constantIntegers, constantTensor } from '../../graph/passes/constants.ts';
import type { Value } from '../../graph/value.ts';
import { fromFront, type Rule, type RuleCall, rule } from '../call.ts';
import { ints, knownSizes, scalarLike, shapeOf, sizeOf, tensorLike } from '../pieces.ts';
import { interpolation, type Lattice } from './resize-matrix.ts';

/** Matrices with no more elements than this are written into the graph; larger ones are made in it. */
const largestConstant = 1 << 16;

/** Resize is linear in x and acts on each axis alone: y = R_1 R_2 ... x, with R_k the interpolation matrix of axis k. */
export const resizeRule: Rule = rule(
  'R_k^T g along every resized axis k, R_k its interpolation matrix',
  (call) => [call.to(0, () => blocksSummed(call) ?? doubled(call) ?? alongAxes(call))],
  {
    note: 'roi, scales and sizes pass nothing; keep_aspect_ratio_policy other than stretch needs known sizes and no antialias',
  },
);

/** What is known of one resized axis. */
interface Resized {
  readonly axis: number;
  /** Its place in scales, sizes and roi. */
  readonly place: number;
  readonly from: number | undefined;
  readonly to: number | undefined;
  readonly scale: number | undefined;
}

/** The axes that may change. */
function resizedAxes(call: RuleCall): readonly Resized[] {
  const [x, y] = [call.x(0), call.y()];
  const rank = call.rank(x);
  const axes = call.ints('axes')?.map((axis) => fromFront(axis, rank)) ?? [...Array(rank).keys()];
  const scales = scalesOf(call, axes);
  const crops = call.text('coordinate_transformation_mode', 'half_pixel') === 'tf_crop_and_resize';
  return axes.flatMap((axis, place) => {
    const [from, to] = [x.shape?.[axis], y.shape?.[axis]];
    const scale = scales?.[place];
    const same = scales === undefined ? from !== undefined && from === to : scale === 1;
    if (same && !crops) return [];
    return [{ axis, place, from: sure(from), to: sure(to), scale }];
  });
}

/** The scales of the axes, in the order of `axes`; undefined where one is not known. */
function scalesOf(call: RuleCall, axes: readonly number[]): readonly number[] | undefined {
  if (byScales(call)) {
    const tensor = constantTensor(call.maybe(2) as Value);
    return tensor === undefined || tensor.dtype === 'string' ? undefined : [...toNumbers(tensor)];
  }
  const policy = policyOf(call);
  const sizes = policy === 'stretch' ? axes.map((axis) => call.y().shape?.[axis]) : constantIntegers(call.maybe(3));
  const ratios = axes.map((axis, place) => Number(sizes?.[place]) / Number(call.x(0).shape?.[axis]));
  if (!ratios.every(Number.isFinite)) return undefined;
  if (policy === 'stretch') return ratios;
  const ratio = policy === 'not_larger' ? Math.min(...ratios) : Math.max(...ratios);
  return ratios.map(() => ratio);
}

function byScales(call: RuleCall): boolean {
  const scales = call.maybe(2);
  return scales !== undefined && scales.shape?.[0] !== 0;
}

function policyOf(call: RuleCall): string {
  return byScales(call) ? 'stretch' : call.text('keep_aspect_ratio_policy', 'stretch');
}

function sure(dim: unknown): number | undefined {
  return typeof dim === 'number' ? dim : undefined;
}

/** The resized axes as strides of a window over spatial axes, where each is enlarged by a whole number. */
function strides(call: RuleCall, axes: readonly Resized[]): readonly number[] | undefined {
  const rank = call.rank(call.x(0));
  const found = new Array<number>(rank).fill(1);
  for (const { axis, scale } of axes) {
    if (axis < 2 || scale === undefined || !Number.isInteger(scale)) return undefined;
    found[axis] = scale;
  }
  return rank >= 3 && rank <= 5 && policyOf(call) === 'stretch' ? found.slice(2) : undefined;
}

const centred = ['half_pixel', 'half_pixel_symmetric', 'pytorch_half_pixel'];

/** Every element repeated a whole number of times: sums of blocks, as one convolution of each channel with ones. */
function blocksSummed(call: RuleCall): Value | undefined {
  if (call.text('mode', 'nearest') !== 'nearest') return undefined;
  const coordinates = call.text('coordinate_transformation_mode', 'half_pixel');
  const rounding = call.text('nearest_mode', 'round_prefer_floor');
  const repeats =
    (coordinates === 'asymmetric' && rounding === 'floor') ||
    (centred.includes(coordinates) && rounding.startsWith('round'));
  const steps = repeats ? strides(call, resizedAxes(call)) : undefined;
  if (steps === undefined) return undefined;
  const g = call.g();
  const count = steps.reduce((product, step) => product * step, 1);
  if (count === 1) return g;
  const channels = call.x(0).shape?.[1];
  if (typeof channels !== 'number')
    return op.mul(op.averagePool(g, { kernelShape: steps, strides: steps }), scalarLike(g, count));
  const ones = tensorLike(g, [channels, 1, ...steps], new Array<number>(channels * count).fill(1));
  return op.conv(g, ones, undefined, {
    group: channels,
    strides: steps,
    dilations: steps.map(() => 1),
    pads: steps.flatMap(() => [0, 0]),
  });
}

/**
 * Linear interpolation to twice the size: the taps 1/4, 3/4, 3/4, 1/4 at stride 2. Coordinates held back at the border give the
 * outermost element the weight that would have gone beyond it: as if g were continued by its edge.
 */
function doubled(call: RuleCall): Value | undefined {
  const plain = call.int('antialias', 0) === 0 && call.int('exclude_outside', 0) === 0;
  if (call.text('mode', 'nearest') !== 'linear' || !plain) return undefined;
  if (!centred.includes(call.text('coordinate_transformation_mode', 'half_pixel'))) return undefined;
  const axes = resizedAxes(call);
  const steps = strides(call, axes);
  const channels = call.x(0).shape?.[1];
  if (axes.length === 0 || typeof channels !== 'number' || steps?.every((step) => step <= 2) !== true) return undefined;
  const g = call.g();
  const each = steps.reduce<readonly number[]>(
    (taps, step) => taps.flatMap((tap) => (step === 1 ? [tap] : [tap / 4, (tap * 3) / 4, (tap * 3) / 4, tap / 4])),
    [1],
  );
  const kernel = Array.from({ length: channels }, () => each).flat();
  const widths = steps.map((step) => (step === 1 ? 1 : 4));
  const pads = ints(...axes.map(() => 1), ...axes.map(() => 1));
  const continued = op.pad(g, pads, undefined, ints(...axes.map(({ axis }) => axis)), { mode: 'edge' });
  const weights = tensorLike(g, [channels, 1, ...widths], kernel);
  return op.conv(continued, weights, undefined, {
    group: channels,
    strides: steps,
    dilations: steps.map(() => 1),
    pads: steps.flatMap(() => [0, 0]),
  });
}

/** One product with the transposed interpolation matrix per axis, the last axis first. */
function alongAxes(call: RuleCall): Value {
  const rank = call.rank(call.x(0));
  return [...resizedAxes(call)]
    .sort((a, b) => b.axis - a.axis)
    .reduce((g, resized) => {
      if (resized.axis === rank - 1) return op.matMul(g, matrix(call, resized, 0));
      const back = matrix(call, resized, 1);
      return resized.axis === rank - 2 ? op.matMul(back, g) : inner(call, g, back, resized.axis);
    }, call.g());
}

/** The product along an axis further to the front: what is behind it is one axis meanwhile. */
function inner(call: RuleCall, g: Value, back: Value, axis: number): Value {
  const x = call.x(0);
  const flat = op.reshape(g, ints(...new Array<number>(axis + 1).fill(0), -1));
  const product = op.matMul(back, flat);
  const behind = x.shape?.slice(axis + 1);
  const shape = knownSizes(behind)
    ? ints(...new Array<number>(axis + 1).fill(0), ...behind)
    : op.concat(
        [ints(...new Array<number>(axis + 1).fill(0)), op.slice(shapeOf(x), ints(axis + 1), ints(call.rank(x)))],
        { axis: 0 },
      );
  return op.reshape(product, shape);
}

/** R [to, from] (outAxis 0) or R^T [from, to] (outAxis 1) of one axis. */
function matrix(call: RuleCall, resized: Resized, outAxis: 0 | 1): Value {
  const { from, to, scale } = resized;
  const antialias = call.int('antialias', 0) !== 0;
  const policy = policyOf(call);
  const lattice: Lattice | undefined =
    from === undefined || to === undefined || scale === undefined || antialias
      ? undefined
      : {
          from,
          to,
          scale,
          mode: call.text('mode', 'nearest'),
          coordinates: call.text('coordinate_transformation_mode', 'half_pixel'),
          rounding: call.text('nearest_mode', 'round_prefer_floor'),
          coefficient: call.float('cubic_coeff_a', -0.75),
          excludes: call.int('exclude_outside', 0) !== 0,
        };
  if (policy !== 'stretch') {
    const crops = lattice?.coordinates === 'tf_crop_and_resize';
    if (lattice === undefined || crops)
      throw call.unsupported(
        `keep_aspect_ratio_policy '${policy}' with sizes that are not known, with antialias or with tf_crop_and_resize`,
        'Give the sizes as they come out, with keep_aspect_ratio_policy stretch',
      );
    return constantMatrix(call, lattice, outAxis);
  }
  // Runtimes round the coordinates of the nearest neighbour, and fractional sizes, in their own ways: they are asked themselves.
  const certain =
    lattice !== undefined &&
    lattice.mode !== 'nearest' &&
    lattice.coordinates !== 'tf_crop_and_resize' &&
    Number.isInteger(lattice.from * lattice.scale) &&
    lattice.from * lattice.to <= largestConstant;
  return certain ? constantMatrix(call, lattice, outAxis) : resizedIdentity(call, resized, outAxis);
}

function constantMatrix(call: RuleCall, lattice: Lattice, outAxis: 0 | 1): Value {
  const { from, to } = lattice;
  const rows = interpolation(lattice);
  const flat =
    outAxis === 0
      ? rows.flat()
      : Array.from({ length: from * to }, (_, at) => rows[at % to]?.[Math.floor(at / to)] ?? 0);
  return tensorLike(call.g(), outAxis === 0 ? [to, from] : [from, to], flat);
}

/** The interpolation matrix as the runtime makes it: the same Resize of the identity matrix, along one of its axes. */
function resizedIdentity(call: RuleCall, { axis, place, from }: Resized, outAxis: 0 | 1): Value {
  const [x, g] = [call.x(0), call.g()];
  const size = from === undefined ? sizeOf(x, axis) : ints(from);
  const identity = op.eyeLike(op.expand(scalarLike(g, 0), op.concat([size, size], { axis: 0 })));
  const [roi, scales] = [call.maybe(1), call.maybe(2)];
  const mode = call.text('mode', 'nearest');
  const coordinates = call.text('coordinate_transformation_mode', 'half_pixel');
  const crops = coordinates === 'tf_crop_and_resize';
  const count = call.ints('axes')?.length ?? call.rank(x);
  const scaled = byScales(call) && scales !== undefined;
  return op.resize(
    identity,
    crops && roi !== undefined ? op.gather(roi, ints(place, count + place)) : undefined,
    scaled ? op.gather(scales, ints(place)) : undefined,
    scaled ? undefined : sizeOf(call.y(), axis),
    {
      mode,
      coordinateTransformationMode: coordinates,
      axes: [outAxis],
      ...(mode === 'nearest' ? { nearestMode: call.text('nearest_mode', 'round_prefer_floor') } : {}),
      ...(mode === 'cubic' ? { cubicCoeffA: call.float('cubic_coeff_a', -0.75) } : {}),
      ...(call.int('exclude_outside', 0) === 0 ? {} : { excludeOutside: 1 }),
      ...(call.int('antialias', 0) === 0 ? {} : { antialias: 1 }),
      // Where y is the extrapolation value it does not depend on x: those rows are zero, as the attribute's default makes them.
    },
  );
}
