import { HopfcoleError } from '../files/error.ts';
import type { FunctionDefinition } from './function.ts';
import { functionsInOrder, keyOf } from './passes/calls.ts';
import type { Node } from './value.ts';
import { subgraphsOf } from './walk.ts';

/**
 * The functions that nodes call, directly or through other functions, and `more`; each after those it calls.
 * @throws DUPLICATE_FUNCTION when two of them have one name, RECURSIVE_FUNCTION.
 */
export function collectFunctions(
  nodes: readonly Node[],
  more: readonly FunctionDefinition[],
): readonly FunctionDefinition[] {
  const byKey = new Map<string, FunctionDefinition>();
  const pending: (readonly Node[])[] = [];
  const add = (definition: FunctionDefinition): void => {
    const key = keyOf(definition);
    const before = byKey.get(key);
    if (before === definition) return;
    if (before !== undefined)
      throw new HopfcoleError(
        'DUPLICATE_FUNCTION',
        `two different functions are named ${definition.domain}::${definition.name}${definition.overload === '' ? '' : `:${definition.overload}`}`,
        { operator: definition.name },
        'Define the function once, or give one of them another overload',
      );
    byKey.set(key, definition);
    pending.push(definition.body.nodes);
  };
  more.forEach(add);
  pending.push(nodes);
  for (let list = pending.pop(); list !== undefined; list = pending.pop())
    for (const node of list) {
      if (node.callee !== undefined) add(node.callee);
      for (const graph of subgraphsOf(node)) pending.push(graph.nodes);
    }
  return functionsInOrder([...byKey.values()]);
}
