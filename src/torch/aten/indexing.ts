import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { axisOf, rankOf, reshaped, sizesOf, vectorOf } from '../lower/sizes.ts';
import { ordered, restored, withFirst } from './cuts.ts';
import { areAdjacent, type Indexed, indexedBy, together } from './index-lists.ts';

/** `x[.., i, ..]`: one index is a Gather; several, of one shape, a GatherND of the axes brought to the front. */
function indexed(x: Value, { axes, indices }: Indexed): Value {
  const [axis, ...others] = axes;
  const [index] = indices;
  if (axis === undefined || index === undefined) return x;
  if (others.length === 0) return op.gather(x, index, { axis });
  const found = op.gatherND(ordered(x, withFirst(x, ...axes)), together(indices));
  if (axis === 0 || !areAdjacent(axes)) return found;
  return ordered(found, placed(found, axis, rankOf(found) - (rankOf(x) - axes.length)));
}

/** The first `count` axes of `found`, which the indices gave, behind the `axis` ones that come before them. */
function placed(found: Value, axis: number, count: number): number[] {
  const all = Array.from({ length: rankOf(found) }, (_, at) => at);
  return [...all.slice(count, count + axis), ...all.slice(0, count), ...all.slice(count + axis)];
}

const index: Lowering = (call) => indexed(call.tensor('self'), indexedBy(call));

/** `x[.., i, ..] = values`, or `+=`. */
const indexPut: Lowering = (call) => {
  const x = call.tensor('self');
  const at = indexedBy(call);
  const values = cast(call.tensor('values'), x.dtype ?? 'float32');
  const accumulate = call.bool('accumulate', false);
  if (at.axes.length === 0) return op.expand(accumulate ? op.add(x, values) : values, vectorOf(sizesOf(x)));
  const { mask } = at;
  const chosen = mask === undefined ? undefined : masked(x, mask, values, accumulate);
  return chosen ?? scattered(x, at, values, accumulate);
};

/** What is the same wherever the mask holds needs no positions: Where. undefined: the values differ from place to place. */
function masked(x: Value, mask: NonNullable<Indexed['mask']>, values: Value, accumulate: boolean): Value | undefined {
  const behind = rankOf(x) - mask.axis - rankOf(mask.value);
  const at = rankOf(values) - behind - 1;
  if (at >= 0 && values.shape?.[at] !== 1) return undefined;
  // The axis of places becomes as many ones as the mask has axes.
  const spread =
    at < 0
      ? values
      : reshaped(values, [
          ...sizesOf(values).slice(0, at),
          ...ones(rankOf(mask.value)),
          ...sizesOf(values).slice(at + 1),
        ]);
  const condition =
    behind === 0
      ? mask.value
      : op.unsqueeze(
          mask.value,
          constant(
            Array.from({ length: behind }, (_, k) => rankOf(mask.value) + k),
            'int64',
          ),
        );
  return where(condition, accumulate ? op.add(x, spread) : spread, x);
}

const ones = (count: number): number[] => new Array<number>(count).fill(1);

/** ONNX Runtime has no Where of truth values and small integers. */
export function where(condition: Value, a: Value, b: Value): Value {
  if (b.dtype === 'bool') return op.or(op.and(condition, a), op.and(op.not(condition), b));
  const dtype = b.dtype ?? 'float32';
  const wide = dtype === 'int8' || dtype === 'int16' || dtype === 'uint8' || dtype === 'uint16' ? 'int32' : dtype;
  return cast(op.where(condition, cast(a, wide), cast(b, wide)), dtype);
}

function scattered(x: Value, at: Indexed, values: Value, accumulate: boolean): Value {
  const order = withFirst(x, ...at.axes);
  const front = ordered(x, order);
  const places = together(at.indices);
  const count = rankOf(places) - 1;
  const rest = rankOf(x) - at.axes.length;
  const first = at.axes[0] ?? 0;
  const wanted = [...sizesOf(places).slice(0, -1), ...sizesOf(front).slice(at.axes.length)];
  const inFront = first === 0 || !areAdjacent(at.axes);
  // In the result of indexing the axes that the indices give may stand behind others: values are broadcast there, then brought in front.
  const back = Array.from({ length: count }, (_, k) => first + k);
  const others = Array.from({ length: count + rest }, (_, axis) => axis).filter((axis) => !back.includes(axis));
  const toFront = inFront ? back.concat(others).map((_, axis) => axis) : [...back, ...others];
  const shape = inFront ? wanted : toFront.map((_, axis) => wanted[toFront.indexOf(axis)] ?? 1);
  const full = ordered(expandedTo(values, shape), toFront);
  return restored(scatter(front, places, full, accumulate), order);
}

function expandedTo(values: Value, shape: ReturnType<typeof sizesOf>): Value {
  const fits =
    rankOf(values) === shape.length &&
    shape.every((size, axis) => typeof size === 'number' && size === values.shape?.[axis]);
  if (fits) return values;
  const cutAhead =
    rankOf(values) > shape.length ? reshaped(values, sizesOf(values).slice(rankOf(values) - shape.length)) : values;
  return op.expand(cutAhead, vectorOf(shape));
}

function scatter(x: Value, places: Value, updates: Value, accumulate: boolean): Value {
  if (!accumulate) return op.scatterND(x, places, updates);
  return inWideKernels(x, (wide, like) => op.scatterND(wide, places, like(updates), { reduction: 'add' }));
}

/** Sums and extremes in an element type that ONNX Runtime scatters in: truth values and small integers as int32, half precision in float32. */
export function inWideKernels(x: Value, make: (x: Value, like: (other: Value) => Value) => Value): Value {
  const dtype = x.dtype ?? 'float32';
  const wide =
    dtype === 'float16' ? 'float32' : dtype === 'float32' || dtype === 'float64' || dtype === 'int64' ? dtype : 'int32';
  const like = (other: Value) => cast(other, wide);
  return cast(make(like(x), like), dtype);
}

const flat = (x: Value): Value => (rankOf(x) === 1 ? x : op.reshape(x, constant([-1], 'int64')));

/** index_select of a tensor without dimensions gives that. */
const indexSelect: Lowering = (call) => {
  const x = call.tensor('self');
  const indices = wholeNumbers(call.tensor('index'));
  const axis = axisOf(call.int('dim'), rankOf(x));
  if (rankOf(x) === 0) return x;
  return op.gather(x, rankOf(indices) === 0 ? op.unsqueeze(indices, constant([0], 'int64')) : indices, { axis });
};

/** Index tensors as Gather takes them: int32 or int64. */
export function wholeNumbers(index: Value): Value {
  return index.dtype === 'int32' ? index : cast(index, 'int64');
}

const maskedSelect: Lowering = (call) => {
  const [x, mask] = [call.tensor('self'), call.tensor('mask')];
  const [left, right] = [op.shape(x), op.shape(mask)];
  const same =
    x.shape?.length === mask.shape?.length &&
    x.shape?.every((dim, axis) => dim !== undefined && dim === mask.shape?.[axis]);
  const [data, condition] = same === true ? [x, mask] : [op.expand(x, right), op.expand(mask, left)];
  return op.gatherND(flat(data), op.transpose(op.nonZero(flat(condition)), { perm: [1, 0] }));
};

/** The elements of `source` one after the other where the mask holds: the n-th place takes the n-th element. */
const maskedScatter: Lowering = (call) => {
  const x = call.tensor('self');
  const mask = broadcastLike(call.tensor('mask'), x);
  const places = op.transpose(op.nonZero(mask), { perm: [1, 0] });
  const source = flat(cast(call.tensor('source'), x.dtype ?? 'float32'));
  const count = op.shape(places, { start: 0, end: 1 });
  return op.scatterND(x, places, op.slice(source, constant([0], 'int64'), count, constant([0], 'int64')));
};

function broadcastLike(mask: Value, x: Value): Value {
  const same =
    rankOf(mask) === rankOf(x) && x.shape?.every((dim, axis) => dim !== undefined && dim === mask.shape?.[axis]);
  return same === true ? mask : op.expand(mask, op.shape(x));
}

/** Positions [n, rank] of what is not zero. */
function nonZero(call: Call): Value {
  const x = call.tensor('self');
  const own =
    x.dtype === 'float32' || x.dtype === 'int32' || x.dtype === 'int64' || x.dtype === 'bool' || x.dtype === 'uint8';
  const kept = own ? x : cast(x, 'bool');
  if (rankOf(x) > 0) return op.transpose(op.nonZero(kept), { perm: [1, 0] });
  const found = op.nonZero(op.reshape(kept, constant([1], 'int64')));
  return op.slice(
    op.transpose(found, { perm: [1, 0] }),
    constant([0], 'int64'),
    constant([0], 'int64'),
    constant([1], 'int64'),
  );
}

export const indexingRules: Rules = {
  'aten.index.Tensor': index,
  'aten._unsafe_index.Tensor': index,
  'aten._unsafe_masked_index.default': (call) => {
    const fill = call.number('fill', call.tensor('self').dtype ?? 'float32');
    const found = indexed(call.tensor('self'), indexedBy(call));
    return where(call.tensor('mask'), found, fill);
  },
  'aten.index_put.default': indexPut,
  'aten._unsafe_index_put.default': indexPut,
  'aten.index_select.default': indexSelect,
  'aten.take.default': (call) => op.gather(flat(call.tensor('self')), wholeNumbers(call.tensor('index')), { axis: 0 }),
  'aten.masked_select.default': maskedSelect,
  'aten.masked_scatter.default': maskedScatter,
  'aten.nonzero.default': nonZero,
  'aten.argwhere.default': nonZero,
  'aten.nonzero_numpy.default': (call) => columns(nonZero(call)),
  'aten.where.default': (call) => {
    const condition = call.tensor('condition');
    return columns(op.transpose(op.nonZero(cast(condition, 'bool')), { perm: [1, 0] }));
  },
  'aten.nonzero_static.default': (call) => {
    const [size, fill] = [call.int('size'), call.int('fill_value', -1)];
    const found = nonZero(call);
    const rank = rankOf(call.tensor('self'));
    const more = constant(
      Array.from({ length: size }, () => ones(rank).map(() => fill)),
      'int64',
    );
    const both = op.concat([found, more], { axis: 0 });
    return op.slice(both, constant([0], 'int64'), constant([size], 'int64'), constant([0], 'int64'));
  },
};

function columns(found: Value): Value[] {
  const rank = Number(found.shape?.[1] ?? 1);
  return Array.from({ length: rank }, (_, axis) => op.gather(found, constant(axis, 'int64'), { axis: 1 }));
}
