import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Size } from '../lower/item.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { axisOf, rankOf, reshaped, sizeAt, sizesOf, vectorOf } from '../lower/sizes.ts';
import { minus, plus, times } from './size-math.ts';

/** Tensors in the element type that PyTorch joins them in. */
function alike(call: Call, name = 'tensors'): Value[] {
  const dtype = call.outDType();
  return call.tensors(name).map((tensor) => cast(tensor, dtype));
}

function concatenated(tensors: readonly Value[], axis: number): Value {
  const [only] = tensors;
  return tensors.length === 1 && only !== undefined ? only : op.concat(tensors, { axis });
}

/** torch.cat leaves out tensors of shape [0], whatever the rank of the others. */
const cat: Lowering = (call) => {
  const all = alike(call);
  const rank = Math.max(...all.map(rankOf));
  const kept = all.filter((tensor) => !(rankOf(tensor) === 1 && tensor.shape?.[0] === 0));
  return concatenated(kept.length === 0 ? all.slice(0, 1) : kept, axisOf(call.int('dim', 0), rank));
};

const unsqueezed = (x: Value, axis: number): Value => op.unsqueeze(x, constant([axis], 'int64'));

const stack: Lowering = (call) => {
  const tensors = alike(call);
  const axis = axisOf(call.int('dim', 0), rankOf(tensors[0] as Value) + 1);
  return concatenated(
    tensors.map((tensor) => unsqueezed(tensor, axis)),
    axis,
  );
};

/** At least `rank` axes: as torch.atleast_1d, 2d and 3d add them. */
function atLeastRank(x: Value, rank: number): Value {
  const own = rankOf(x);
  if (own >= rank) return x;
  if (own === 0) return op.reshape(x, constant(new Array<number>(rank).fill(1), 'int64'));
  if (rank === 2) return unsqueezed(x, 0);
  return own === 1 ? op.unsqueeze(x, constant([0, 2], 'int64')) : unsqueezed(x, 2);
}

/** hstack, vstack, dstack: with at least `rank` axes, along `axis`. */
const stacked =
  (rank: number, axis: (rank: number) => number): Lowering =>
  (call) => {
    const tensors = alike(call).map((tensor) => atLeastRank(tensor, rank));
    return concatenated(tensors, axis(rankOf(tensors[0] as Value)));
  };

const columnStack: Lowering = (call) =>
  concatenated(
    alike(call).map((tensor) => (rankOf(tensor) < 2 ? reshaped(tensor, [-1, 1]) : tensor)),
    1,
  );

const atLeast =
  (rank: number): Lowering =>
  (call) =>
    call.has('tensors')
      ? call.tensors('tensors').map((tensor) => atLeastRank(tensor, rank))
      : atLeastRank(call.tensor('self'), rank);

/** Copies along each axis; more counts than axes are new axes in front. */
function tiled(x: Value, repeats: readonly Size[]): Value {
  const rank = rankOf(x);
  const ahead = repeats.length - rank;
  const counts = ahead < 0 ? [...new Array<Size>(-ahead).fill(1), ...repeats] : repeats;
  const grown = ahead > 0 ? op.unsqueeze(x, constant([...new Array(ahead).keys()], 'int64')) : x;
  if (counts.every((count) => count === 1)) return grown;
  // Where only axes of size one are copied, nothing need be laid out.
  const broadcasts = counts.every((count, axis) => count === 1 || grown.shape?.[axis] === 1);
  return broadcasts ? op.expand(grown, vectorOf(counts)) : op.tile(grown, vectorOf(counts));
}

const blockDiag: Lowering = (call) => {
  const blocks = alike(call).map((block) => atLeastRank(block, 2));
  const widths = blocks.map((block) => sizeAt(block, 1));
  const total = widths.reduce(plus, 0);
  let before: Size = 0;
  const rows = blocks.map((block, index) => {
    const width = widths[index] ?? 0;
    const after = minus(minus(total, before), width);
    const pads = vectorOf([before, after]);
    before = plus(before, width);
    return op.pad(block, pads, undefined, constant([1], 'int64'));
  });
  return concatenated(rows, 0);
};

/** The Kronecker product: axes of both interleaved, [a1, b1, a2, b2 ...], then joined in pairs. */
const kron: Lowering = (call) => {
  const [a, b] = call.together('self', 'other') as [Value, Value];
  const rank = Math.max(rankOf(a), rankOf(b));
  const [own, other] = [a, b].map((x) => {
    const sizes = sizesOf(x);
    return [...new Array<Size>(rank - sizes.length).fill(1), ...sizes];
  }) as [Size[], Size[]];
  const left = reshaped(
    a,
    own.flatMap((size) => [size, 1]),
  );
  const right = reshaped(
    b,
    other.flatMap((size) => [1, size]),
  );
  return reshaped(
    op.mul(left, right),
    own.map((size, axis) => times(size, other[axis] ?? 1)),
  );
};

/** Coordinates as full grids: every tensor along an axis of its own. */
const cartesian: Lowering = (call) => {
  const tensors = alike(call);
  const [only] = tensors;
  if (tensors.length === 1 && only !== undefined) return only;
  const lengths = tensors.map((tensor) => sizeAt(tensor, 0));
  const columns = tensors.map((tensor, axis) => {
    const along = op.unsqueeze(tensor, constant(without(tensors.length, axis), 'int64'));
    const grid = op.expand(along, vectorOf(lengths));
    return reshaped(grid, [-1, 1]);
  });
  return concatenated(columns, 1);
};

const without = (count: number, left: number): number[] =>
  Array.from({ length: count }, (_, index) => index).filter((index) => index !== left);

export const joiningRules: Rules = {
  'aten.cat.default': cat,
  'aten.concat.default': cat,
  'aten.concatenate.default': cat,
  'aten.stack.default': stack,
  'aten.hstack.default': stacked(1, (rank) => (rank === 1 ? 0 : 1)),
  'aten.vstack.default': stacked(2, () => 0),
  'aten.dstack.default': stacked(3, () => 2),
  'aten.column_stack.default': columnStack,
  'aten.row_stack.default': stacked(2, () => 0),
  'aten.atleast_1d.default': atLeast(1),
  'aten.atleast_1d.Sequence': atLeast(1),
  'aten.atleast_2d.default': atLeast(2),
  'aten.atleast_2d.Sequence': atLeast(2),
  'aten.atleast_3d.default': atLeast(3),
  'aten.atleast_3d.Sequence': atLeast(3),
  'aten.repeat.default': (call) => tiled(call.tensor('self'), call.sizes('repeats')),
  'aten.tile.default': (call) => tiled(call.tensor('self'), call.sizes('dims')),
  'aten.block_diag.default': blockDiag,
  'aten.kron.default': kron,
  'aten.cartesian_prod.default': cartesian,
};
