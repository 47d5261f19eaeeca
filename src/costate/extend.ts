import type { Graph, Output } from '../graph/graph.ts';
import type { Node, Value } from '../graph/value.ts';
import { usedBy } from '../graph/walk.ts';

/** A graph with more inputs and outputs, and behind its nodes the new ones that those outputs need. */
export function extended(graph: Graph, inputs: readonly Value[], outputs: readonly Output[]): Graph {
  return {
    ...graph,
    inputs: [...graph.inputs, ...inputs],
    outputs: [...graph.outputs, ...outputs],
    nodes: [
      ...graph.nodes,
      ...newNodes(
        graph.nodes,
        outputs.map(({ value }) => value),
      ),
    ],
  };
}

/** What values need that is not there yet, in topological order. */
export function newNodes(there: readonly Node[], values: readonly Value[]): readonly Node[] {
  const placed = new Set(there);
  const nodes: Node[] = [];
  const stack: { readonly node: Node; readonly needs: readonly (Value | undefined)[]; next: number }[] = [];
  const enter = (value: Value | undefined): void => {
    if (value?.source.kind !== 'output' || placed.has(value.source.node)) return;
    const { node } = value.source;
    placed.add(node);
    stack.push({ node, needs: usedBy(node), next: 0 });
  };
  for (const value of values) {
    enter(value);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      if (top.next < top.needs.length) enter(top.needs[top.next++]);
      else {
        nodes.push(top.node);
        stack.pop();
      }
    }
  }
  return nodes;
}

/** Those of the nodes (in order) that depend on any of the values, in whatever way. */
export function dependents(nodes: readonly Node[], values: Iterable<Value>): readonly Node[] {
  const depends = new Set(values);
  return nodes.filter((node) => {
    if (!usedBy(node).some((value) => value !== undefined && depends.has(value))) return false;
    for (const output of node.outputs) depends.add(output);
    return true;
  });
}
