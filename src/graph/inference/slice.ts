import { addDims, ceilDivideDims, compareDims, minDim, subtractDims } from '../dim.ts';
import type { Call, InferRule } from '../rule.ts';
import type { Dim } from '../type.ts';
import type { KnownDims } from '../value.ts';
import { intsAttribute, isReference } from './attributes.ts';
import { checkedAxes, dtypeOf, isGiven, mismatch, shapeOf, tensor, unknownDims } from './call.ts';
import { knownBounds, knownDims, knownNumbers } from './constant.ts';
import { axisCount } from './reduction.ts';

/** Where one axis is cut; undefined parts are not known. */
interface Cut {
  readonly start: Dim;
  readonly end: Dim;
  readonly step: Dim;
}

export const slice: InferRule = (call) => {
  const shape = shapeOf(call, 0);
  const dtype = dtypeOf(call, 0);
  if (shape === undefined) return [tensor(dtype, undefined)];
  const cuts = cutsOf(call, shape.length);
  if (cuts === undefined) return [tensor(dtype, unknownDims(shape.length))];
  const dims = shape.map((dim, axis) => {
    const cut = cuts.get(axis);
    return cut === undefined ? dim : slicedSize(dim, cut);
  });
  return [tensor(dtype, dims, slicedContents(call, cuts.get(0), cuts.size))];
};

/** The cuts by axis, or undefined where it is not known which axes are cut. */
function cutsOf(call: Call, rank: number): ReadonlyMap<number, Cut> | undefined {
  const attributes = call.attributes.has('starts');
  if (attributes && isReference(call, 'starts')) return undefined;
  const starts: KnownDims | undefined = attributes ? intsAttribute(call, 'starts') : knownBounds(call.inputs[1]);
  const ends: KnownDims | undefined = attributes ? intsAttribute(call, 'ends') : knownBounds(call.inputs[2]);
  const count = starts?.length ?? ends?.length ?? axisCount(call, 1) ?? axisCount(call, 2) ?? axisCount(call, 3);
  const axes = attributes
    ? (intsAttribute(call, 'axes') ?? firstAxes(count))
    : isGiven(call, 3)
      ? knownNumbers(call.inputs[3])
      : firstAxes(count);
  if (axes === undefined) return undefined;
  const steps: KnownDims | undefined = isGiven(call, 4) ? knownDims(call.inputs[4]) : axes.map(() => 1);
  for (const [name, list] of Object.entries({ starts, ends, steps }))
    if (list !== undefined && list.length !== axes.length)
      throw mismatch('SHAPE_MISMATCH', call, name, `of ${axes.length} elements, one per axis`, `${list.length}`);
  if (steps?.includes(0)) throw mismatch('SHAPE_MISMATCH', call, 'steps', 'other than 0', '0');
  const cuts = new Map<number, Cut>();
  for (const [index, axis] of checkedAxes(call, axes, rank).entries())
    cuts.set(axis, { start: starts?.[index], end: ends?.[index], step: steps?.[index] });
  return cuts;
}

function firstAxes(count: Dim): readonly number[] | undefined {
  return typeof count === 'number' && count <= 64 ? Array.from({ length: count }, (_, axis) => axis) : undefined;
}

/**
 * Size of a cut axis. Of a symbolic axis it is taken that what is cut off its start is there (`x[:, 1:]` is `T - 1`) and that it is not
 * empty where its first element is asked for; an end beyond the axis stays a minimum (`min(5, T)`).
 */
function slicedSize(dim: Dim, { start, end, step }: Cut): Dim {
  if (start === undefined || end === undefined || typeof step !== 'number') return undefined;
  const bounds = typeof start === 'number' && typeof end === 'number' ? numericRange(dim, start, end, step) : undefined;
  if (bounds !== undefined) return bounds.count;
  if (dim === undefined) return undefined;
  if (step < 0) {
    const whole = (start === -1 || start === Number.POSITIVE_INFINITY) && end === Number.NEGATIVE_INFINITY;
    return whole ? ceilDivideDims(dim, -step) : undefined;
  }
  return ceilDivideDims(symbolicSpan(dim, start, end), step);
}

function symbolicSpan(dim: Dim, start: Dim, end: Dim): Dim {
  const fromEnd = isFromEnd(start);
  if (end === Number.POSITIVE_INFINITY) {
    if (start === Number.NEGATIVE_INFINITY) return dim;
    return fromEnd ? atMost(subtractDims(0, start), dim) : subtractDims(dim, start);
  }
  if (fromEnd) {
    if (start === Number.NEGATIVE_INFINITY) return isFromEnd(end) ? addDims(dim, end) : atMost(end, dim);
    return isFromEnd(end) ? notNegative(subtractDims(end, start)) : undefined;
  }
  if (start === Number.POSITIVE_INFINITY) return 0;
  const position = isFromEnd(end) ? addDims(dim, end) : atMost(end, dim);
  return notNegative(subtractDims(position, start));
}

/** A length, 0 where it is known to be less. */
function notNegative(dim: Dim): Dim {
  return compareDims(dim, 0) === -1 ? 0 : dim;
}

function isFromEnd(position: Dim): boolean {
  if (typeof position === 'number') return position < 0;
  return compareDims(subtractDims(position, 1), 0) === -1;
}

function atMost(size: Dim, dim: Dim): Dim {
  return size === 1 ? 1 : minDim(size, dim);
}

/** The positions taken, as numpy resolves them; undefined unless the axis is known. */
function numericRange(
  dim: Dim,
  start: number,
  end: number,
  step: number,
): { first: number; count: number } | undefined {
  if (typeof dim !== 'number') return undefined;
  const [low, high] = step > 0 ? [0, dim] : [-1, dim - 1];
  const clamp = (position: number): number => Math.min(Math.max(position < 0 ? position + dim : position, low), high);
  const first = clamp(start);
  return { first, count: Math.max(Math.ceil((clamp(end) - first) / step), 0) };
}

function slicedContents(call: Call, cut: Cut | undefined, cuts: number): KnownDims | undefined {
  const known = knownDims(call.inputs[0]);
  if (known === undefined || shapeOf(call, 0)?.length !== 1) return undefined;
  if (cuts === 0) return known;
  if (typeof cut?.start !== 'number' || typeof cut.end !== 'number' || typeof cut.step !== 'number') return undefined;
  const { step } = cut;
  const range = numericRange(known.length, cut.start, cut.end, step);
  return range && Array.from({ length: range.count }, (_, index) => known[range.first + index * step]);
}
