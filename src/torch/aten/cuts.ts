import { toNumbers } from '../../files/tensor.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import type { Size } from '../lower/item.ts';
import { rankOf, scalarOf, sizeAt, vectorOf } from '../lower/sizes.ts';
import { largestConstant, plus, steps } from './size-math.ts';

/** Part of one axis: `x[start:end:step]`, with bounds as Python takes them (negative: from the end; cut to the axis). */
export interface Cut {
  readonly axis: number;
  readonly start: Size;
  /** Infinity: to the end. */
  readonly end: Size;
  readonly step: number;
}

/** Bounds that are known, within an axis of known size; the others are left as they are, for ONNX's Slice cuts them alike. */
function within(bound: Size, size: Size): Size {
  if (typeof bound !== 'number' || typeof size !== 'number') return bound;
  return Math.min(Math.max(bound < 0 ? bound + size : bound, 0), size);
}

function settled(x: Value, { axis, start, end, step }: Cut): Cut {
  const size = sizeAt(x, axis);
  const first = within(start, size);
  const last = within(end, size);
  const none = typeof first === 'number' && typeof last === 'number' && first >= 0 && last >= 0 && last < first;
  return { axis, start: first, end: none ? first : last, step };
}

const isWhole = (x: Value, { axis, start, end, step }: Cut): boolean =>
  start === 0 && step === 1 && (end === Number.POSITIVE_INFINITY || end === x.shape?.[axis]);

export function sliced(x: Value, cut: Cut): Value {
  const at = settled(x, cut);
  if (isWhole(x, at)) return x;
  const { axis, start, end, step } = at;
  const given = [bound(start), bound(end), constant([axis], 'int64')] as const;
  return step === 1 ? op.slice(x, ...given) : op.slice(x, ...given, constant([step], 'int64'));
}

function bound(size: Size): Value {
  if (size === Number.POSITIVE_INFINITY) return constant([9223372036854775807n], 'int64');
  return size === Number.NEGATIVE_INFINITY ? constant([-9223372036854775807n], 'int64') : vectorOf([size]);
}

/** `x` with `part` in the place of a cut of it. */
export function withCut(x: Value, part: Value, cut: Cut): Value {
  const at = settled(x, cut);
  const { axis, start, end, step } = at;
  if (isWhole(x, at)) return part;
  if (step !== 1) return overwritten(x, part, axis, sliced(steps(sizeAt(x, axis)), { ...at, axis: 0 }));
  const before = start === 0 ? [] : [sliced(x, { axis, start: 0, end: start, step: 1 })];
  const toEnd = end === Number.POSITIVE_INFINITY || end === x.shape?.[axis];
  const after = toEnd ? [] : [sliced(x, { axis, start: end, end: Number.POSITIVE_INFINITY, step: 1 })];
  return op.concat([...before, part, ...after], { axis });
}

/**
 * `x` with the slices of `part` at the positions given (int64 [n], no two the same, none negative) of one axis: the two are laid end to end, and
 * each position takes the one it is to have. Moves data once and needs no transposition, whatever the axis.
 */
export function overwritten(x: Value, part: Value, axis: number, positions: Value): Value {
  const [size, count] = [sizeAt(x, axis), sizeAt(part, axis)];
  const both = op.concat([x, part], { axis });
  return op.gather(both, sources(size, count, positions), { axis });
}

function sources(size: Size, count: Size, positions: Value): Value {
  const known = positions.source.kind === 'constant' ? toNumbers(positions.source.tensor) : undefined;
  if (typeof size === 'number' && size <= largestConstant && known !== undefined) {
    const from = Array.from({ length: size }, (_, index) => index);
    for (const [index, position] of [...known].entries()) from[position] = size + index;
    return constant(from, 'int64');
  }
  return op.scatterElements(steps(size), positions, steps(count, 1, size), { axis: 0 });
}

/** The slice at one index of an axis, without that axis. */
export function selected(x: Value, axis: number, index: Size): Value {
  return op.gather(x, scalarOf(index), { axis });
}

export function withSelected(x: Value, part: Value, axis: number, index: Size): Value {
  const end = index === -1 ? Number.POSITIVE_INFINITY : plus(index, 1);
  return withCut(x, op.unsqueeze(part, constant([axis], 'int64')), { axis, start: index, end, step: 1 });
}

/** The axes in another order: `order[i]` is the axis that comes i-th. Nothing where they are in order already. */
export function ordered(x: Value, order: readonly number[]): Value {
  return order.every((axis, index) => axis === index) ? x : op.transpose(x, { perm: order });
}

/** The axes back from the order that `ordered` gave them. */
export function restored(x: Value, order: readonly number[]): Value {
  return ordered(
    x,
    order.map((_, axis) => order.indexOf(axis)),
  );
}

/** All axes, the named ones moved to the end, in the order given. */
export function withLast(x: Value, ...last: readonly number[]): number[] {
  const others = Array.from({ length: rankOf(x) }, (_, axis) => axis).filter((axis) => !last.includes(axis));
  return [...others, ...last];
}

/** All axes, the named ones moved to the front, in the order given. */
export function withFirst(x: Value, ...first: readonly number[]): number[] {
  const others = Array.from({ length: rankOf(x) }, (_, axis) => axis).filter((axis) => !first.includes(axis));
  return [...first, ...others];
}
