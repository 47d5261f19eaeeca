import type { Graph } from '../graph.ts';
import type { Node, Value } from '../value.ts';

/** The graphs that a node carries as attributes (bodies of If, Loop, Scan ...), in order. */
export function subgraphsOf(node: Node): readonly Graph[] {
  let found: Graph[] | undefined;
  for (const attribute of node.attributes.values()) {
    if (attribute.kind === 'graph') {
      found ??= [];
      found.push(attribute.value);
    } else if (attribute.kind === 'graphs') {
      found ??= [];
      found.push(...attribute.value);
    }
  }
  return found ?? none;
}

const none: readonly Graph[] = [];

/** Every node of a graph and of its subgraphs at any depth, each before those of its own subgraphs. */
export function* everyNode(graph: Graph): Generator<Node> {
  for (const inner of everyGraph(graph)) yield* inner.nodes;
}

/** A graph and its subgraphs at any depth. */
export function* everyGraph(graph: Graph): Generator<Graph> {
  const stack: Graph[] = [graph];
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    yield top;
    for (const node of top.nodes) stack.push(...subgraphsOf(node));
  }
}

/** Values that a graph, at any depth, takes from outside: outputs of outer nodes, outer inputs and outer parameters. */
export function capturedValues(graph: Graph): Set<Value> {
  const inside = new Set<Value>();
  const used = new Set<Value>();
  for (const inner of everyGraph(graph)) {
    for (const value of inner.inputs) inside.add(value);
    for (const value of inner.parameters) inside.add(value);
    for (const node of inner.nodes) {
      for (const value of node.outputs) inside.add(value);
      for (const value of node.inputs) if (value !== undefined) used.add(value);
    }
    for (const { value } of inner.outputs) used.add(value);
  }
  for (const value of used) if (inside.has(value) || value.source.kind === 'constant') used.delete(value);
  return used;
}

/** What must be there before a node can run: its inputs and what its subgraphs capture. */
export function* dependenciesOf(node: Node): Generator<Value> {
  for (const input of node.inputs) if (input !== undefined) yield input;
  for (const graph of subgraphsOf(node)) yield* capturedValues(graph);
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
