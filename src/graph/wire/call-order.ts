import { HopfcoleError } from '../../files/error.ts';
import type { onnx } from '../../onnx/messages.ts';
import { calleesFirst } from '../passes/call-order.ts';
import { functionKey } from '../passes/calls.ts';

type FunctionInit = onnx.FunctionProto.$Properties;
type NodeInit = onnx.NodeProto.$Properties;

/**
 * Functions so ordered that each comes after those it calls.
 * @throws DUPLICATE_FUNCTION, RECURSIVE_FUNCTION.
 */
export function callOrder(functions: readonly FunctionInit[]): readonly FunctionInit[] {
  const byKey = new Map<string, FunctionInit>();
  for (const definition of functions) {
    const key = functionKey(definition.domain ?? '', definition.name ?? '', definition.overload ?? '');
    if (byKey.has(key))
      throw new HopfcoleError(
        'DUPLICATE_FUNCTION',
        `the function ${definition.domain}::${definition.name} is defined twice`,
        {
          operator: definition.name ?? '',
        },
      );
    byKey.set(key, definition);
  }
  return calleesFirst(functions, (definition) => calledBy(definition, byKey));
}

function* calledBy(definition: FunctionInit, byKey: ReadonlyMap<string, FunctionInit>): Generator<FunctionInit> {
  const pending: NodeInit[][] = [definition.node ?? []];
  for (let nodes = pending.pop(); nodes !== undefined; nodes = pending.pop())
    for (const { opType, domain, overload, attribute } of nodes) {
      const callee = byKey.get(functionKey(domain ?? '', opType ?? '', overload ?? ''));
      if (callee !== undefined) yield callee;
      for (const { g, graphs } of attribute ?? [])
        for (const graph of [...(g ? [g] : []), ...(graphs ?? [])]) pending.push(graph.node ?? []);
    }
}
