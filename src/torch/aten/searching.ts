import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Result } from '../lower/item.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { axisOf, rankOf, reshaped, sizesOf } from '../lower/sizes.ts';
import { isClose } from './comparisons.ts';
import { sortable } from './sorting.ts';

const int64 = (values: number[] | number) => constant(values, 'int64');
const flat = (x: Value): Value => op.reshape(x, int64([-1]));

/** How many of the sorted values come before each of the others: below it, or not above it (`right`). */
function placesOf(call: Call, sequence: Value, values: Value, right: boolean): Value {
  const dtype = call.outDType();
  const row = op.unsqueeze(sequence, int64([-2 + (rankOf(sequence) === 1 ? 1 : 0)]));
  const [a, b] = [rankOf(sequence) === 1 ? sequence : row, op.unsqueeze(values, int64([-1]))];
  const before = right ? op.lessOrEqual(a, b) : op.less(a, b);
  return cast(op.reduceSum(cast(before, 'int64'), int64([-1]), { keepdims: 0 }), dtype);
}

/** In the type that both are compared in. */
function comparable(call: Call, ...names: readonly [string, string]): [Value, Value] {
  const [a, b] = call.together(...names) as [Value, Value];
  return [sortable(a), sortable(b)];
}

const searchSorted: Lowering = (call) => {
  call.ignore('out_int32');
  const right = call.bool('right', false) || call.text('side', 'left') === 'right';
  const [sequence, values] = comparable(call, 'sorted_sequence', 'self');
  const sorter = call.optionalTensor('sorter');
  const sorted = sorter === undefined ? sequence : op.gatherElements(sequence, cast(sorter, 'int64'), { axis: -1 });
  return placesOf(call, sorted, values, right);
};

const bucketize: Lowering = (call) => {
  call.ignore('out_int32');
  const [boundaries, values] = comparable(call, 'boundaries', 'self');
  return placesOf(call, boundaries, values, call.bool('right', false));
};

const isIn =
  (elements: string, tests: string): Lowering =>
  (call) => {
    call.ignore('assume_unique');
    const [x, y] = comparable(call, elements, tests);
    const equal = op.equal(op.unsqueeze(x, int64([-1])), flat(y));
    const found = op.greater(op.reduceSum(cast(equal, 'int64'), int64([-1]), { keepdims: 0 }), int64(0));
    return call.bool('invert', false) ? op.not(found) : found;
  };

/** Distinct values in order, where each element is among them, and how often each occurs. */
const unique: Lowering = (call) => {
  const x = call.tensor('self');
  const [values, , inverse, counts] = op.unique(sortable(flat(x)), { sorted: 1 });
  call.ignore('sorted', 'return_inverse', 'return_counts');
  return [cast(values, x.dtype ?? 'float32'), reshaped(inverse, sizesOf(x)), counts];
};

const uniqueSlices: Lowering = (call) => {
  const x = call.tensor('self');
  call.ignore('sorted', 'return_inverse', 'return_counts');
  const axis = axisOf(call.int('dim'), rankOf(x));
  const [values, , inverse, counts] = op.unique(sortable(x), { axis, sorted: 1 });
  return [cast(values, x.dtype ?? 'float32'), inverse, counts];
};

/** Runs of equal values: one of each, the run of every element, and their lengths. */
const uniqueRuns: Lowering = (call): Result[] => {
  const given = call.tensor('self');
  call.ignore('return_inverse', 'return_counts');
  if (call.has('dim')) {
    if (rankOf(given) !== 1) throw call.unsupported('runs of slices (dim)');
    call.ignore('dim');
  }
  const x = sortable(flat(given));
  const ends = int64([Number.MAX_SAFE_INTEGER]);
  const [first, zero, one] = [int64([0]), int64([0]), int64([1])];
  const later = op.slice(x, one, ends, zero);
  const earlier = op.slice(x, zero, int64([-1]), zero);
  const starts = op.concat([op.expand(constant(true), op.min([one, op.shape(x)])), op.not(op.equal(later, earlier))], {
    axis: 0,
  });
  const inverse = op.sub(op.cumSum(cast(starts, 'int64'), int64(0)), int64(1));
  const places = op.reshape(op.nonZero(starts), int64([-1]));
  const nexts = op.concat([op.slice(places, one, ends, zero), op.shape(x)], { axis: 0 });
  // Of no elements there are no runs, and no end of one.
  const lengths = op.sub(op.slice(nexts, zero, op.shape(places), first), places);
  return [
    cast(op.gather(x, places, { axis: 0 }), given.dtype ?? 'float32'),
    reshaped(inverse, sizesOf(given)),
    lengths,
  ];
};

/** How often each number occurs, or the sum of its weights; at least `minlength` of them. */
const binCount: Lowering = (call) => {
  const x = cast(call.tensor('self'), 'int64');
  const least = call.int('minlength', 0);
  const dtype = call.outDType();
  const most = op.reduceMax(op.concat([x, int64([-1])], { axis: 0 }), undefined, { keepdims: 1 });
  const length = op.max([op.add(most, int64(1)), int64([least])]);
  const weights = call.optionalTensor('weights');
  const each = weights === undefined ? op.expand(constant(1, dtype), op.shape(x)) : cast(weights, dtype);
  return op.scatterElements(op.expand(constant(0, dtype), length), x, each, { axis: 0, reduction: 'add' });
};

/** Counts in equal bins from `min` to `max`, the last of which holds its end; what lies outside is not counted. */
const histogram: Lowering = (call) => {
  const x = flat(call.tensor('self'));
  const dtype = x.dtype ?? 'float32';
  const bins = call.int('bins', 100);
  const [low, high] = [call.scalar('min', 0), call.scalar('max', 0)];
  const given = low !== high;
  const least = given ? call.number('min', dtype, 0) : op.reduceMin(x, undefined, { keepdims: 0 });
  const greatest = given ? call.number('max', dtype, 0) : op.reduceMax(x, undefined, { keepdims: 0 });
  // All the same: bins around it.
  const same = op.equal(least, greatest);
  const one = constant(1, dtype);
  const start = given ? least : op.where(same, op.sub(least, one), least);
  const end = given ? greatest : op.where(same, op.add(greatest, one), greatest);
  const place = op.floor(op.mul(op.div(op.sub(x, start), op.sub(end, start)), constant(bins, dtype)));
  const inside = op.and(op.greaterOrEqual(x, start), op.lessOrEqual(x, end));
  const bin = op.min([cast(op.where(inside, place, constant(0, dtype)), 'int64'), int64(bins - 1)]);
  const zeros = op.expand(constant(0, dtype), int64([bins]));
  return op.scatterElements(zeros, bin, cast(inside, dtype), { axis: 0, reduction: 'add' });
};

/** One truth value for all elements. */
function all(x: Value): Value {
  const failing = op.reduceSum(cast(op.not(flat(x)), 'int64'), undefined, { keepdims: 0 });
  return op.equal(failing, int64(0));
}

const equal: Lowering = (call) => {
  const [a, b] = comparable(call, 'self', 'other');
  const same = rankOf(a) === rankOf(b) && a.shape?.every((dim, axis) => dim === b.shape?.[axis]);
  return same === true ? all(op.equal(a, b)) : false;
};

export const searchingRules: Rules = {
  'aten.searchsorted.Tensor': searchSorted,
  'aten.searchsorted.Scalar': searchSorted,
  'aten.bucketize.Tensor': bucketize,
  'aten.bucketize.Scalar': bucketize,
  'aten.isin.Tensor_Tensor': isIn('elements', 'test_elements'),
  'aten.isin.Tensor_Scalar': isIn('elements', 'test_element'),
  'aten.isin.Scalar_Tensor': isIn('element', 'test_elements'),
  'aten._unique2.default': unique,
  'aten._unique.default': unique,
  'aten.unique_dim.default': uniqueSlices,
  'aten.unique_consecutive.default': uniqueRuns,
  'aten.bincount.default': binCount,
  'aten.histc.default': histogram,
  'aten.equal.default': equal,
  'aten.allclose.default': (call) => all(isClose(call) as Value),
};
