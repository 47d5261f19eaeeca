import { fromNumbers, type Tensor } from '../../src/files/tensor.ts';
import { constant } from '../../src/graph/make.ts';
import type { Value } from '../../src/graph/value.ts';
import type { Case, Values } from './judge.ts';

type Given = Case['inputs'][string];

export function get(v: Values, name: string): Value {
  const value = v[name];
  if (value === undefined) throw new Error(`no ${name}`);
  return value;
}

/** An operator of one input, `x` for PyTorch. */
export function unary(
  name: string,
  build: (x: Value) => Value,
  torch: string,
  input: Given = [3, 4],
  more: Partial<Case> = {},
): Case {
  return { name, inputs: { x: input }, build: (v) => build(get(v, 'x')), torch, ...more };
}

/** An operator of two inputs, `a` and `b` for PyTorch. */
export function binary(
  name: string,
  build: (a: Value, b: Value) => Value,
  torch: string,
  a: Given,
  b: Given,
  more: Partial<Case> = {},
): Case {
  return { name, inputs: { a, b }, build: (v) => build(get(v, 'a'), get(v, 'b')), torch, ...more };
}

export function tensor(shape: readonly number[], values: readonly number[]): Tensor {
  return fromNumbers('float64', shape, values);
}

/** A constant of the element type of `like`. */
export function scalar(value: number, like: Value): Value {
  return constant(fromNumbers(like.dtype ?? 'float32', [], [value]));
}

/** Differences are not judged: at a kink they see the mean of both sides, at the border of a domain NaN. */
export const kinked = {
  tolerance: { differences: Number.POSITIVE_INFINITY, second: Number.POSITIVE_INFINITY },
} as const satisfies Partial<Case>;
