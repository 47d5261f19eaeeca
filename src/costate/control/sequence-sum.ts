import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { balancedSum, zerosLike } from '../pieces.ts';

/** The sum of the co-states that reach one value: of sequences element by element. */
export function sumOfBars(terms: readonly Value[]): Value | undefined {
  if (terms.length < 2 || terms[0]?.type?.kind !== 'sequence') return balancedSum(terms);
  return terms.reduce((sum, term) => op.sequenceMap(sum, [term], (a, b) => [op.add(a, b as Value)])[0] as Value);
}

/** The co-state of a tensor, or of a list of tensors, that nothing depends on. */
export function zeroBar(value: Value): Value {
  switch (value.type?.kind) {
    case 'sequence':
      return op.sequenceMap(value, [], (element) => [zerosLike(element)])[0] as Value;
    case 'optional':
      return zeroBar(op.optionalGetElement(value));
    default:
      return zerosLike(value);
  }
}
