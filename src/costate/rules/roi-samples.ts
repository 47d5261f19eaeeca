import type { DType } from '../../files/dtype.ts';
import { fromNumbers } from '../../files/tensor.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import type { RuleCall } from '../call.ts';
import { cast, int, ints, scalarLike, sizeOf } from '../pieces.ts';

/** Where RoiAlign samples one axis: every box is cut into `bins`, every bin is sampled at points evenly apart. */
export interface Samples {
  /** Between elements, held within the axis [boxes, bins, samples]. */
  readonly at: Value;
  /** Samples that lie on the image [boxes, bins, samples]; the others are zero. */
  readonly inside: Value;
  /** Which samples a box has [boxes, 1, samples], where the number is not the same for all; undefined: all of them. */
  readonly counted: Value | undefined;
  /** How many samples a bin of each box has [boxes, 1] or a scalar. */
  readonly count: Value;
  /** The size of the axis as a scalar of the type of `at`. */
  readonly size: Value;
}

/** Samples of axis 2 (rows) or 3 (columns) of X. Boxes are [boxes, 4]: x1, y1, x2, y2. */
export function samplesOf(call: RuleCall, axis: 2 | 3, dtype: DType): Samples {
  const [x, boxes] = [call.x(0), cast(call.x(1), dtype)];
  const real = (value: number): Value => constant(fromNumbers(dtype, [], [value]));
  const bins = call.int(axis === 2 ? 'output_height' : 'output_width', 1);
  const halfPixel = call.text('coordinate_transformation_mode', 'half_pixel') === 'half_pixel';
  // As a file holds it: the number of samples may hang on its last bit.
  const scale = Math.fround(call.float('spatial_scale', 1));
  const side = (column: number): Value => {
    const raw = op.gather(boxes, ints(column), { axis: 1 });
    return scale === 1 ? raw : op.mul(raw, real(scale));
  };
  const [first, end] = [side(axis === 2 ? 1 : 0), side(axis === 2 ? 3 : 2)];
  // [boxes, 1]
  const start = halfPixel ? op.sub(first, real(0.5)) : first;
  const length = halfPixel ? op.sub(end, first) : op.max([op.sub(end, first), real(1)]);
  // Divided as the forward pass does: the number of samples may hang on it.
  const bin = op.div(length, real(bins));
  const ratio = call.int('sampling_ratio', 0);
  const { places, counted, count } = ratio > 0 ? evenly(bins, ratio, dtype) : adaptively(bins, bin, dtype);
  // [boxes, bins, samples]
  const at = op.add(op.unsqueeze(start, ints(2)), op.mul(op.unsqueeze(bin, ints(2)), places));
  const size = op.squeeze(cast(sizeOf(x, axis), dtype));
  const inside = op.and(op.greaterOrEqual(at, real(-1)), op.lessOrEqual(at, size));
  return { at: op.min([op.max([at, real(0)]), op.sub(size, real(1))]), inside, counted, count, size };
}

type Places = Pick<Samples, 'counted' | 'count'> & {
  /** In bins from the start of the box: [bins, samples] or [boxes, bins, samples]. */
  readonly places: Value;
};

function evenly(bins: number, ratio: number, dtype: DType): Places {
  const places = Array.from({ length: bins * ratio }, (_, at) => Math.floor(at / ratio) + ((at % ratio) + 0.5) / ratio);
  return {
    places: constant(fromNumbers(dtype, [bins, ratio], places)),
    counted: undefined,
    count: constant(fromNumbers(dtype, [], [ratio])),
  };
}

/** As many samples as a bin has elements, rounded up: of every box the most that any has, and what it has not left out. */
function adaptively(bins: number, bin: Value, dtype: DType): Places {
  const one = constant(fromNumbers(dtype, [], [1]));
  const own = op.ceil(bin);
  const count = op.max([own, one]);
  // A box that is turned inside out has none, and there may be no box at all.
  const most = op.reduceMax(op.concat([own, op.reshape(one, ints(1, 1))], { axis: 0 }), undefined, { keepdims: 0 });
  const index = cast(op.range(int(0), cast(most, 'int64'), int(1)), dtype);
  const offsets = op.div(op.add(index, scalarLike(index, 0.5)), count);
  const starts = constant(fromNumbers(dtype, [bins, 1], [...Array(bins).keys()]));
  return {
    places: op.add(starts, op.unsqueeze(offsets, ints(1))),
    counted: op.unsqueeze(op.less(index, own), ints(1)),
    count,
  };
}
