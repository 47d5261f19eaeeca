import { fromNumbers } from '../../files/tensor.ts';
import * as op from '../../graph/op.ts';
import { constantIntegers } from '../../graph/passes/constants.ts';
import type { Value } from '../../graph/value.ts';
import { summedTo } from '../broadcast.ts';
import { fromFront, type Rule, type RuleCall, rule, unary } from '../call.ts';
import { ints, shapeOf, sumOver } from '../pieces.ts';
import { alongAxis, numbered, putBack } from './places.ts';
import { sliceBar } from './slice.ts';

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
  Tile: unary('g summed over the copies', (g, x, _, call) => tileBar(call, g, x)),
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
  // Both roundings are downwards, so that what cropped pads back and the other way round.
  CenterCropPad: unary('g padded and cropped back', (g, x, _, call) => {
    const axes = call.ints('axes');
    if (axes === undefined) return op.centerCropPad(g, shapeOf(x));
    return op.centerCropPad(g, op.gather(shapeOf(x), ints(...axes)), { axes });
  }),
};

/** Each axis becomes two, and the copies are summed. */
function tileBar(call: RuleCall, g: Value, x: Value): Value {
  const rank = call.rank(x);
  const repeats = constantIntegers(call.x(1));
  const sizes = x.shape ?? [];
  // What has one element along each repeated axis was only spread.
  if (repeats?.every((times, axis) => times === 1 || sizes[axis] === 1)) return summedTo(g, x);
  const open = sizes.filter((dim) => typeof dim !== 'number').length;
  if (repeats !== undefined && open < 2 && ![...sizes, ...repeats].includes(0)) {
    // The axes that are not repeated stay one; -1 is the size that is not known.
    const parts = sizes.map((dim, axis) => [
      ...(repeats[axis] === 1 ? [] : [repeats[axis] ?? 1]),
      typeof dim === 'number' ? dim : -1,
    ]);
    const copies = parts.flatMap((part, axis) => (part.length === 2 ? [parts.slice(0, axis).flat().length] : []));
    return sumOver(op.reshape(g, ints(...parts.flat())), ints(...copies), false);
  }
  const columns = [call.x(1), shapeOf(x)].map((vector) => op.unsqueeze(vector, ints(1)));
  const pairs = op.reshape(op.concat(columns, { axis: 1 }), ints(-1));
  const copies = ints(...Array.from({ length: rank }, (_, axis) => 2 * axis));
  return rank === 0 ? g : sumOver(op.reshape(g, pairs, { allowzero: 1 }), copies, false);
}
