import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { type Case, whole } from './judge.ts';

export type Pool = (x: Value) => Value | readonly Value[];

/** A pool of x, squared so that the second order has something to see. */
export function pool(
  name: string,
  shape: readonly number[],
  make: Pool,
  torch: string,
  more: Partial<Case> = {},
): Case {
  return {
    name,
    inputs: { x: shape },
    build: ({ x }) => make(op.mul(x as Value, x as Value)),
    torch: torch.replaceAll('X', '(x * x)'),
    engines: ['reference'],
    ...more,
  };
}

/** Many ties. */
export const tied = (shape: readonly number[]): Partial<Case> => ({
  inputs: {
    x: whole(
      'float64',
      shape,
      Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => ((i * 7) % 3) + 1),
    ),
  },
  tolerance: { differences: Number.POSITIVE_INFINITY, second: Number.POSITIVE_INFINITY },
});
