import { HopfcoleError } from '../files/error.ts';
import { isValue } from './apply.ts';
import type { Graph } from './graph.ts';
import { recorded } from './record.ts';
import type { Node, Value } from './value.ts';
import { usedBy } from './walk.ts';

const noMetadata: ReadonlyMap<string, string> = new Map();

/**
 * A subgraph attribute from a body written as a function. The nodes made while it runs belong to it; every other value it uses is captured.
 * @throws BAD_ARGUMENT when the body does not give an array of values.
 */
export function subgraph(name: string, inputs: readonly Value[], body: () => readonly Value[]): Graph {
  const { result, nodes } = recorded(body);
  if (!Array.isArray(result) || !result.every(isValue))
    throw new HopfcoleError('BAD_ARGUMENT', 'expected the body to give an array of values', { argument: name });
  return bareGraph(name, inputs, result, reached(nodes, result));
}

/** A graph with nothing but what computes its outputs; unnamed outputs get names when it is written. */
export function bareGraph(
  name: string,
  inputs: readonly Value[],
  outputs: readonly Value[],
  nodes: readonly Node[],
): Graph {
  return {
    name,
    inputs,
    outputs: outputs.map((value) => ({ name: '', value })),
    nodes,
    parameters: [],
    doc: undefined,
    metadata: noMetadata,
    origin: undefined,
  };
}

/** Those of the nodes (given in the order they were made) that the outputs need. */
export function reached(nodes: readonly Node[], outputs: readonly Value[]): readonly Node[] {
  const needed = new Set<Node>();
  const need = (value: Value | undefined): void => {
    if (value?.source.kind === 'output') needed.add(value.source.node);
  };
  outputs.forEach(need);
  const kept: Node[] = [];
  for (const node of nodes.toReversed()) {
    if (!needed.has(node)) continue;
    kept.push(node);
    usedBy(node).forEach(need);
  }
  return kept.reverse();
}
