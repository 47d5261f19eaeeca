import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { balancedSum } from '../pieces.ts';

/** The sum of the co-states that reach one value: of sequences element by element. */
export function sumOfBars(terms: readonly Value[]): Value | undefined {
  if (terms.length < 2 || terms[0]?.type?.kind !== 'sequence') return balancedSum(terms);
  return terms.reduce((sum, term) => op.sequenceMap(sum, [term], (a, b) => [op.add(a, b as Value)])[0] as Value);
}
