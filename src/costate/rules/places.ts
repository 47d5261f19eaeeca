import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { full, int, ints, shapeOf, sizeOf } from '../pieces.ts';

/** Co-states of operators that only pick elements, by asking them which they picked: they are run on the elements' numbers. */

/** 0, 1, 2 ... in the shape of x (int64). */
export function numbered(x: Value): Value {
  const all = op.range(int(0), op.size(x), int(1));
  return x.shape?.length === 1 ? all : op.reshape(all, shapeOf(x), { allowzero: 1 });
}

/** g put back where its elements came from; `from` are their flat numbers in x, those that repeat add up. */
export function putBack(g: Value, x: Value, from: Value, repeated: boolean): Value {
  const zeros = full(op.reshape(op.size(x), ints(1)), 0, g.dtype ?? 'float32');
  const [flat, updates] = [op.reshape(from, ints(-1)), op.reshape(g, ints(-1))];
  const made = op.scatterElements(zeros, flat, updates, repeated ? { reduction: 'add' } : {});
  return x.shape?.length === 1 ? made : op.reshape(made, shapeOf(x), { allowzero: 1 });
}

/** A list of indices (int64, one axis) along `axis`, spread to the shape of `like`. */
export function alongAxis(indices: Value, axis: number, like: Value, rank: number): Value {
  const shape = Array.from({ length: rank }, (_, at) => (at === axis ? -1 : 1));
  return op.expand(op.reshape(indices, ints(...shape)), shapeOf(like));
}

/** The sizes of axes `from` to `to` of x as one vector; undefined for none. */
export function sizesOf(x: Value, from: number, to: number): Value | undefined {
  if (from >= to) return undefined;
  const dims = x.shape?.slice(from, to);
  if (dims?.every((dim) => typeof dim === 'number')) return ints(...dims.map(Number));
  return to - from === 1 ? sizeOf(x, from) : op.shape(x, { start: from, end: to });
}

/** A shape of parts, those that are undefined left out. */
export function shapeFrom(...parts: readonly (Value | undefined)[]): Value {
  const there = parts.filter((part) => part !== undefined);
  return there.length === 1 && there[0] !== undefined ? there[0] : op.concat(there, { axis: 0 });
}
