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

/** ONNX has all padding before the axes first. */
export function sides(padding: readonly number[]): number[] {
  return [...padding, ...padding];
}
