import type { DType } from '../../files/dtype.ts';
import { fromNumbers } from '../../files/tensor.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Dim } from '../../graph/type.ts';
import type { Value } from '../../graph/value.ts';
import type { RuleCall } from '../call.ts';
import { cast, int, ints, knownSizes, sizeOf } from '../pieces.ts';

/**
 * The elements of X around each point of a grid, as GridSample reads them. Coordinates are those of the grid: the first is the last
 * spatial axis of X. Points are one axis, and taps (the elements along one axis that a point reads) another.
 */
export interface Lattice {
  /** Spatial axes d. */
  readonly dims: number;
  readonly mode: 'nearest' | 'linear' | 'cubic';
  /** Where the points lie between elements [n, points, d]. */
  readonly at: Value;
  /** How far they are behind the element before them [n, points, d]. */
  readonly part: Value;
  /** How much a step in the grid moves a point [d]. */
  readonly pace: Value;
  /** The last element along each axis [d]. */
  readonly last: Value;
  /** Whether a tap is an element [taps, n, points, d]; undefined where all are. */
  readonly inside: Value | undefined;
  /** The taps as places in one channel of one image: [taps (last axis), .., taps (first coordinate), n, points]. */
  readonly within: Value;
}

/** Weights of the taps by powers of `part`: the kernel's pieces; cubic convolution has the coefficient -3/4. */
const kernels: Readonly<Record<Lattice['mode'], readonly (readonly number[])[]>> = {
  nearest: [[1]],
  linear: [
    [1, 0],
    [-1, 1],
  ],
  cubic: [
    [0, 1, 0, 0],
    [-0.75, 0, 0.75, 0],
    [1.5, -2.25, 1.5, -0.75],
    [-0.75, 1.25, -1.25, 0.75],
  ],
};

const firstTap: Readonly<Record<Lattice['mode'], number>> = { nearest: 0, linear: 0, cubic: -1 };

export function latticeOf(call: RuleCall, dtype: DType): Lattice {
  const [x, grid] = [call.x(0), call.x(1)];
  const dims = call.rank(x) - 2;
  const mode = modeOf(call);
  const aligned = call.int('align_corners', 0) !== 0;
  const spatial = x.shape?.slice(2);
  const sizes = knownSizes(spatial)
    ? ints(...[...spatial].reverse())
    : op.gather(op.shape(x), ints(...Array.from({ length: dims }, (_, index) => dims + 1 - index)));
  const real = (value: number): Value => constant(fromNumbers(dtype, [], [value]));
  const count = cast(sizes, dtype);
  const last = op.sub(count, real(1));
  const points = op.reshape(cast(grid, dtype), ints(0, -1, dims));
  const pace = op.mul(aligned ? last : count, real(0.5));
  const at =
    mode === 'nearest'
      ? exactly(points, count, last, aligned, real)
      : // The middle of the grid is the middle of X.
        op.add(op.mul(points, pace), op.mul(last, real(0.5)));
  // To the even one of two neighbours as near, as PyTorch and ONNX Runtime.
  const before = mode === 'nearest' ? op.round(at) : op.floor(at);
  const taps = kernels[mode][0]?.length ?? 1;
  const steps = Array.from({ length: taps }, (_, tap) => firstTap[mode] + tap);
  const elements = taps === 1 ? op.unsqueeze(before, ints(0)) : op.add(before, column(steps, dtype));
  const padding = call.text('padding_mode', 'zeros');
  const inside =
    padding === 'zeros' ? op.and(op.greaterOrEqual(elements, real(0)), op.lessOrEqual(elements, last)) : undefined;
  const folded =
    padding === 'reflection' ? reflected(elements, aligned ? last : count, aligned ? 0 : -0.5, real) : elements;
  const held = cast(op.min([op.max([folded, real(0)]), last]), 'int64');
  const within = combined(pick(op.mul(held, strides(sizes, dims)), dims), (a, b) => op.add(a, b));
  return { dims, mode, at, part: op.sub(at, before), pace, last, inside, within };
}

function modeOf(call: RuleCall): Lattice['mode'] {
  const mode = call.text('mode', 'linear').replace(/^bi/, '');
  if (mode === 'nearest' || mode === 'linear' || mode === 'cubic') return mode;
  throw call.unsupported(`unknown mode '${mode}'`);
}

/** The coordinates step by step as the forward pass makes them: where two elements are as near, the rounding decides. */
function exactly(points: Value, count: Value, last: Value, aligned: boolean, real: (value: number) => Value): Value {
  const fromZero = op.add(points, real(1));
  return aligned ? op.mul(op.div(fromZero, real(2)), last) : op.div(op.sub(op.mul(fromZero, count), real(1)), real(2));
}

/** Thrown back at both ends, `span` apart from each other, as often as it takes. */
function reflected(elements: Value, span: Value, from: number, real: (value: number) => Value): Value {
  // An axis of one element has no span: any will do, as what comes out is held at its end.
  const wide = op.max([span, real(0.5)]);
  const away = from === 0 ? op.abs(elements) : op.abs(op.sub(elements, real(from)));
  const phase = op.mod(away, op.mul(wide, real(2)), { fmod: 1 });
  const back = op.sub(wide, op.abs(op.sub(wide, phase)));
  return from === 0 ? back : op.add(back, real(from));
}

/** Numbers along the axis of taps [taps, 1, 1, 1]. */
function column(values: readonly number[], dtype: DType): Value {
  return constant(fromNumbers(dtype, [values.length, 1, 1, 1], values));
}

/** The taps as places in X laid out flat: [taps .., n, c, points]. */
export function placesOf(x: Value, { within }: Lattice): Value {
  const inner = op.unsqueeze(within, ints(-2));
  if (x.shape?.[0] === 1 && x.shape[1] === 1) return inner;
  // Where the elements of each image and channel begin [n, c, 1].
  const starts = op.range(int(0), op.size(x), elementsOf(x));
  const shape = op.concat([sizeOf(x, 0), sizeOf(x, 1), ints(1)], { axis: 0 });
  return op.add(inner, op.reshape(starts, shape, { allowzero: 1 }));
}

/** The taps as rows of X laid out as [n elements, c]: [taps .., n, points]. */
export function rowsOf(x: Value, { within }: Lattice): Value {
  if (x.shape?.[0] === 1) return within;
  const images = op.range(int(0), op.squeeze(sizeOf(x, 0)), int(1));
  return op.add(within, op.unsqueeze(op.mul(images, elementsOf(x)), ints(1)));
}

/** How many elements a channel of an image has. */
function elementsOf(x: Value): Value {
  const known: readonly Dim[] | undefined = x.shape?.slice(2);
  return knownSizes(known)
    ? int(known.reduce((product, size) => product * size, 1))
    : op.reduceProd(op.shape(x, { start: 2 }), undefined, { keepdims: 0 });
}

/** How many elements one step along each coordinate is. */
function strides(sizes: Value, dims: number): Value {
  const sums = Array.from({ length: dims }, (_, axis) =>
    axis === 0 ? ints(1) : op.reduceProd(op.slice(sizes, ints(0), ints(axis))),
  );
  return op.concat(sums, { axis: 0 });
}

/** A value [.., d], or [.., 1] of all coordinates, for each coordinate alone. */
export function pick(value: Value, dims: number): readonly Value[] {
  const same = value.shape?.at(-1) === 1;
  return Array.from({ length: dims }, (_, axis) => op.gather(value, int(same ? 0 : axis), { axis: -1 }));
}

/** Values [taps, n, points] of each coordinate, combined to [taps, .., taps, n, points]: of the first coordinate innermost. */
export function combined(values: readonly Value[], join: (a: Value, b: Value) => Value): Value {
  return values
    .map((value, axis) =>
      axis === 0 ? value : op.unsqueeze(value, ints(...Array.from({ length: axis }, (_, at) => at + 1))),
    )
    .reduce((all, value) => join(value, all));
}

/** The weights of the taps [taps, n, points, d], or their slopes with respect to `part`; zero outside of X. */
export function tapWeights({ mode, part, inside }: Lattice, slope: boolean): Value {
  const dtype = part.dtype ?? 'float32';
  const powers = slope
    ? kernels[mode].slice(1).map((row, power) => row.map((entry) => entry * (power + 1)))
    : kernels[mode];
  const weights = powers.map((row) => column(row, dtype)).reduceRight((sum, row) => op.add(op.mul(sum, part), row));
  if (inside === undefined) return weights;
  return op.where(inside, weights, constant(fromNumbers(dtype, [], [0])));
}
