import { toNumbers } from '../../files/tensor.ts';
import * as op from '../../graph/op.ts';
import { constantIntegers, constantTensor } from '../../graph/passes/constants.ts';
import type { Dim } from '../../graph/type.ts';
import type { Value } from '../../graph/value.ts';
import { fromFront, type RuleCall } from '../call.ts';
import { cast, int, ints, knownSizes } from '../pieces.ts';
import { numbered, putBack } from './places.ts';
import { longest, spread } from './spread.ts';

/** The co-state of a Slice: by one Pad where the steps are 1, turned back where it was turned, else by the numbers of the elements taken. */
export function sliceBar(call: RuleCall, g: Value, x: Value): Value {
  const [starts, ends, given, steps] = [call.x(1), call.x(2), call.maybe(3), call.maybe(4)];
  const axes = axesOf(starts, given, x.shape?.length);
  const strides = steps === undefined ? axes?.map(() => 1) : constantIntegers(steps);
  const byNumbers = (): Value => putBack(g, x, op.slice(numbered(x), starts, ends, given, steps), false);
  if (axes === undefined || strides === undefined) return byNumbers();
  if (strides.every((step) => step === 1))
    return op.pad(g, rims(x, call.y(), starts, ends, axes), undefined, ints(...axes));
  const [from, to] = [x.shape, call.y().shape];
  const all = axes.every((axis) => to?.[axis] !== undefined && to[axis] === from?.[axis]) || backFromEnd(starts, ends);
  if (all && strides.every((step) => step === -1)) return op.slice(g, starts, ends, given, steps);
  const taken = axes.map((axis, i) => places(constantIntegers(starts)?.[i], strides[i], from?.[axis], to?.[axis]));
  if (taken.some((part) => part === undefined)) return byNumbers();
  return axes.reduce((bar, axis, i) => spread(bar, axis, taken[i] ?? [], Number(from?.[axis])), g);
}

/** The axes that are sliced, from the front; undefined where they are only known at run time. */
function axesOf(starts: Value, given: Value | undefined, rank: number | undefined): readonly number[] | undefined {
  const count = starts.shape?.[0];
  if (rank === undefined) return undefined;
  if (given !== undefined) return constantIntegers(given)?.map((axis) => fromFront(axis, rank));
  return typeof count === 'number' ? Array.from({ length: count }, (_, axis) => axis) : undefined;
}

/** The elements of an axis that a slice with a known start takes; undefined where sizes are not known, or it takes many. */
function places(start: number | undefined, step = 1, size: Dim, count: Dim): readonly number[] | undefined {
  if (start === undefined || typeof size !== 'number' || typeof count !== 'number' || size > longest) return undefined;
  const first = clamped(start < 0 ? start + size : start, step < 0 ? size - 1 : size);
  return Array.from({ length: count }, (_, part) => first + part * step);
}

/** How much of x lies before and behind a slice of steps 1, along each of the axes. */
function rims(x: Value, y: Value, starts: Value, ends: Value, axes: readonly number[]): Value {
  const sizes = axes.map((axis) => x.shape?.[axis]);
  const taken = axes.map((axis) => y.shape?.[axis]);
  const from = constantIntegers(starts);
  if (from !== undefined && knownSizes(sizes) && knownSizes(taken)) {
    const before = from.map((start, i) => clamped(start < 0 ? start + (sizes[i] ?? 0) : start, sizes[i] ?? 0));
    return ints(...before, ...before.map((rim, i) => (sizes[i] ?? 0) - (taken[i] ?? 0) - rim));
  }
  const whole = sizesAlong(x, axes);
  const rest = (): Value => op.sub(whole, sizesAlong(y, axes));
  if (from?.every((start) => start === 0)) return op.concat([ints(...from), rest()], { axis: 0 });
  const before = beforeSlice(whole, starts, from);
  return op.concat([before, reachEnd(ends) ? ints(...axes.map(() => 0)) : op.sub(rest(), before)], { axis: 0 });
}

/** Whether ends are so large that nothing lies behind them. */
function reachEnd(ends: Value): boolean {
  return numbersOf(ends)?.every((end) => end >= 2 ** 31 - 1) === true;
}

/** Whether slices with negative steps go from the last element past the first, of whatever sizes. */
function backFromEnd(starts: Value, ends: Value): boolean {
  const whole = numbersOf(starts)?.every((start) => start === -1 || start >= 2 ** 31 - 1);
  return whole === true && numbersOf(ends)?.every((end) => end <= 1 - 2 ** 31) === true;
}

/** Constant bounds, as near as numbers come to the largest int64. */
function numbersOf(bounds: Value): readonly number[] | undefined {
  const tensor = constantTensor(bounds);
  return tensor === undefined ? undefined : [...toNumbers(tensor)];
}

function beforeSlice(whole: Value, starts: Value, known: readonly number[] | undefined): Value {
  if (known?.every((start) => start >= 0)) return op.min([ints(...known), whole]);
  const wide = cast(starts, 'int64');
  const back = op.add(wide, whole);
  const front = known?.every((start) => start < 0) ? back : op.where(op.less(wide, int(0)), back, wide);
  return op.min([op.max([front, int(0)]), whole]);
}

/** Sizes of those axes: one node where they lie side by side. */
function sizesAlong(x: Value, axes: readonly number[]): Value {
  const sizes = axes.map((axis) => x.shape?.[axis]);
  if (knownSizes(sizes)) return ints(...sizes);
  const [first = 0] = axes;
  const sideBySide = axes.every((axis, i) => axis === first + i);
  return sideBySide ? op.shape(x, { start: first, end: first + axes.length }) : op.gather(op.shape(x), ints(...axes));
}

function clamped(start: number, size: number): number {
  return Math.min(Math.max(start, 0), size);
}
