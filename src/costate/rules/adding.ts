import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { cast, full, int, ints, isHalf, knownSizes, layoutOf, shapeOf } from '../pieces.ts';

/*
 * Sums by index, where an index may occur more than once. Not by ScatterND: two threads of ONNX Runtime's CPU that meet at an index lose
 * sums there (seen from some 10^5 numbers on). ScatterElements has one thread, is fastest along a single axis (2.4 ns a number, 8 to 15
 * along one of several), and has no float16 there: sums are made in float32, as PyTorch makes them.
 */

/** Below this many numbers more nodes cost more than a slower one. */
const few = 4096;

/** Zeros of that shape with updates added at indices along `axis` (as ScatterElements has them). */
export function added(shape: Value, indices: Value, updates: Value, axis = 0): Value {
  const dtype = isHalf(updates) ? 'float32' : (updates.dtype ?? 'float32');
  const sums = op.scatterElements(full(shape, 0, dtype), indices, cast(updates, dtype), { axis, reduction: 'add' });
  return cast(sums, updates.dtype ?? dtype);
}

/** g [indices.., rest..] added at rows of zeros like x [n, rest..]; indices of any rank, negative ones from the end. */
export function addedRows(x: Value, indices: Value, g: Value): Value {
  const list = cast(indices, 'int64');
  const rank = x.shape?.length;
  const flatten = (value: Value): Value => (value.shape?.length === 1 ? value : op.reshape(value, ints(-1)));
  if (rank === 1) return added(shapeOf(x), flatten(list), flatten(g));
  const rest = x.shape?.slice(1);
  // Of nothing, ONNX Runtime takes the Expand for one that can be left out.
  if (knownSizes(g.shape) && product(g.shape) > 0 && product(g.shape) <= few && knownSizes(rest)) {
    const count = product(g.shape.slice(0, g.shape.length - rest.length));
    const column = op.reshape(list, ints(count, ...rest.map(() => 1)));
    const shape = ints(count, ...rest);
    const rows = list.shape?.length === 1 ? g : op.reshape(g, shape, { allowzero: 1 });
    return added(shapeOf(x), op.expand(column, shape), rows);
  }
  const width = widthOf(x);
  const within = op.range(int(0), width, int(1));
  const numbers = op.add(op.mul(op.unsqueeze(list, ints(-1)), width), within);
  return op.reshape(added(sizeOfAll(x), flatten(numbers), flatten(g)), layoutOf(x), { allowzero: 1 });
}

/** The number of elements of x as a vector of one. */
export function sizeOfAll(x: Value): Value {
  return knownSizes(x.shape) ? ints(product(x.shape)) : op.reshape(op.size(x), ints(1));
}

/** How many numbers a row of x has (a scalar). */
function widthOf(x: Value): Value {
  const rest = x.shape?.slice(1);
  return knownSizes(rest) ? int(product(rest)) : op.reduceProd(op.shape(x, { start: 1 }), undefined, { keepdims: 0 });
}

function product(sizes: readonly number[]): number {
  return sizes.reduce((all, size) => all * size, 1);
}
