import { HopfcoleError } from '../../files/error.ts';
import type { FunctionDefinition } from '../function.ts';
import type { Node } from '../value.ts';
import { everyNode } from './walk.ts';

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
  const state = new Map<FunctionDefinition, 'open' | 'done'>();
  const ordered: FunctionDefinition[] = [];
  for (const start of functions) {
    const stack = [{ definition: start, calls: calledBy(start, table) }];
    if (state.has(start)) continue;
    state.set(start, 'open');
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const next = top.calls.next();
      if (next.done === true) {
        state.set(top.definition, 'done');
        ordered.push(top.definition);
        stack.pop();
      } else if (state.get(next.value) === 'open') {
        throw recursion(
          next.value,
          stack.map(({ definition }) => definition),
        );
      } else if (!state.has(next.value)) {
        state.set(next.value, 'open');
        stack.push({ definition: next.value, calls: calledBy(next.value, table) });
      }
    }
  }
  return ordered;
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

function recursion(called: FunctionDefinition, open: readonly FunctionDefinition[]): HopfcoleError {
  const path = [...open.slice(open.indexOf(called)), called].map(({ name }) => name);
  const shown = path.length > 8 ? [...path.slice(0, 4), '...', ...path.slice(-3)] : path;
  return new HopfcoleError(
    'RECURSIVE_FUNCTION',
    `function ${called.name} calls itself: ${shown.join(' -> ')}`,
    { operator: called.name },
    'ONNX functions must not call themselves: use Loop or Scan instead',
  );
}
