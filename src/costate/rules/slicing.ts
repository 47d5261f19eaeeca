import { fromNumbers } from '../../files/tensor.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import { constantIntegers } from '../../graph/passes/constants.ts';
import type { Value } from '../../graph/value.ts';
import { fromFront, type Rule, type RuleCall, rule, unary } from '../call.ts';
import { ints, knownSizes, scalarLike, shapeOf, sumOver } from '../pieces.ts';
import { alongAxis, numbered, putBack } from './places.ts';

/** Operators that take a part of a tensor, or surround it with more. */
export const slicingRules: Readonly<Record<string, Rule>> = {
  Slice: unary('g put back in zeros', (g, x, _, call) => sliceBar(call, g, x)),
  Pad: rule(
    'g without its rim, which for edge, reflect and wrap is added where it came from; its sum over the rim to the constant',
    (call) => {
      const mode = call.text('mode', 'constant');
      const [g, x, pads, axes] = [call.g(), call.x(0), call.x(1), call.maybe(3)];
      if (mode !== 'constant')
        return [call.to(0, () => putBack(g, x, op.pad(numbered(x), pads, undefined, axes, { mode }), true))];
      const known = constantIntegers(pads);
      const back = known === undefined ? op.neg(pads) : ints(...known.map((pad) => (pad === 0 ? 0 : -pad)));
      const inner = op.pad(g, back, undefined, axes);
      return [
        call.to(0, () => inner),
        undefined,
        call.to(2, () => {
          const rim = op.sub(sumOver(g, undefined, false), sumOver(inner, undefined, false));
          return call.x(2).shape?.length === 0 ? rim : op.reshape(rim, shapeOf(call.x(2)));
        }),
      ];
    },
  ),
  Tile: unary('g summed over the copies', (g, x, _, call) => {
    const rank = call.rank(x);
    if (rank === 0) return g;
    const column = (vector: Value): Value => op.unsqueeze(vector, ints(1));
    const repeats = constantIntegers(call.x(1));
    const pairs =
      repeats !== undefined && knownSizes(x.shape)
        ? ints(...x.shape.flatMap((dim, axis) => [repeats[axis] ?? 1, dim]))
        : op.reshape(op.concat([column(call.x(1)), column(shapeOf(x))], { axis: 1 }), ints(-1));
    const parts = op.reshape(g, pairs, { allowzero: 1 });
    return sumOver(parts, ints(...Array.from({ length: rank }, (_unused, axis) => 2 * axis)), false);
  }),
  Trilu: unary('the same triangle of g', (g, _x, _y, call) =>
    op.trilu(g, call.maybe(1), { upper: call.int('upper', 1) }),
  ),
  ReverseSequence: unary('g reversed again', (g, _x, _y, call) =>
    op.reverseSequence(g, call.x(1), { batchAxis: call.int('batch_axis', 1), timeAxis: call.int('time_axis', 0) }),
  ),
  Compress: unary('g put back in zeros', (g, x, _, call) => {
    const places = op.squeeze(op.nonZero(call.x(1)), ints(0));
    if (call.int('axis', Number.NaN) !== call.int('axis', 0)) return putBack(g, x, places, false);
    const rank = call.rank(x);
    const axis = fromFront(call.int('axis', 0), rank);
    const zeros = op.constantOfShape(shapeOf(x), { value: fromNumbers(g.dtype ?? 'float32', [1], [0]) });
    return op.scatterElements(zeros, alongAxis(places, axis, g, rank), g, { axis });
  }),
  CenterCropPad: unary('g cropped and padded back', (g, x, _, call) => {
    // Elements are numbered from 1: what was padded has the number 0, and is cut off again.
    const one = constant(fromNumbers('int64', [], [1]));
    const axes = call.ints('axes');
    const from = op.centerCropPad(op.add(numbered(x), one), call.x(1), axes === undefined ? {} : { axes });
    const flat = op.reshape(op.add(op.size(x), one), ints(1));
    const zeros = op.constantOfShape(flat, { value: fromNumbers(g.dtype ?? 'float32', [1], [0]) });
    const made = op.scatterElements(zeros, op.reshape(from, ints(-1)), op.reshape(g, ints(-1)), { reduction: 'add' });
    return op.reshape(op.slice(made, ints(1), ints(Number.MAX_SAFE_INTEGER)), shapeOf(x), { allowzero: 1 });
  }),
};

/** By one Pad where the steps are 1, else by the numbers of the elements taken. */
function sliceBar(call: RuleCall, g: Value, x: Value): Value {
  const [starts, given, steps] = [call.x(1), call.maybe(3), call.maybe(4)];
  const count = starts.shape?.[0];
  const known = given === undefined ? undefined : constantIntegers(given);
  const whole = steps === undefined || constantIntegers(steps)?.every((step) => step === 1) === true;
  const axes =
    given === undefined && typeof count === 'number' ? Array.from({ length: count }, (_, axis) => axis) : known;
  const rank = x.shape?.length;
  if (!whole || axes === undefined || rank === undefined)
    return putBack(g, x, op.slice(numbered(x), starts, call.x(2), given, steps), false);
  const front = axes.map((axis) => fromFront(axis, rank));
  return op.pad(g, rims(x, call.y(), starts, front), undefined, ints(...front));
}

/** How much of x lies before and behind the slice, along each of the axes. */
function rims(x: Value, y: Value, starts: Value, axes: readonly number[]): Value {
  const sizes = axes.map((axis) => x.shape?.[axis]);
  const taken = axes.map((axis) => y.shape?.[axis]);
  const from = constantIntegers(starts);
  if (from !== undefined && knownSizes(sizes) && knownSizes(taken)) {
    const before = from.map((start, i) => clamped(start < 0 ? start + (sizes[i] ?? 0) : start, sizes[i] ?? 0));
    return ints(...before, ...before.map((rim, i) => (sizes[i] ?? 0) - (taken[i] ?? 0) - rim));
  }
  const pick = (value: Value): Value => op.gather(shapeOf(value), ints(...axes));
  const whole = pick(x);
  const rest = op.sub(whole, pick(y));
  if (from?.every((start) => start === 0)) return op.concat([starts, rest], { axis: 0 });
  const zero = scalarLike(whole, 0);
  const wide = op.cast(starts, { to: 'int64' });
  const counted = op.where(op.less(wide, zero), op.add(wide, whole), wide);
  const before = op.min([op.max([counted, zero]), whole]);
  return op.concat([before, op.sub(rest, before)], { axis: 0 });
}

function clamped(start: number, size: number): number {
  return Math.min(Math.max(start, 0), size);
}
