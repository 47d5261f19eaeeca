import type { Graph } from '../graph/graph.ts';
import * as op from '../graph/op.ts';
import { rewriteGraph } from '../graph/passes/rewrite.ts';
import type { Dim } from '../graph/type.ts';
import type { Node, Value } from '../graph/value.ts';
import { ints } from './pieces.ts';

/** A network once more, on a batch that is several copies of the batch. */
export interface Replicated {
  readonly nodes: readonly Node[];
  /** What stands for a value there. */
  readonly copyOf: (value: Value) => Value;
}

/** The graph on `count` (int64[1]) copies of the batch, one behind another along axis 0; parameters are shared. */
export function replicated(graph: Graph, batch: Dim, count: Value): Replicated {
  const copies = new Map<Value, Value>();
  for (const value of graph.inputs) {
    if (value.source.kind !== 'input' || value.shape?.[0] !== batch) continue;
    const inner = op.shape(value, { start: 1 });
    const spread = op.expand(op.unsqueeze(value, ints(0)), op.concat([count, op.shape(value)], { axis: 0 }));
    copies.set(value, op.reshape(spread, op.concat([ints(-1), inner], { axis: 0 })));
  }
  const own = [...graph.inputs, ...graph.parameters].map((value) => [value, copies.get(value) ?? value] as const);
  // A copy's types are inferred anew: the batch has another size there.
  const { nodes } = rewriteGraph(graph, () => undefined, { values: new Map(own), copy: { rename: () => undefined } });
  nodes.forEach((node, at) => {
    node.outputs.forEach((copy, index) => {
      const original = graph.nodes[at]?.outputs[index];
      if (original !== undefined) copies.set(original, copy);
    });
  });
  return { nodes, copyOf: (value) => copies.get(value) ?? value };
}
