import type { Value } from '../src/graph/value.ts';
import type { Blocks } from './atoms.ts';
import { constructing, nth } from './define.ts';
import { gibbsRow, logitsRow, type Matrix, type Vector } from './float64.ts';
import { callSolution, type SolutionOptions } from './solution.ts';

/**
 * LogSumExp: X [B, d], W [N, d], b [N], epsilon -> F [B] = epsilon log sum_j exp((W_j.x + b_j)/epsilon); a bank W [K, N, d], b [K, N] gives
 * F [B, K] (theory.md section 1). An atom with b = -inf is left out; with none left F = -inf. A NaN logit makes its row NaN, one of +inf +inf.
 * @throws DTYPE_MISMATCH, SHAPE_MISMATCH, EMPTY_ATOMS, BAD_EPSILON, BAD_FORM
 */
export function logSumExp(x: Value, w: Blocks, b: Blocks, epsilon: Value, options: SolutionOptions = {}): Value {
  return constructing('LogSumExp', logSumExp, () => nth(callSolution('LogSumExp', x, w, b, epsilon, options), 0));
}

/** The float64 reference: one row. */
export function logSumExpReference(x: Vector, w: Matrix, b: Vector, epsilon: number): number {
  return gibbsRow(logitsRow(x, w, b), epsilon).f;
}
