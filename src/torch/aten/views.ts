import * as op from '../../graph/op.ts';
import type { Call } from '../lower/call.ts';
import type { ViewRule, ViewRules } from '../lower/rule.ts';
import { axisOf, rankOf, reshaped, sizesOf } from '../lower/sizes.ts';

/** Views that are a permutation of the axes. */
const permuted = (perm: (call: Call, rank: number) => number[]): ViewRule => ({
  of: 'self',
  show: (call, base) => op.transpose(base, { perm: perm(call, rankOf(base)) }),
  back: (call, base, part) => {
    const order = perm(call, rankOf(base));
    return op.transpose(part, { perm: order.map((_, axis) => order.indexOf(axis)) });
  },
});

/** Views of the same elements in the same order. */
const inOrder = (size: string): ViewRule => ({
  of: 'self',
  show: (call, base) => reshaped(base, call.sizes(size)),
  back: (_, base, part) => reshaped(part, sizesOf(base)),
});

export const viewRules: ViewRules = {
  'aten.view.default': inOrder('size'),
  'aten.permute.default': permuted((call, rank) => call.ints('dims').map((dim) => axisOf(dim, rank))),
  'aten.transpose.int': permuted((call, rank) => {
    const [a, b] = [axisOf(call.int('dim0'), rank), axisOf(call.int('dim1'), rank)];
    return Array.from({ length: rank }, (_, axis) => (axis === a ? b : axis === b ? a : axis));
  }),
};
