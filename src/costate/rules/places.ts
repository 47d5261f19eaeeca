import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { full, int, ints, layoutOf, shapeOf } from '../pieces.ts';
import { added, sizeOfAll } from './adding.ts';

/** Co-states of operators that only pick elements, by asking them which they picked: they are run on the elements' numbers. */

/** 0, 1, 2 ... in the shape of x (int64). */
export function numbered(x: Value): Value {
  const all = op.range(int(0), op.size(x), int(1));
  return x.shape?.length === 1 ? all : op.reshape(all, shapeOf(x), { allowzero: 1 });
}

/** g put back where its elements came from; `from` are their flat numbers in x, those that repeat add up. */
export function putBack(g: Value, x: Value, from: Value, repeated: boolean): Value {
  const [flat, updates] = [op.reshape(from, ints(-1)), op.reshape(g, ints(-1))];
  const made = repeated
    ? added(sizeOfAll(x), flat, updates)
    : op.scatterElements(full(sizeOfAll(x), 0, g.dtype ?? 'float32'), flat, updates);
  return x.shape?.length === 1 ? made : op.reshape(made, layoutOf(x), { allowzero: 1 });
}

/** A list of indices (int64, one axis) along `axis`, spread to the shape of `like`. */
export function alongAxis(indices: Value, axis: number, like: Value, rank: number): Value {
  const shape = Array.from({ length: rank }, (_, at) => (at === axis ? -1 : 1));
  return op.expand(op.reshape(indices, ints(...shape)), shapeOf(like));
}
