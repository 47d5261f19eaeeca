import type { Value } from '../../graph/value.ts';
import { balancedSum } from '../pieces.ts';

/** The sum of the co-states that reach one value. */
export function sumOfBars(terms: readonly Value[]): Value | undefined {
  return balancedSum(terms);
}
