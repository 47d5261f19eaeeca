import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import type { Call } from '../lower/call.ts';
import { rankOf } from '../lower/sizes.ts';

/** A list of numbers, one for each of `count` spatial axes: a single one stands for all. */
export function spatial(call: Call, name: string, count: number, fallback?: readonly number[]): number[] {
  const given = call.ints(name, fallback);
  const [only] = given;
  return given.length === 1 && only !== undefined ? new Array<number>(count).fill(only) : given;
}

/** Runs what takes a batch on a tensor of `rank` axes that may come without one. */
export function batched(x: Value, rank: number, run: (x: Value) => Value): Value {
  if (rankOf(x) >= rank) return run(x);
  const axis = constant([0], 'int64');
  return op.squeeze(run(op.unsqueeze(x, axis)), axis);
}

/** More than this is no size of a picture, and is not written into a graph. */
const most = 1 << 22;

/** A number of elements that are written out as constants. @throws UNSUPPORTED_OPERATOR for one that no program needs. */
export function writable(call: Call, count: number): number {
  if (Number.isInteger(count) && count >= 0 && count <= most) return count;
  throw call.unsupported(`${count} elements of a constant`);
}

/** ONNX has all padding before the axes first. */
export function sides(padding: readonly number[]): number[] {
  return [...padding, ...padding];
}
