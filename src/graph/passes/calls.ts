import type { FunctionDefinition } from '../function.ts';
import type { Node } from '../value.ts';
import { everyNode } from '../walk.ts';
import { calleesFirst } from './call-order.ts';

/** What tells one model-local function from another. */
export function functionKey(domain: string, name: string, overload: string): string {
  return JSON.stringify([domain === 'ai.onnx' ? '' : domain, name, overload]);
}

export function keyOf(definition: FunctionDefinition): string {
  return functionKey(definition.domain, definition.name, definition.overload);
}

/** The function a node calls among those of a model, by its callee or else by name. */
export function calleeOf(
  node: Node,
  functions: ReadonlyMap<string, FunctionDefinition>,
): FunctionDefinition | undefined {
  return node.callee ?? functions.get(functionKey(node.domain, node.opType, node.overload));
}

export function functionTable(functions: readonly FunctionDefinition[]): Map<string, FunctionDefinition> {
  return new Map(functions.map((definition) => [keyOf(definition), definition]));
}

/**
 * Functions so ordered that each comes after those it calls.
 * @throws RECURSIVE_FUNCTION when one calls itself, directly or through others.
 */
export function functionsInOrder(functions: readonly FunctionDefinition[]): FunctionDefinition[] {
  const table = functionTable(functions);
  return calleesFirst(functions, (definition) => calledBy(definition, table));
}

function* calledBy(
  definition: FunctionDefinition,
  table: ReadonlyMap<string, FunctionDefinition>,
): Generator<FunctionDefinition> {
  for (const node of everyNode(definition.body)) {
    const callee = calleeOf(node, table);
    if (callee !== undefined) yield callee;
  }
}
