import type { Graph } from './graph.ts';
import type { Node, Value } from './value.ts';

const none: readonly Graph[] = [];
const known = new WeakMap<Graph, readonly Value[]>();

/** The graphs that a node carries as attributes (bodies of If, Loop, Scan ...), in order. */
export function subgraphsOf(node: Node): readonly Graph[] {
  if (node.attributes.size === 0) return none;
  let found: Graph[] | undefined;
  for (const attribute of node.attributes.values()) {
    if (attribute.kind !== 'graph' && attribute.kind !== 'graphs') continue;
    found ??= [];
    if (attribute.kind === 'graph') found.push(attribute.value);
    else found.push(...attribute.value);
  }
  return found ?? none;
}

/** A graph and its subgraphs at any depth. */
export function* everyGraph(graph: Graph): Generator<Graph> {
  const stack: Graph[] = [graph];
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    yield top;
    for (const node of top.nodes) stack.push(...subgraphsOf(node));
  }
}

/** Every node of a graph and of its subgraphs at any depth, each before those of its own subgraphs. */
export function* everyNode(graph: Graph): Generator<Node> {
  for (const inner of everyGraph(graph)) yield* inner.nodes;
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

/** All names that a graph uses, at any depth: of values and of nodes. */
export function usedNames(graph: Graph): Set<string> {
  const names = new Set<string>();
  const add = (name: string | undefined) => {
    if (name !== undefined && name !== '') names.add(name);
  };
  for (const inner of everyGraph(graph)) {
    for (const value of [...inner.inputs, ...inner.parameters]) add(value.name);
    for (const output of inner.outputs) add(output.name);
    for (const node of inner.nodes) {
      add(node.name);
      for (const value of node.outputs) add(value.name);
    }
  }
  return names;
}
