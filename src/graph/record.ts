import type { Node } from './value.ts';

/** Nodes made while a subgraph's body runs belong to that subgraph: the innermost recording takes them. */
const recordings: Node[][] = [];

export function recordNode(node: Node): void {
  recordings.at(-1)?.push(node);
}

/** Runs a subgraph's body; the nodes it made, in order, without those of subgraphs inside it. */
export function recorded<T>(body: () => T): { readonly result: T; readonly nodes: readonly Node[] } {
  const nodes: Node[] = [];
  recordings.push(nodes);
  try {
    return { result: body(), nodes };
  } finally {
    recordings.pop();
  }
}
