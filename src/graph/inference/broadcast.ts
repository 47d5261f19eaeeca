import { broadcastDims, broadcastFails } from '../dim.ts';
import type { Call } from '../rule.ts';
import { type Dim, describeShape, type Shape } from '../type.ts';
import { badShape, shapeOf } from './call.ts';

/** The shape two shapes broadcast to, as numpy does; undefined where a rank is unknown, 'fails' where they never do. */
export function broadcastShapes(a: Shape, b: Shape): Shape | 'fails' {
  if (a === undefined || b === undefined) return undefined;
  const rank = Math.max(a.length, b.length);
  const dims: Dim[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const left = axis < rank - a.length ? 1 : a[axis - rank + a.length];
    const right = axis < rank - b.length ? 1 : b[axis - rank + b.length];
    if (broadcastFails(left, right)) return 'fails';
    dims.push(broadcastDims(left, right));
  }
  return dims;
}

/** The common shape of several inputs. @throws SHAPE_MISMATCH naming the first that fits none before it. */
export function broadcastInputs(call: Call, indices: readonly number[], names: readonly string[]): Shape {
  let shape: Shape = [];
  let someUnknown = false;
  for (const [position, index] of indices.entries()) {
    const next = shapeOf(call, index);
    if (next === undefined) {
      someUnknown = true;
      continue;
    }
    const result: Shape | 'fails' = broadcastShapes(shape, next);
    if (result === 'fails')
      throw badShape(call, names[position] ?? `input ${index}`, `broadcastable with ${describeShape(shape)}`, next);
    shape = result;
  }
  return someUnknown ? undefined : shape;
}

/** @throws SHAPE_MISMATCH unless `shape` of an argument broadcasts to `target` without growing it. */
export function checkBroadcastsTo(call: Call, argument: string, shape: Shape, target: Shape): void {
  if (shape === undefined || target === undefined) return;
  const offset = target.length - shape.length;
  const grows = shape.some((dim, axis) => typeof dim === 'number' && dim !== 1 && target[axis + offset] === 1);
  if (offset < 0 || grows || broadcastShapes(shape, target) === 'fails')
    throw badShape(call, argument, `broadcastable to ${describeShape(target)}`, shape);
}
