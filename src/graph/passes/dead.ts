import type { FunctionDefinition } from '../function.ts';
import type { Graph, Model } from '../graph.ts';
import type { Node, Value } from '../value.ts';
import { everyNode, subgraphsOf } from '../walk.ts';
import { calleeOf, functionTable } from './calls.ts';
import { rewriteGraph } from './rewrite.ts';

/** A model without the nodes, parameters and functions that no output depends on. Inputs stay: they are its signature. */
export function removeDead(model: Model): Model {
  const graph = removeDeadNodes(model.graph);
  const table = functionTable(model.functions);
  const used = new Set<FunctionDefinition>();
  const bodies: Graph[] = [graph];
  for (let body = bodies.pop(); body !== undefined; body = bodies.pop())
    for (const node of everyNode(body)) {
      const callee = calleeOf(node, table);
      if (callee === undefined || used.has(callee)) continue;
      used.add(callee);
      bodies.push(callee.body);
    }
  const functions = model.functions.filter((definition) => used.has(definition));
  const same = graph === model.graph && functions.length === model.functions.length;
  return same ? model : { ...model, graph, functions };
}

/** A graph, subgraphs included, without what its outputs do not need. */
function removeDeadNodes(graph: Graph): Graph {
  const live = liveValues(graph);
  return rewriteGraph(graph, () => undefined, {
    keepNode: (node) => node.outputs.some((value) => live.has(value)),
    keepParameter: (value) => live.has(value) || isOverridable(value),
  });
}

/** Values that a graph's outputs depend on. A node that lives keeps all its subgraphs' outputs alive. */
function liveValues(graph: Graph): Set<Value> {
  const live = new Set<Value>();
  const entered = new Set<Node>();
  const stack: Value[] = graph.outputs.map((output) => output.value);
  for (let value = stack.pop(); value !== undefined; value = stack.pop()) {
    if (live.has(value)) continue;
    live.add(value);
    const { source } = value;
    if (source.kind !== 'output' || entered.has(source.node)) continue;
    entered.add(source.node);
    for (const input of source.node.inputs) if (input !== undefined) stack.push(input);
    for (const inner of subgraphsOf(source.node)) for (const output of inner.outputs) stack.push(output.value);
  }
  return live;
}

function isOverridable({ source }: Value): boolean {
  return source.kind === 'parameter' && source.overridable === true;
}
