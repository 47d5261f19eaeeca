import type { Node, Value } from './value.ts';

/**
 * How one operator passes the co-state (reverse-mode derivative) from its outputs to its inputs.
 * `cotangents[i]` is the derivative of the objective with respect to output i, undefined where it is structurally zero.
 * The result has one entry per input, undefined where the derivative is zero or the input is not differentiable;
 * `wanted[i]` says whether input i needs one. A rule is written with the IR's own operators, so it differentiates again.
 */
export type CostateRule = (
  node: Node,
  cotangents: readonly (Value | undefined)[],
  wanted: readonly boolean[],
) => readonly (Value | undefined)[];
