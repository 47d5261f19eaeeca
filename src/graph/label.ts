import { HopfcoleError } from '../files/error.ts';
import { makeNode } from './make.ts';
import type { Value } from './value.ts';

/** Metadata key of the module a node belongs to, as PyTorch's users name modules: `blocks.0.attn`. */
export const moduleKey = 'hopfcole.module';

/**
 * The same value from a node that carries a name and the module it belongs to (values are immutable: the node is made anew,
 * its types kept). @throws BAD_ARGUMENT for a value that no node made.
 */
export function inModule(value: Value, module: string): Value {
  if (value.source.kind !== 'output')
    throw new HopfcoleError(
      'BAD_ARGUMENT',
      `only the output of an operator can be in a module, got ${value.source.kind}`,
    );
  const { node, index } = value.source;
  const outputs = makeNode({
    ...node,
    name: module,
    metadata: new Map([...node.metadata, [moduleKey, module]]),
    outputCount: node.outputs.length,
    outputNames: node.outputs.map(({ name }) => name),
    inferred: node.outputs.map(({ type, known }) => ({ type, known })),
  }).outputs;
  return outputs[index] ?? value;
}
