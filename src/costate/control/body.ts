import type { Graph } from '../../graph/graph.ts';
import * as op from '../../graph/op.ts';
import { rewriteGraph } from '../../graph/passes/rewrite.ts';
import type { Node, Value } from '../../graph/value.ts';

/** A subgraph's body made anew in the graph that is being built. */
export interface Instance {
  readonly nodes: readonly Node[];
  readonly outputs: readonly Value[];
}

/** The nodes of a subgraph once more, on values that stand for its inputs. What it captures it captures still. */
export function instantiate(graph: Graph, inputs: readonly Value[]): Instance {
  const values = new Map<Value, Value>();
  graph.inputs.forEach((input, index) => {
    const value = inputs[index];
    if (value !== undefined) values.set(input, value);
  });
  const copy = { rename: (): undefined => undefined };
  const copied = rewriteGraph(graph, () => undefined, { values, copy });
  return { nodes: copied.nodes, outputs: copied.outputs.map(({ value }) => value) };
}

/** The co-states of a body's outputs by value: an output may be an input or a captured value itself, and two may be one. */
export function seedsOf(outputs: readonly Value[], bars: readonly (Value | undefined)[]): Map<Value, Value> {
  const seeds = new Map<Value, Value>();
  outputs.forEach((value, index) => {
    const bar = bars[index];
    if (bar === undefined) return;
    const before = seeds.get(value);
    seeds.set(value, before === undefined ? bar : op.add(before, bar));
  });
  return seeds;
}
