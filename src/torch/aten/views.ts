import * as op from '../../graph/op.ts';
import type { Call } from '../lower/call.ts';
import type { Lowering, Rules, ViewRule, ViewRules } from '../lower/rule.ts';
import { axisOf, rankOf } from '../lower/sizes.ts';
import { diagonalView } from './diagonal.ts';
import { orderViews } from './order-views.ts';
import { partViews } from './part-views.ts';
import { stridedView } from './strided.ts';
import { unfoldView } from './unfold.ts';

/** Views that are a permutation of the axes. */
const permuted = (perm: (call: Call, rank: number) => number[]): ViewRule => ({
  of: 'self',
  show: (call, base) => {
    const order = perm(call, rankOf(base));
    return order.every((axis, index) => axis === index) ? base : op.transpose(base, { perm: order });
  },
  back: (call, base, part) => {
    const order = perm(call, rankOf(base));
    return op.transpose(part, { perm: order.map((_, axis) => order.indexOf(axis)) });
  },
});

/** `order[i]`: two axes changed places. */
const swapped =
  (first: (call: Call, rank: number) => number, second: (call: Call, rank: number) => number) =>
  (call: Call, rank: number): number[] => {
    const [a, b] = [first(call, rank), second(call, rank)];
    return Array.from({ length: rank }, (_, axis) => (axis === a ? b : axis === b ? a : axis));
  };

const named =
  (name: string) =>
  (call: Call, rank: number): number =>
    axisOf(call.int(name), rank);
const fromEnd =
  (count: number) =>
  (_: Call, rank: number): number =>
    Math.max(rank - count, 0);

/** Axes `source` stand at `destination`, the others keep their order. */
function moved(call: Call, rank: number): number[] {
  const from = call.ints('source').map((axis) => axisOf(axis, rank));
  const to = call.ints('destination').map((axis) => axisOf(axis, rank));
  const others = Array.from({ length: rank }, (_, axis) => axis).filter((axis) => !from.includes(axis));
  return Array.from({ length: rank }, (_, place) => {
    const index = to.indexOf(place);
    return (index < 0 ? others.shift() : from[index]) ?? 0;
  });
}

const matrixTransposed = permuted(swapped(fromEnd(2), fromEnd(1)));
const transposed = permuted(swapped(named('dim0'), named('dim1')));
const axesSwapped = permuted(swapped(named('axis0'), named('axis1')));

export const viewRules: ViewRules = {
  ...orderViews,
  ...partViews,
  'aten.permute.default': permuted((call, rank) => call.ints('dims').map((dim) => axisOf(dim, rank))),
  'aten.transpose.int': transposed,
  'aten.swapdims.default': transposed,
  'aten.swapaxes.default': axesSwapped,
  'aten.t.default': permuted((_, rank) => (rank === 2 ? [1, 0] : Array.from({ length: rank }, (_, axis) => axis))),
  'aten.mT.default': matrixTransposed,
  'aten.mT.a': matrixTransposed,
  'aten.mH.default': matrixTransposed,
  'aten.mH.a': matrixTransposed,
  'aten.adjoint.default': matrixTransposed,
  'aten.numpy_T.default': permuted((_, rank) => Array.from({ length: rank }, (_, axis) => rank - 1 - axis)),
  'aten.numpy_T.a': permuted((_, rank) => Array.from({ length: rank }, (_, axis) => rank - 1 - axis)),
  'aten.matrix_H.default': matrixTransposed,
  'aten.matrix_H.a': matrixTransposed,
  'aten.movedim.int': permuted(moved),
  'aten.movedim.intlist': permuted(moved),
  'aten.moveaxis.int': permuted(moved),
  'aten.moveaxis.intlist': permuted(moved),
  'aten.diagonal.default': diagonalView,
  'aten.unfold.default': unfoldView,
  'aten.as_strided.default': stridedView,
};

/** What a view shows, as a tensor of its own. */
function shown(target: string): Lowering {
  const rule = viewRules[target];
  return (call) => rule?.show(call, call.tensor(rule.of));
}

/** The forms of views that copy, of which programs without views are made: `aten.permute_copy.default`. */
const copies: Rules = Object.fromEntries(
  Object.keys(viewRules).map((target) => [target.replace(/^(aten\.\w+)\./, '$1_copy.'), shown(target)]),
);

export const copyRules: Rules = {
  ...copies,
  'aten.unsafe_chunk.default': shown('aten.chunk.default'),
  'aten.unsafe_split.Tensor': shown('aten.split.Tensor'),
  'aten.unsafe_split_with_sizes.default': shown('aten.split_with_sizes.default'),
  'aten.view.dtype': (call) => {
    const [from, to] = [call.tensor('self'), call.dtype('dtype')];
    if (from.dtype !== to || call.meta('self')?.dtype !== call.outMeta().dtype)
      throw call.unsupported(`the bytes of ${from.dtype} read as ${to}`);
    return from;
  },
};
