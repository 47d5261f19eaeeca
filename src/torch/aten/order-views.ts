import { sameDim } from '../../graph/dim.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import type { Call } from '../lower/call.ts';
import type { Size } from '../lower/item.ts';
import type { ViewRule, ViewRules } from '../lower/rule.ts';
import { axisOf, dimOf, rankOf, reshaped, sizesOf, vectorOf } from '../lower/sizes.ts';
import { selected, sliced } from './cuts.ts';
import { productOfSizes } from './size-math.ts';
import { staysView } from './strides.ts';

/** Views of the same elements in the same order. */
const inOrder = (sizes: (call: Call, base: Value) => readonly Size[], mayCopy = false): ViewRule => ({
  of: 'self',
  show: (call, base) => reshaped(base, sizes(call, base)),
  back: (_, base, part) => reshaped(part, sizesOf(base)),
  ...(mayCopy ? { when: staysView } : {}),
});

/** `size` as it is given; strides are of no account here. */
const given = (name: string) => (call: Call) => call.ignore('stride').sizes(name);
const like = (call: Call): Size[] => sizesOf(call.tensor('other'));

function flattened(call: Call, base: Value): Size[] {
  const rank = rankOf(base);
  const [start, end] = [axisOf(call.int('start_dim', 0), rank), axisOf(call.int('end_dim', -1), rank)];
  const sizes = sizesOf(base);
  return [...sizes.slice(0, start), joined(sizes.slice(start, end + 1)), ...sizes.slice(end + 1)];
}

/** One size of several; of none, one. A size that is not known is left to be inferred. */
function joined(sizes: readonly Size[]): Size {
  const size = productOfSizes(sizes);
  return typeof size === 'number' || sizes.length === 1 ? size : -1;
}

function unflattened(call: Call, base: Value): Size[] {
  const sizes = sizesOf(base);
  const axis = axisOf(call.int('dim'), rankOf(base));
  return [...sizes.slice(0, axis), ...call.sizes('sizes'), ...sizes.slice(axis + 1)];
}

const withAxis = (x: Value, axis: number): Value => op.unsqueeze(x, constant([axis], 'int64'));

/** Without those of the named axes that are 1 long; `axes` of the base. */
const squeezed = (axes: (call: Call, rank: number) => readonly number[]): ViewRule => {
  const ones = (call: Call, base: Value): number[] => {
    const found = axes(call, rankOf(base)).filter((axis) => base.shape?.[axis] === 1);
    return [...new Set(found)].sort((a, b) => a - b);
  };
  return {
    of: 'self',
    show: (call, base) => {
      const which = ones(call, base);
      return which.length === 0 ? base : op.squeeze(base, constant(which, 'int64'));
    },
    back: (call, base, part) => {
      const which = ones(call, base);
      return which.length === 0 ? part : op.unsqueeze(part, constant(which, 'int64'));
    },
  };
};

/** Repeated along axes of size 1 and new axes in front; what is written to all copies of an element alike is the element's. */
const expanded = (sizes: (call: Call) => readonly Size[]): ViewRule => ({
  of: 'self',
  show: (call, base) => {
    call.ignore('implicit');
    const wanted = sizes(call);
    const ahead = wanted.length - rankOf(base);
    // A one broadcasts: axes that stay as they are need not be known.
    const targets = wanted.map((size, axis): Size => {
      const own = axis < ahead ? undefined : base.shape?.[axis - ahead];
      const stays = size === -1 || (axis >= ahead && (sameDim(own, dimOf(size)) || (own !== 1 && own !== undefined)));
      return stays ? 1 : size;
    });
    return ahead === 0 && targets.every((size) => size === 1) ? base : op.expand(base, vectorOf(targets));
  },
  back: (_, base, part) => {
    let first = part;
    while (rankOf(first) > rankOf(base)) first = selected(first, 0, 0);
    for (const [axis, dim] of (base.shape ?? []).entries())
      if (dim === 1 && first.shape?.[axis] !== 1) first = sliced(first, { axis, start: 0, end: 1, step: 1 });
    return first;
  },
});

export const orderViews: ViewRules = {
  'aten.view.default': inOrder(given('size')),
  'aten._unsafe_view.default': inOrder(given('size')),
  'aten._reshape_alias.default': inOrder(given('size')),
  'aten.reshape.default': inOrder(given('shape'), true),
  'aten.view_as.default': inOrder(like),
  'aten.reshape_as.default': inOrder(like, true),
  'aten.flatten.using_ints': inOrder(flattened, true),
  'aten.unflatten.int': inOrder(unflattened),
  'aten.ravel.default': inOrder(() => [-1], true),
  'aten.squeeze.default': squeezed((_, rank) => Array.from({ length: rank }, (_, axis) => axis)),
  'aten.squeeze.dim': squeezed((call, rank) => [axisOf(call.int('dim'), rank)]),
  'aten.squeeze.dims': squeezed((call, rank) => call.ints('dim').map((dim) => axisOf(dim, rank))),
  'aten.unsqueeze.default': {
    of: 'self',
    show: (call, base) => withAxis(base, axisOf(call.int('dim'), rankOf(base) + 1)),
    back: (call, base, part) => op.squeeze(part, constant([axisOf(call.int('dim'), rankOf(base) + 1)], 'int64')),
  },
  'aten.expand.default': expanded((call) => call.sizes('size')),
  'aten.expand_as.default': expanded(like),
  'aten.broadcast_to.default': expanded((call) => call.sizes('size')),
};
