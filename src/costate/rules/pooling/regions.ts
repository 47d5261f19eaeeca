import * as op from '../../../graph/op.ts';
import type { Value } from '../../../graph/value.ts';
import { type Rule, type RuleCall, rule } from '../../call.ts';
import { cast, int, ints, scalarLike, shapeOf, sizeOf } from '../../pieces.ts';
import { throughForward } from '../../through.ts';
import { shaped } from '../convolution/windows.ts';

/** MaxRoiPool reads the greatest element of every bin of every box: y = x at its number. */
export const maxRoiPoolRule: Rule = rule(
  'g to the element that each bin chose',
  (call) => throughForward(call, (given) => [read(given)]),
  { note: 'the boxes pass nothing; ties go to the first; takes memory for boxes times image times bins of a row' },
);

function read(call: RuleCall): Value {
  const [x, rois] = [call.x(0), call.x(1)];
  const pooled = call.ints('pooled_shape') ?? [1, 1];
  const column = (index: number): Value => op.gather(rois, int(index), { axis: 1 });
  const image = cast(column(0), 'int64');
  const rows = binsOf(call, column(2), column(4), pooled[0] ?? 1, 2);
  const columns = binsOf(call, column(1), column(3), pooled[1] ?? 1, 3);
  const least = scalarLike(x, Number.NEGATIVE_INFINITY);
  // The greatest of each row of the image within each bin, then the greatest of those: [r, c, h, j, w], [r, c, i, j, h].
  const boxed = op.unsqueeze(op.gather(x, image), ints(3));
  const across = op.where(op.unsqueeze(columns, ints(1, 2)), boxed, least);
  const inRow = op.argMax(across, { axis: 4, keepdims: 0 });
  const best = op.transpose(op.reduceMax(across, ints(4), { keepdims: 0 }), { perm: [0, 1, 3, 2] });
  const down = op.where(op.unsqueeze(rows, ints(1, 3)), op.unsqueeze(best, ints(2)), least);
  const row = op.argMax(down, { axis: 4, keepdims: 1 });
  const inColumn = op.unsqueeze(op.transpose(inRow, { perm: [0, 1, 3, 2] }), ints(2));
  const spread = op.expand(inColumn, shapeOf(down));
  const place = op.squeeze(op.gatherElements(spread, row, { axis: 4 }), ints(4));
  const within = op.add(op.mul(op.squeeze(row, ints(4)), sizeOf(x, 3)), place);
  // [r, c, h w]: a box has the channels of its image.
  const channel = op.range(int(0), op.squeeze(sizeOf(x, 1)), int(1));
  const plane = op.add(op.mul(op.unsqueeze(image, ints(1)), sizeOf(x, 1)), channel);
  const size = op.mul(sizeOf(x, 2), sizeOf(x, 3));
  const number = op.add(op.unsqueeze(op.mul(plane, size), ints(2, 3)), within);
  const there = op.gather(shaped(x, [-1]), number);
  const filled = op.and(op.unsqueeze(hasAny(rows), ints(1, 3)), op.unsqueeze(hasAny(columns), ints(1, 2)));
  return op.mul(there, cast(filled, x.dtype ?? 'float32'));
}

/** Which elements along an axis are in which bin [r, bins, elements], as ONNX Runtime rounds. */
function binsOf(call: RuleCall, from: Value, to: Value, bins: number, axis: number): Value {
  const scale = scalarLike(from, call.float('spatial_scale', 1));
  // Halves are rounded away from zero.
  const rounded = (value: Value): Value => {
    const scaled = op.mul(value, scale);
    return op.mul(op.sign(scaled), op.floor(op.add(op.abs(scaled), scalarLike(value, 0.5))));
  };
  const one = scalarLike(from, 1);
  const start = op.unsqueeze(rounded(from), ints(1));
  const length = op.max([op.add(op.sub(op.unsqueeze(rounded(to), ints(1)), start), one), one]);
  const each = op.div(length, scalarLike(from, bins));
  const numbers = cast(op.range(int(0), int(bins), int(1)), from.dtype ?? 'float32');
  const low = op.add(op.floor(op.mul(numbers, each)), start);
  const high = op.add(op.ceil(op.mul(op.add(numbers, one), each)), start);
  const elements = cast(op.range(int(0), op.squeeze(sizeOf(call.x(0), axis)), int(1)), from.dtype ?? 'float32');
  const within = (bound: Value): Value => op.unsqueeze(bound, ints(2));
  return op.and(op.greaterOrEqual(elements, within(low)), op.less(elements, within(high)));
}

function hasAny(bins: Value): Value {
  return op.cast(op.reduceMax(op.cast(bins, { to: 'int32' }), ints(2), { keepdims: 0 }), { to: 'bool' });
}
