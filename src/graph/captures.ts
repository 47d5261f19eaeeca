import type { Graph } from './graph.ts';
import type { Node, Value } from './value.ts';

const known = new WeakMap<Graph, readonly Value[]>();

/** The graphs among a node's attributes. */
export function subgraphsOf(node: Node): readonly Graph[] {
  const graphs: Graph[] = [];
  for (const attribute of node.attributes.values()) {
    if (attribute.kind === 'graph') graphs.push(attribute.value);
    else if (attribute.kind === 'graphs') graphs.push(...attribute.value);
  }
  return graphs;
}

/** Every value a node depends on: its inputs, then what its subgraphs capture. */
export function usedBy(node: Node): readonly (Value | undefined)[] {
  const graphs = subgraphsOf(node);
  return graphs.length === 0 ? node.inputs : [...node.inputs, ...graphs.flatMap(capturesOf)];
}

/** The values a graph uses and does not define, each once, in the order of first use (constants that stand for themselves included). */
export function capturesOf(graph: Graph): readonly Value[] {
  const before = known.get(graph);
  if (before !== undefined) return before;
  const defined = new Set<Value>([...graph.inputs, ...graph.parameters]);
  for (const node of graph.nodes) for (const output of node.outputs) defined.add(output);
  const captured = new Set<Value>();
  const use = (value: Value | undefined): void => {
    if (value !== undefined && !defined.has(value)) captured.add(value);
  };
  for (const node of graph.nodes) usedBy(node).forEach(use);
  for (const output of graph.outputs) use(output.value);
  const captures = [...captured];
  known.set(graph, captures);
  return captures;
}
