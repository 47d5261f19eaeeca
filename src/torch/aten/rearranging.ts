import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Size } from '../lower/item.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { axisOf, rankOf, reshaped, scalarOf, sizeAt, sizesOf, vectorOf } from '../lower/sizes.ts';
import { ordered, sliced } from './cuts.ts';
import { diagonal, diagonalOf } from './diagonal.ts';
import { minus, plus, quotient, steps, times } from './size-math.ts';

/** The elements of the named axes in reverse order. */
function flipped(x: Value, axes: readonly number[]): Value {
  if (axes.length === 0 || rankOf(x) === 0) return x;
  const all = (value: number | bigint) =>
    constant(
      axes.map(() => value),
      'int64',
    );
  return op.slice(x, all(-1), all(-9223372036854775807n), constant([...axes], 'int64'), all(-1));
}

const flip: Lowering = (call) => {
  const x = call.tensor('self');
  return flipped(
    x,
    call.ints('dims').map((dim) => axisOf(dim, rankOf(x))),
  );
};

/** The last `shift` slices in front of the others; shifts are taken modulo the size. */
function rolled(x: Value, shift: Size, axis: number): Value {
  const size = sizeAt(x, axis);
  const by =
    typeof shift === 'number' && typeof size === 'number' ? (size === 0 ? 0 : ((shift % size) + size) % size) : shift;
  if (by === 0) return x;
  // A shift to the left by more than a size that is not known: what is left of the division, as ONNX's Mod takes the divisor's sign.
  const right = typeof by === 'number' && by === shift && Math.abs(by) === 1 ? by : remainder(by, size);
  const cut = typeof right === 'number' ? -right : minus(size, right);
  const [start, end] = [0, Number.POSITIVE_INFINITY];
  return op.concat([sliced(x, { axis, start: cut, end, step: 1 }), sliced(x, { axis, start, end: cut, step: 1 })], {
    axis,
  });
}

function remainder(shift: Size, size: Size): Size {
  if (typeof shift === 'number' && typeof size === 'number') return ((shift % size) + size) % size;
  return minus(shift, times(size, floorQuotient(shift, size)));
}

/** floor(a / b) where a may be negative. */
function floorQuotient(a: Size, b: Size): Size {
  if (typeof a === 'number' && a < 0) return minus(0, quotient(minus(plus(b, -a), 1), b));
  return quotient(a, b);
}

const roll: Lowering = (call) => {
  const x = call.tensor('self');
  const [shifts, dims] = [call.sizes('shifts'), call.ints('dims', [])];
  if (dims.length === 0) return reshaped(rolled(reshaped(x, [-1]), shifts[0] ?? 0, 0), sizesOf(x));
  return dims.reduce((y, dim, index) => rolled(y, shifts[index] ?? 0, axisOf(dim, rankOf(x))), x);
};

/** A quarter turn of two axes, k times. */
const rot90: Lowering = (call) => {
  const x = call.tensor('self');
  const turns = ((call.int('k', 1) % 4) + 4) % 4;
  const [a, b] = call.ints('dims', [0, 1]).map((dim) => axisOf(dim, rankOf(x))) as [number, number];
  if (turns === 0) return x;
  if (turns === 2) return flipped(x, [a, b]);
  const order = Array.from({ length: rankOf(x) }, (_, axis) => (axis === a ? b : axis === b ? a : axis));
  return turns === 1 ? op.transpose(flipped(x, [b]), { perm: order }) : flipped(op.transpose(x, { perm: order }), [b]);
};

/** ONNX Runtime has no Trilu of small integers. */
const triangular =
  (upper: boolean): Lowering =>
  (call) => {
    const x = call.tensor('self');
    const k = call.size('diagonal', 0);
    const own = x.dtype === 'float32' || x.dtype === 'float64' || x.dtype === 'int64' || x.dtype === 'bool';
    const wide = own ? x : cast(x, x.dtype === 'float16' ? 'float32' : 'int64');
    const cut = op.trilu(wide, k === 0 ? undefined : scalarOf(k), { upper: upper ? 1 : 0 });
    return cast(cut, x.dtype ?? 'float32');
  };

/** torch.diag_embed: the last axis on a diagonal of new matrices, zero elsewhere. */
function embedded(x: Value, offset: number, axes: readonly [number, number]): Value {
  const size = sizeAt(x, -1);
  const whole = plus(size, Math.abs(offset));
  // A square of the vector's length, cut by its diagonal, then padded to where the diagonal lies.
  const index = steps(size);
  const onDiagonal = op.equal(op.unsqueeze(index, constant([1], 'int64')), index);
  const zero = constant(x.dtype === 'bool' ? false : 0, x.dtype);
  const square = op.where(onDiagonal, op.unsqueeze(x, constant([-2], 'int64')), zero);
  const rank = rankOf(square);
  const by = Math.abs(offset);
  const pads = offset >= 0 ? [0, by, by, 0] : [by, 0, 0, by];
  const padded =
    offset === 0 ? square : op.pad(square, constant(pads, 'int64'), undefined, constant([-2, -1], 'int64'));
  const order: number[] = [];
  let next = 0;
  for (let axis = 0; axis < rank; axis++)
    order.push(axis === axes[0] ? rank - 2 : axis === axes[1] ? rank - 1 : next++);
  return reshaped(ordered(padded, order), resized(x, whole, axes, rank));
}

function resized(x: Value, size: Size, axes: readonly [number, number], rank: number): Size[] {
  const own = sizesOf(x).slice(0, -1);
  return Array.from({ length: rank }, (_, axis) => (axes.includes(axis) ? size : (own.shift() ?? 1)));
}

/** In an element type that ONNX Runtime chooses and pads in. */
function inOwnKernels(call: Call, make: (x: Value) => Value): Value {
  const x = call.tensor('self');
  const dtype = x.dtype ?? 'float32';
  const wide = dtype === 'bool' || dtype === 'int8' || dtype === 'int16' || dtype === 'uint8' ? 'int32' : dtype;
  return cast(make(cast(x, wide)), dtype);
}

const diagEmbed: Lowering = (call) => {
  const rank = rankOf(call.tensor('self')) + 1;
  const { offset, axes } = diagonalOf(call, rank, -2, -1);
  return inOwnKernels(call, (x) =>
    axes[0] < axes[1] ? embedded(x, offset, axes) : embedded(x, -offset, [axes[1], axes[0]]),
  );
};

const diag: Lowering = (call) => {
  const x = call.tensor('self');
  const offset = call.int('diagonal', 0);
  if (rankOf(x) === 2) return diagonal(x, { offset, axes: [0, 1] });
  return inOwnKernels(call, (y) => embedded(y, offset, [0, 1]));
};

/** Every element `repeats` times in a row: a new axis behind it, copied. */
function repeatedEach(x: Value, repeats: Size, axis: number): Value {
  const sizes = sizesOf(x);
  const wide = op.unsqueeze(x, constant([axis + 1], 'int64'));
  const counts = Array.from({ length: rankOf(wide) }, (_, at): Size => (at === axis + 1 ? repeats : 1));
  const all = times(sizes[axis] ?? 1, repeats);
  return reshaped(op.expand(wide, vectorOf(counts)), [...sizes.slice(0, axis), all, ...sizes.slice(axis + 1)]);
}

/** The index of the element that each place of the result repeats: how many elements have ended before it. */
function repeatedIndices(repeats: Value): Value {
  const ends = op.cumSum(cast(repeats, 'int64'), constant(0, 'int64'));
  const total = op.gather(op.concat([constant([0], 'int64'), ends], { axis: 0 }), constant(-1, 'int64'), { axis: 0 });
  const places = op.range(constant(0, 'int64'), total, constant(1, 'int64'));
  const ended = op.lessOrEqual(
    op.unsqueeze(ends, constant([0], 'int64')),
    op.unsqueeze(places, constant([1], 'int64')),
  );
  return op.reduceSum(cast(ended, 'int64'), constant([1], 'int64'), { keepdims: 0 });
}

function flatUnlessDim(call: Call): { x: Value; axis: number } {
  const x = call.tensor('self');
  return call.has('dim') ? { x, axis: axisOf(call.int('dim'), rankOf(x)) } : { x: reshaped(x, [-1]), axis: 0 };
}

export const rearrangingRules: Rules = {
  'aten.flip.default': flip,
  'aten.fliplr.default': (call) => flipped(call.tensor('self'), [1]),
  'aten.flipud.default': (call) => flipped(call.tensor('self'), [0]),
  'aten.roll.default': roll,
  'aten.rot90.default': rot90,
  'aten.tril.default': triangular(false),
  'aten.triu.default': triangular(true),
  'aten.diag_embed.default': diagEmbed,
  'aten.diag.default': diag,
  'aten.diagflat.default': (call) => {
    const offset = call.int('offset', 0);
    return inOwnKernels(call, (x) => embedded(reshaped(x, [-1]), offset, [0, 1]));
  },
  'aten.repeat_interleave.self_int': (call) => {
    call.ignore('output_size');
    const { x, axis } = flatUnlessDim(call);
    return repeatedEach(rankOf(x) === 0 ? reshaped(x, [1]) : x, call.size('repeats'), axis);
  },
  'aten.repeat_interleave.self_Tensor': (call) => {
    call.ignore('output_size');
    const { x, axis } = flatUnlessDim(call);
    const repeats = call.tensor('repeats');
    const counts =
      repeats.shape?.[0] === 1 || rankOf(repeats) === 0 ? op.expand(repeats, vectorOf([sizeAt(x, axis)])) : repeats;
    return op.gather(x, repeatedIndices(counts), { axis });
  },
  'aten.repeat_interleave.Tensor': (call) => repeatedIndices(call.ignore('output_size').tensor('repeats')),
};
