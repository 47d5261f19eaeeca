import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Size } from '../lower/item.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { axisOf, rankOf, reshaped, scalarOf, sizeAt, vectorOf } from '../lower/sizes.ts';
import { selected } from './cuts.ts';
import { minus, plus, quotient } from './size-math.ts';

interface Sorted {
  readonly values: Value;
  /** int64. */
  readonly indices: Value;
}

/** ONNX Runtime finds the greatest of float32, float64, int32 and int64 alone. */
export function sortable(x: Value): Value {
  const { dtype } = x;
  if (dtype === 'float16') return cast(x, 'float32');
  return dtype === 'float32' || dtype === 'float64' || dtype === 'int64'
    ? x
    : cast(x, dtype === 'int32' ? 'int32' : 'int64');
}

/** The `k` greatest or least along an axis in order; of equal ones the first comes first, so a whole axis is sorted stably. */
function topOf(x: Value, k: Size, axis: number, largest: boolean, sorted = true): Sorted {
  if (rankOf(x) === 0) return { values: x, indices: constant(0, 'int64') };
  const [values, indices] = op.topK(sortable(x), vectorOf([k]), {
    axis,
    largest: largest ? 1 : 0,
    sorted: sorted ? 1 : 0,
  });
  return { values: cast(values, x.dtype ?? 'float32'), indices };
}

function sorted(call: Call, descending: boolean): Sorted {
  const x = call.tensor('self');
  const axis = axisOf(call.int('dim', -1), rankOf(x));
  return topOf(x, rankOf(x) === 0 ? 1 : sizeAt(x, axis), axis, descending);
}

const sort: Lowering = (call) => {
  const { values, indices } = sorted(call, call.bool('descending', false));
  return [values, indices];
};

const argsort: Lowering = (call) => sorted(call, call.bool('descending', false)).indices;

const topk: Lowering = (call) => {
  const x = call.tensor('self');
  const [k, largest] = [call.size('k'), call.bool('largest', true)];
  const axis = axisOf(call.int('dim', -1), rankOf(x));
  if (rankOf(x) === 0 && k === 0) throw call.unsupported('k=0 of a tensor without dimensions');
  const { values, indices } = topOf(x, k, axis, largest, call.bool('sorted', true));
  return [values, indices];
};

/** The k-th least along an axis (from 1), with or without the axis. */
function kth(x: Value, k: Size, axis: number, keepdim: boolean): Sorted {
  if (rankOf(x) === 0) return topOf(x, 1, 0, false);
  const { values, indices } = topOf(x, k, axis, false);
  const last = (all: Value): Value => {
    const one = selected(all, axis, -1);
    return keepdim ? op.unsqueeze(one, constant([axis], 'int64')) : one;
  };
  return { values: last(values), indices: last(indices) };
}

const kthValue: Lowering = (call) => {
  const x = call.tensor('self');
  const axis = axisOf(call.int('dim', -1), rankOf(x));
  const { values, indices } = kth(x, call.size('k'), axis, call.bool('keepdim', false));
  return [values, indices];
};

/** The lower of the two middle ones, where their number is even. */
function medianOf(x: Value, axis: number, keepdim: boolean): Sorted {
  const size: Size = rankOf(x) === 0 ? 1 : sizeAt(x, axis);
  return kth(x, plus(quotient(minus(size, 1), 2), 1), axis, keepdim);
}

/** What is not a number comes out where there is any. */
function orNaN(x: Value, values: Value, axis: number, keepdim: boolean): Value {
  if (x.dtype?.startsWith('float') !== true || rankOf(x) === 0) return values;
  const dtype = x.dtype === 'float64' ? 'float64' : 'float32';
  const flags = op.reduceMax(cast(op.isNaN(x), 'float32'), constant([axis], 'int64'), { keepdims: keepdim ? 1 : 0 });
  return cast(op.where(cast(flags, 'bool'), constant(Number.NaN, dtype), cast(values, dtype)), x.dtype);
}

/** Where NaNs stand, what is greater than all else. */
function numbersFirst(x: Value): Value {
  return op.where(op.isNaN(x), constant(Number.POSITIVE_INFINITY, x.dtype), x);
}

/** The lower middle one of those that are numbers; NaN where there are none. */
function nanMedianOf(x: Value, axis: number, keepdim: boolean): Sorted {
  if (x.dtype?.startsWith('float') !== true || rankOf(x) === 0) return medianOf(x, axis, keepdim);
  const wide = cast(x, x.dtype === 'float64' ? 'float64' : 'float32');
  const { indices } = topOf(numbersFirst(wide), sizeAt(x, axis), axis, false);
  const along = constant([axis], 'int64');
  const count = op.reduceSum(cast(op.not(op.isNaN(wide)), 'int64'), along, { keepdims: 1 });
  const middle = op.max([op.div(op.sub(count, constant(1, 'int64')), constant(2, 'int64')), constant(0, 'int64')]);
  const place = op.gatherElements(indices, middle, { axis });
  const value = op.gatherElements(x, place, { axis });
  const bare = (y: Value) => (keepdim ? y : op.squeeze(y, along));
  return { values: bare(value), indices: bare(place) };
}

const median =
  (of: typeof medianOf, keepsNaN: boolean): Lowering =>
  (call) => {
    const given = call.tensor('self');
    if (!call.has('dim')) {
      const flat = reshaped(given, [-1]);
      const { values } = of(flat, 0, false);
      return keepsNaN ? orNaN(flat, values, 0, false) : values;
    }
    const keepdim = call.bool('keepdim', false);
    const axis = axisOf(call.int('dim'), rankOf(given));
    const { values, indices } = of(given, axis, keepdim);
    return [keepsNaN ? orNaN(given, values, axis, keepdim) : values, indices];
  };

/** The value that occurs most often, the least of several such, and where it stands last. */
const mode: Lowering = (call) => {
  const x = call.tensor('self');
  const keepdim = call.bool('keepdim', false);
  const axis = axisOf(call.int('dim', -1), rankOf(x));
  if (rankOf(x) === 0) return [x, constant(0, 'int64')];
  const { values, indices } = topOf(x, sizeAt(x, axis), axis, false);
  const [left, right] = [constant([axis + 1], 'int64'), constant([axis], 'int64')];
  const equal = op.equal(op.unsqueeze(sortable(values), left), op.unsqueeze(sortable(values), right));
  const counts = op.reduceSum(cast(equal, 'int64'), left, { keepdims: 0 });
  const place = op.argMax(counts, { axis, keepdims: 1 });
  const end = op.sub(op.add(place, op.gatherElements(counts, place, { axis })), constant(1, 'int64'));
  const bare = (y: Value) => (keepdim ? y : op.squeeze(y, right));
  return [bare(op.gatherElements(values, place, { axis })), bare(op.gatherElements(indices, end, { axis }))];
};

/** torch.quantile: the sorted values at q * (n - 1), between neighbours as `interpolation` says; the results of several q come first. */
const quantile =
  (ignoresNaN: boolean): Lowering =>
  (call) => {
    const given = call.tensor('self');
    const dtype = given.dtype ?? 'float32';
    const keepdim = call.bool('keepdim', false);
    const interpolation = call.text('interpolation', 'linear');
    const flat = !call.has('dim');
    const x = flat ? reshaped(given, [-1]) : rankOf(given) === 0 ? reshaped(given, [1]) : given;
    const axis = flat ? 0 : axisOf(call.int('dim'), rankOf(given));
    const many = call.argument('q')?.kind === 'tensor' && rankOf(call.tensor('q')) === 1;
    const q = op.reshape(call.number('q', dtype), constant([-1], 'int64'));
    const along = constant([axis], 'int64');
    const { values } = topOf(ignoresNaN ? numbersFirst(x) : x, sizeAt(x, axis), axis, false);
    const shape = Array.from({ length: rankOf(x) }, (_, at) => (at === axis ? -1 : 1));
    const quantiles = reshaped(q, shape);
    const numbers = cast(op.not(op.isNaN(x)), 'int64');
    const count = ignoresNaN ? op.reduceSum(numbers, along, { keepdims: 1 }) : scalarOf(sizeAt(x, axis));
    const place = op.mul(quantiles, cast(op.sub(count, constant(1, 'int64')), dtype));
    const inside = ignoresNaN ? op.max([place, constant(0, dtype)]) : place;
    const [low, high] = [op.floor(inside), op.ceil(inside)];
    const at = (position: Value): Value => {
      const index = cast(position, 'int64');
      if (!ignoresNaN) return op.gather(values, reshaped(index, [-1]), { axis });
      const sizes = Array.from({ length: rankOf(x) }, (_, k) => (k === axis ? 1 : sizeAt(x, k)));
      return op.gatherElements(values, op.expand(index, vectorOf(sizes)), { axis });
    };
    const between = (weight: Value): Value => {
      const lower = at(low);
      return op.add(lower, op.mul(weight, op.sub(at(high), lower)));
    };
    const made = {
      linear: () => between(op.sub(inside, low)),
      midpoint: () => between(constant(0.5, dtype)),
      lower: () => at(low),
      higher: () => at(high),
      nearest: () => at(op.round(inside)),
    }[interpolation];
    if (made === undefined) throw call.unsupported(`interpolation='${interpolation}'`);
    const found = made();
    const isMissing = ignoresNaN
      ? op.equal(count, constant(0, 'int64'))
      : cast(op.reduceMax(cast(op.isNaN(x), 'float32'), along, { keepdims: 1 }), 'bool');
    const result = op.where(isMissing, constant(Number.NaN, dtype), found);
    return arranged(result, axis, many, keepdim, flat ? rankOf(given) : undefined);
  };

/** The axis of quantiles in front, or away where there is one alone; `keepdim` leaves an axis of one in its place. */
function arranged(x: Value, axis: number, many: boolean, keepdim: boolean, flatRank: number | undefined): Value {
  const kept = new Array<number>(flatRank ?? 0).fill(1);
  if (flatRank !== undefined) return reshaped(x, [...(many ? [-1] : []), ...(keepdim ? kept : [])]);
  const along = constant([axis], 'int64');
  if (!many) return keepdim ? x : op.squeeze(x, along);
  const order = [axis, ...Array.from({ length: rankOf(x) }, (_, at) => at).filter((at) => at !== axis)];
  const front = axis === 0 ? x : op.transpose(x, { perm: order });
  return keepdim ? op.unsqueeze(front, constant([axis + 1], 'int64')) : front;
}

export const sortingRules: Rules = {
  'aten.sort.default': sort,
  'aten.sort.stable': sort,
  'aten.argsort.default': argsort,
  'aten.argsort.stable': argsort,
  'aten.msort.default': (call) => {
    const x = call.tensor('self');
    return rankOf(x) === 0 ? x : topOf(x, sizeAt(x, 0), 0, false).values;
  },
  'aten.topk.default': topk,
  'aten.kthvalue.default': kthValue,
  'aten.median.default': median(medianOf, true),
  'aten.median.dim': median(medianOf, true),
  'aten.nanmedian.default': median(nanMedianOf, false),
  'aten.nanmedian.dim': median(nanMedianOf, false),
  'aten.mode.default': mode,
  'aten.quantile.default': quantile(false),
  'aten.quantile.scalar': quantile(false),
  'aten.nanquantile.default': quantile(true),
  'aten.nanquantile.scalar': quantile(true),
};
