import { domain } from '../../ops/domain.ts';
import { HopfcoleError } from '../files/error.ts';
import { isStored, type Tensor, toNumbers } from '../files/tensor.ts';
import type { Model } from '../graph/graph.ts';
import { constantTensor } from '../graph/passes/constants.ts';
import type { Value } from '../graph/value.ts';
import { everyNode } from '../graph/walk.ts';
import { argumentsOf } from './arguments.ts';

/**
 * Holds every temperature that a model gives to our operators, as far as the file says it, to be above 0 and finite.
 * @throws BAD_EPSILON naming the node.
 */
export function assertEpsilons(model: Model): void {
  for (const node of everyNode(model.graph)) {
    if (node.domain !== domain) continue;
    const value = argumentsOf(node).get('epsilon');
    const tensor = tensorOf(value);
    const bad = tensor === undefined ? undefined : toNumbers(tensor).find((e) => !(e > 0 && Number.isFinite(e)));
    if (bad !== undefined)
      throw new HopfcoleError(
        'BAD_EPSILON',
        `expected 'epsilon' > 0 and finite, got ${Object.is(bad, -0) ? '-0' : bad}`,
        { node: node.name, operator: node.opType, tensor: value?.name },
        'Build or import the model again with another epsilon',
      );
  }
}

/** What the value is where nobody overrides it. */
function tensorOf(value: Value | undefined): Tensor | undefined {
  const source = value?.source;
  if (source?.kind === 'parameter') return isStored(source.tensor) ? undefined : source.tensor;
  return constantTensor(value);
}
