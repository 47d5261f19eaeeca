import { HopfcoleError } from '../files/error.ts';
import { makeNode } from './make.ts';
import { moduleKey } from './module-path.ts';
import type { Value } from './value.ts';

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
