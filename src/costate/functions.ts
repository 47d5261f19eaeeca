import type { FunctionDefinition } from '../graph/function.ts';
import type { Graph } from '../graph/graph.ts';
import { keyOf } from '../graph/passes/calls.ts';
import { rewriteGraph } from '../graph/passes/rewrite.ts';
import { everyNode } from '../graph/walk.ts';

/**
 * A graph in which rules call the model's own functions where it has some under the names the rules use: a file that was read brings its
 * definitions of the operators along, and a model holds one definition of a name.
 */
export function withOwnFunctions(graph: Graph, own: readonly FunctionDefinition[]): Graph {
  const byKey = new Map(own.map((definition) => [keyOf(definition), definition]));
  const settled = new Map<FunctionDefinition, FunctionDefinition>(own.map((definition) => [definition, definition]));
  const settle = (definition: FunctionDefinition): void => {
    if (settled.has(definition)) return;
    const key = keyOf(definition);
    const known = byKey.get(key);
    if (known !== undefined && sameSignature(known, definition)) {
      settled.set(definition, known);
      return;
    }
    for (const { callee } of everyNode(definition.body)) if (callee !== undefined) settle(callee);
    const body = rewriteGraph(definition.body, () => undefined, { functions: settled });
    const made = body === definition.body ? definition : { ...definition, body };
    settled.set(definition, made);
    byKey.set(key, made);
  };
  for (const { callee } of everyNode(graph)) if (callee !== undefined) settle(callee);
  return rewriteGraph(graph, () => undefined, { functions: settled });
}

function sameSignature(a: FunctionDefinition, b: FunctionDefinition): boolean {
  return a.body.inputs.length === b.body.inputs.length && a.body.outputs.length === b.body.outputs.length;
}
