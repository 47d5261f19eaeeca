import type { Value } from '../src/graph/value.ts';
import type { Blocks } from './atoms.ts';
import { constructing, nth } from './define.ts';
import { average, gibbsRow, logitsRow, type Matrix, type Vector } from './float64.ts';
import { callSolution, type SolutionOptions } from './solution.ts';

/**
 * CoState: X [B, d], W [N, d], b [N], epsilon -> P [B, d] = grad F = E_pi W; a bank gives [B, K, d] (theory.md 2.1). 0 where no atom is left.
 * @throws DTYPE_MISMATCH, SHAPE_MISMATCH, EMPTY_ATOMS, BAD_EPSILON, BAD_FORM
 */
export function coState(x: Value, w: Blocks, b: Blocks, epsilon: Value, options: SolutionOptions = {}): Value {
  return constructing('CoState', coState, () => nth(callSolution('CoState', x, w, b, epsilon, options), 0));
}

/**
 * Solution: F and P of LogSumExp and CoState in one pass over the atoms.
 * @throws DTYPE_MISMATCH, SHAPE_MISMATCH, EMPTY_ATOMS, BAD_EPSILON, BAD_FORM
 */
export function solution(
  x: Value,
  w: Blocks,
  b: Blocks,
  epsilon: Value,
  options: SolutionOptions = {},
): readonly [f: Value, p: Value] {
  return constructing('Solution', solution, () => {
    const outputs = callSolution('Solution', x, w, b, epsilon, options);
    return [nth(outputs, 0), nth(outputs, 1)];
  });
}

/** The float64 reference: one row. */
export function coStateReference(x: Vector, w: Matrix, b: Vector, epsilon: number): Float64Array {
  return average(gibbsRow(logitsRow(x, w, b), epsilon).weights, w);
}
