import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Size } from '../lower/item.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { axisOf, rankOf, reshaped, sizesOf, vectorOf } from '../lower/sizes.ts';
import { inWideKernels, where } from './indexing.ts';
import { viewRules } from './views.ts';

const one = constant([0], 'int64');

/** A tensor without dimensions is treated as one of a single element. */
function lifted(x: Value): Value {
  return rankOf(x) === 0 ? op.unsqueeze(x, one) : x;
}

function lowered(x: Value, like: Value): Value {
  return rankOf(like) === 0 ? reshaped(x, []) : x;
}

const gather: Lowering = (call) => {
  call.ignore('sparse_grad');
  const [x, index] = [call.tensor('self'), cast(call.tensor('index'), 'int64')];
  const axis = axisOf(call.int('dim'), rankOf(x));
  return lowered(op.gatherElements(lifted(x), lifted(index), { axis }), index);
};

/** `gather` of an index that is broadcast with the tensor, apart from the axis that is gathered along; of all elements where no axis is given. */
const takeAlong: Lowering = (call) => {
  const [x, index] = [call.tensor('self'), cast(call.tensor('indices'), 'int64')];
  const flat = (y: Value) => op.reshape(y, constant([-1], 'int64'));
  if (!call.has('dim')) return op.gather(flat(x), flat(index), { axis: 0 });
  const axis = axisOf(call.int('dim'), rankOf(x));
  const others = (y: Value) => y.shape?.map((dim, at) => (at === axis ? undefined : dim)) ?? [];
  const [own, wanted] = [others(x), others(index)];
  const alike = own.every((dim, at) => at === axis || (dim !== undefined && dim === wanted[at]));
  if (alike) return op.gatherElements(x, index, { axis });
  const sizes = (of: Value, like: Value): Size[] =>
    sizesOf(like).map((size, at) => (at === axis || of.shape?.[at] !== 1 ? 1 : size));
  const spread = (of: Value, like: Value): Value => op.expand(of, vectorOf(sizes(of, like)));
  return op.gatherElements(spread(x, index), spread(index, x), { axis });
};

/** What is scattered: as large as the index, where `src` is larger. */
function updatesOf(call: Call, x: Value, index: Value): Value {
  if (call.has('value')) return op.expand(call.number('value', x.dtype ?? 'float32'), op.shape(index));
  const src = lifted(cast(call.tensor('src'), x.dtype ?? 'float32'));
  const fits = src.shape?.every((dim, axis) => dim !== undefined && dim === index.shape?.[axis]);
  if (fits === true) return src;
  const rank = rankOf(index);
  return op.slice(src, constant(new Array(rank).fill(0), 'int64'), op.shape(index));
}

type Reduction = 'none' | 'add' | 'mul' | 'max' | 'min';

function scatterTo(x: Value, index: Value, updates: Value, axis: number, reduction: Reduction): Value {
  if (reduction === 'none') return op.scatterElements(x, index, updates, { axis });
  return inWideKernels(x, (wide, like) => op.scatterElements(wide, index, like(updates), { axis, reduction }));
}

const scatter =
  (reductionOf: (call: Call) => Reduction): Lowering =>
  (call) => {
    const x = call.tensor('self');
    const data = lifted(x);
    const index = lifted(cast(call.tensor('index'), 'int64'));
    const axis = axisOf(call.int('dim'), rankOf(x));
    if (index.shape?.includes(0) === true) {
      call.ignore('src', 'value', 'reduce');
      return x;
    }
    return lowered(scatterTo(data, index, updatesOf(call, data, index), axis, reductionOf(call)), x);
  };

function named(call: Call): Reduction {
  const name = call.text('reduce');
  if (name === 'add' || name === 'sum') return 'add';
  if (name === 'multiply' || name === 'prod') return 'mul';
  throw call.unsupported(`reduce='${name}'`);
}

/** What changes nothing in a sum, product or extreme. */
function neutral(reduction: Reduction, x: Value): Value {
  const dtype = x.dtype ?? 'float32';
  const isFloat = dtype.startsWith('float');
  if (reduction === 'add') return constant(dtype === 'bool' ? false : 0, dtype);
  if (reduction === 'mul') return constant(dtype === 'bool' ? true : 1, dtype);
  const sign = reduction === 'max' ? -1 : 1;
  if (isFloat) return constant(sign * Number.POSITIVE_INFINITY, dtype);
  const bounds: Readonly<Record<string, readonly [bigint, bigint]>> = {
    int64: [-9223372036854775808n, 9223372036854775807n],
    int32: [-2147483648n, 2147483647n],
    int16: [-32768n, 32767n],
    int8: [-128n, 127n],
    uint8: [0n, 255n],
  };
  const [low, high] = bounds[dtype] ?? [0n, 1n];
  return dtype === 'bool' ? constant(sign > 0) : constant(sign > 0 ? high : low, dtype);
}

const reductions: Readonly<Record<string, Reduction>> = {
  sum: 'add',
  mean: 'add',
  prod: 'mul',
  amax: 'max',
  amin: 'min',
};

/** scatter_reduce; without `include_self` what was there counts only where nothing arrives. */
function reduceInto(call: Call, data: Value, index: Value, updates: Value, axis: number): Value {
  const kind = call.text('reduce');
  const reduction = reductions[kind];
  if (reduction === undefined) throw call.unsupported(`reduce='${kind}'`);
  const include = call.bool('include_self', true);
  const count = op.shape(index);
  const start = include ? data : op.scatterElements(data, index, op.expand(neutral(reduction, data), count), { axis });
  const reduced = scatterTo(start, index, updates, axis, reduction);
  if (kind !== 'mean') return reduced;
  const dtype = data.dtype ?? 'float32';
  const wide = dtype === 'float16' ? 'float32' : dtype.startsWith('float') ? dtype : 'int64';
  const [none, each] = [constant(0, wide), constant(1, wide)];
  const own = op.expand(include ? each : none, op.shape(data));
  const counts = op.scatterElements(own, index, op.expand(each, count), { axis, reduction: 'add' });
  const least = op.max([counts, each]);
  const total = cast(reduced, wide);
  if (wide !== 'int64') return cast(op.div(total, least), dtype);
  // Whole numbers are divided down.
  const cut = op.div(total, least);
  const isBelow = op.less(op.mul(cut, least), constant(0, 'int64'));
  const inexact = op.not(op.equal(op.mul(cut, least), total));
  const negative = op.or(isBelow, op.less(total, constant(0, 'int64')));
  return cast(op.sub(cut, cast(op.and(inexact, negative), 'int64')), dtype);
}

const scatterReduce: Lowering = (call) => {
  const x = call.tensor('self');
  const data = lifted(x);
  const index = lifted(cast(call.tensor('index'), 'int64'));
  const axis = axisOf(call.int('dim'), rankOf(x));
  const updates = updatesOf(call, data, index);
  return lowered(reduceInto(call, data, index, updates, axis), x);
};

/** An index of whole slices, [n], as one of elements of `like`. */
function perElement(index: Value, like: Value, axis: number): Value {
  const along = Array.from({ length: rankOf(like) }, (_, at) => (at === axis ? -1 : 1));
  return op.expand(reshaped(index, along), op.shape(like));
}

interface Slices {
  readonly x: Value;
  readonly data: Value;
  readonly axis: number;
  /** int64 [n]. */
  readonly index: Value;
}

function slicesOf(call: Call): Slices {
  const x = call.tensor('self');
  const index = lifted(cast(call.tensor('index'), 'int64'));
  return { x, data: lifted(x), axis: axisOf(call.int('dim'), rankOf(x)), index };
}

function sourceOf(call: Call, { data }: Slices, name = 'source'): Value {
  return lifted(cast(call.tensor(name), data.dtype ?? 'float32'));
}

/** Adds, or reduces, slices into those at the index: ScatterND along the first axis, by elements along others. */
function intoSlices({ data, axis, index }: Slices, source: Value, reduction: Reduction): Value {
  if (axis > 0) return scatterTo(data, perElement(index, source, axis), source, axis, reduction);
  const places = op.unsqueeze(index, constant([1], 'int64'));
  if (reduction === 'none') return op.scatterND(data, places, source);
  return inWideKernels(data, (wide, like) => op.scatterND(wide, places, like(source), { reduction }));
}

const indexAdd: Lowering = (call) => {
  const slices = slicesOf(call);
  const source = sourceOf(call, slices);
  const alpha = call.scalar('alpha', 1);
  const scaled = alpha === 1 ? source : op.mul(source, call.number('alpha', source.dtype ?? 'float32'));
  return lowered(intoSlices(slices, scaled, 'add'), slices.x);
};

const indexCopy: Lowering = (call) => {
  const slices = slicesOf(call);
  return lowered(intoSlices(slices, sourceOf(call, slices), 'none'), slices.x);
};

const indexFill: Lowering = (call) => {
  const slices = slicesOf(call);
  const { data, axis, index } = slices;
  const rows = op.reshape(op.shape(index), constant([1], 'int64'));
  const sizes = sizesOf(data);
  const shape = op.concat(
    [...(axis > 0 ? [vectorOf(sizes.slice(0, axis))] : []), rows, vectorOf(sizes.slice(axis + 1))],
    { axis: 0 },
  );
  const value = op.expand(call.number('value', data.dtype ?? 'float32'), shape);
  return lowered(intoSlices(slices, value, 'none'), slices.x);
};

const indexReduce: Lowering = (call) => {
  const slices = slicesOf(call);
  const source = sourceOf(call, slices);
  const elements = perElement(slices.index, source, slices.axis);
  return lowered(reduceInto(call, slices.data, elements, source, slices.axis), slices.x);
};

const put: Lowering = (call) => {
  const x = call.tensor('self');
  const flat = (y: Value) => op.reshape(y, constant([-1], 'int64'));
  const index = flat(cast(call.tensor('index'), 'int64'));
  const source = flat(cast(call.tensor('source'), x.dtype ?? 'float32'));
  const size = op.size(x);
  const inside = where(op.less(index, constant(0, 'int64')), op.add(index, size), index);
  return reshaped(scatterTo(flat(x), inside, source, 0, call.bool('accumulate', false) ? 'add' : 'none'), sizesOf(x));
};

const intoView =
  (target: string): Lowering =>
  (call) => {
    const x = call.tensor('self');
    const back = viewRules[target]?.back;
    if (back === undefined) throw call.unsupported('has no lowering');
    return back(call, x, cast(call.tensor('src'), x.dtype ?? 'float32'), 0);
  };

export const scatteringRules: Rules = {
  'aten.gather.default': gather,
  'aten.take_along_dim.default': takeAlong,
  'aten.scatter.src': scatter(() => 'none'),
  'aten.scatter.value': scatter(() => 'none'),
  'aten.scatter.reduce': scatter(named),
  'aten.scatter.value_reduce': scatter(named),
  'aten.scatter_add.default': scatter(() => 'add'),
  'aten.scatter_reduce.two': scatterReduce,
  'aten.index_add.default': indexAdd,
  'aten.index_copy.default': indexCopy,
  'aten.index_fill.int_Scalar': indexFill,
  'aten.index_fill.int_Tensor': indexFill,
  'aten.index_reduce.default': indexReduce,
  'aten.put.default': put,
  'aten.select_scatter.default': intoView('aten.select.int'),
  'aten.slice_scatter.default': intoView('aten.slice.Tensor'),
  'aten.diagonal_scatter.default': intoView('aten.diagonal.default'),
  'aten.as_strided_scatter.default': intoView('aten.as_strided.default'),
};
