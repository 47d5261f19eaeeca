import { sameDim } from '../../graph/dim.ts';
import * as op from '../../graph/op.ts';
import type { Shape } from '../../graph/type.ts';
import type { Value } from '../../graph/value.ts';
import type { Size } from '../lower/item.ts';
import type { Rules } from '../lower/rule.ts';
import { rankOf, sizeAt, vectorOf } from '../lower/sizes.ts';

export const broadcastingRules: Rules = {
  'aten.broadcast_tensors.default': (call) => {
    const given = call.tensors('tensors');
    const { sizes } = call.outMeta();
    return given.map((x) => (isOf(x, sizes) ? x : op.expand(x, vectorOf(sizesAmong(given, sizes)))));
  },
};

function isOf(x: Value, sizes: Shape): boolean {
  return x.shape?.length === sizes?.length && x.shape?.every((dim, axis) => sameDim(dim, sizes?.[axis])) === true;
}

/** The sizes as numbers, or of the tensor that has each. */
function sizesAmong(given: readonly Value[], sizes: NonNullable<Shape>): Size[] {
  return sizes.map((dim, axis) => {
    if (typeof dim === 'number') return dim;
    const fromEnd = axis - sizes.length;
    const holder = given.find((x) => -fromEnd <= rankOf(x) && sameDim(x.shape?.at(fromEnd), dim));
    const any = given.find((x) => -fromEnd <= rankOf(x) && x.shape?.at(fromEnd) !== 1);
    return sizeAt(holder ?? any ?? (given[0] as Value), rankOf(holder ?? any ?? (given[0] as Value)) + fromEnd);
  });
}
