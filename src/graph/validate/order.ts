import type { GraphProto, NodeProto } from '../../onnx/messages.ts';

export function subgraphsOfNode(node: NodeProto): GraphProto[] {
  return node.attribute.flatMap((attribute) => [...(attribute.g ? [attribute.g] : []), ...attribute.graphs]);
}

/** Whether no order of the nodes puts each behind what it reads (Kahn's algorithm: linear, no recursion over the graph's depth). */
export function isCyclic(nodes: readonly NodeProto[]): boolean {
  const maker = new Map<string, number>();
  nodes.forEach((node, index) => {
    for (const name of node.output) if (name !== '') maker.set(name, index);
  });
  const waiting = new Array<number>(nodes.length).fill(0);
  const readers: number[][] = nodes.map(() => []);
  nodes.forEach((node, index) => {
    for (const name of namesRead(node)) {
      const made = maker.get(name);
      if (made === undefined) continue;
      readers[made]?.push(index);
      waiting[index] = (waiting[index] ?? 0) + 1;
    }
  });
  const ready = waiting.flatMap((count, index) => (count === 0 ? [index] : []));
  let done = 0;
  for (let index = ready.pop(); index !== undefined; index = ready.pop()) {
    done++;
    for (const reader of readers[index] ?? []) {
      const left = (waiting[reader] ?? 0) - 1;
      waiting[reader] = left;
      if (left === 0) ready.push(reader);
    }
  }
  return done < nodes.length;
}

/** Names a node reads, those its subgraphs read included (their own too, which does no harm where names are unique). */
function namesRead(node: NodeProto): Set<string> {
  const names = new Set(node.input);
  const stack = subgraphsOfNode(node);
  for (let graph = stack.pop(); graph !== undefined; graph = stack.pop()) {
    for (const output of graph.output) names.add(output.name ?? '');
    for (const inner of graph.node) {
      for (const name of inner.input) names.add(name);
      stack.push(...subgraphsOfNode(inner));
    }
  }
  return names;
}
