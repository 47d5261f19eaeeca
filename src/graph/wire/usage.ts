import type { Graph } from '../graph.ts';
import type { Value } from '../value.ts';
import { subgraphsOf } from '../walk.ts';

/** What writing needs to know of a graph, all its depths together, before the first name is given. */
export interface Usage {
  /** Values that something reads. */
  readonly used: ReadonlySet<Value>;
  /** Names that stand in the graph already. */
  readonly names: ReadonlySet<string>;
  /** Constants and parameters that no graph lists, by the graph that is to hold them: the one that uses them, or the outermost where several do. */
  readonly loose: ReadonlyMap<Graph, readonly Value[]>;
}

export function usageOf(root: Graph): Usage {
  const used = new Set<Value>();
  const names = new Set<string>();
  const listed = new Set<Value>();
  const holders = new Map<Value, Graph>();
  const note = (name: string | undefined): void => {
    if (name !== undefined) names.add(name);
  };
  const use = (value: Value | undefined, graph: Graph): void => {
    if (value === undefined) return;
    used.add(value);
    note(value.name);
    const { kind } = value.source;
    if (kind !== 'constant' && kind !== 'parameter') return;
    const before = holders.get(value);
    holders.set(value, before === undefined || before === graph ? graph : root);
  };
  const graphs: Graph[] = [root];
  for (let graph = graphs.pop(); graph !== undefined; graph = graphs.pop()) {
    for (const value of [...graph.inputs, ...graph.parameters]) note(value.name);
    for (const value of graph.parameters) listed.add(value);
    for (const node of graph.nodes) {
      for (const value of node.inputs) use(value, graph);
      for (const value of node.outputs) note(value.name);
      note(node.name);
      graphs.push(...subgraphsOf(node).toReversed());
    }
    for (const { name, value } of graph.outputs) {
      note(name);
      use(value, graph);
    }
  }
  const loose = new Map<Graph, Value[]>();
  for (const [value, graph] of holders) {
    if (listed.has(value)) continue;
    // Parameters belong to the model: nobody looks for a weight inside a branch.
    const holder = value.source.kind === 'parameter' ? root : graph;
    const list = loose.get(holder);
    if (list === undefined) loose.set(holder, [value]);
    else list.push(value);
  }
  return { used, names, loose };
}
