import * as op from '../../graph/op.ts';
import { constantIntegers } from '../../graph/passes/constants.ts';
import type { Value } from '../../graph/value.ts';
import { ints } from '../pieces.ts';

/** Longer lists of places are not written into the graph. */
export const longest = 4096;

/** Constant indices (of rank 0 or 1) counted from the front, where no two are the same; undefined where that is not known. */
export function distinct(indices: Value, size: unknown): readonly number[] | undefined {
  if (typeof size !== 'number' || size > longest || (indices.shape?.length ?? 2) > 1) return undefined;
  const places = constantIntegers(indices)?.map((place) => (place < 0 ? place + size : place));
  return places !== undefined && new Set(places).size === places.length ? places : undefined;
}

/** The parts of g along `axis` put at those places (none twice) of `size`, among zeros: by Pad and Gather, without a scatter. */
export function spread(g: Value, axis: number, places: readonly number[], size: number): Value {
  const [first = 0] = places;
  const rest = size - places.length;
  if (places.every((place, part) => place === first + part))
    return rest === 0 ? g : op.pad(g, ints(first, rest - first), undefined, ints(axis));
  const parts = new Array<number>(size).fill(-1);
  places.forEach((place, part) => {
    parts[place] = part;
  });
  // Each zero is taken once, so that this rule serves its own co-state as well.
  let zero = places.length;
  const order = parts.map((part) => (part < 0 ? zero++ : part));
  const padded = rest === 0 ? g : op.pad(g, ints(0, rest), undefined, ints(axis));
  return op.gather(padded, ints(...order), { axis });
}
