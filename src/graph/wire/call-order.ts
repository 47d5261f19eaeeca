import { HopfcoleError } from '../../files/error.ts';
import type { onnx } from '../../onnx/messages.ts';
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
  const ordered: FunctionInit[] = [];
  const state = new Map<FunctionInit, 'open' | 'done'>();
  for (const root of functions) {
    if (state.has(root)) continue;
    const stack = [{ definition: root, calls: calledBy(root, byKey), next: 0 }];
    state.set(root, 'open');
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const callee = top.calls[top.next++];
      if (callee === undefined) {
        state.set(top.definition, 'done');
        ordered.push(top.definition);
        stack.pop();
      } else if (state.get(callee) === 'open') {
        throw new HopfcoleError(
          'RECURSIVE_FUNCTION',
          `the function ${callee.domain ?? ''}::${callee.name ?? ''} calls itself, directly or through others`,
          { operator: callee.name ?? '' },
          'ONNX functions must not call themselves: use Loop or Scan instead',
        );
      } else if (!state.has(callee)) {
        state.set(callee, 'open');
        stack.push({ definition: callee, calls: calledBy(callee, byKey), next: 0 });
      }
    }
  }
  return ordered;
}

function calledBy(definition: FunctionInit, byKey: ReadonlyMap<string, FunctionInit>): readonly FunctionInit[] {
  const called = new Set<FunctionInit>();
  const pending: NodeInit[][] = [definition.node ?? []];
  for (let nodes = pending.pop(); nodes !== undefined; nodes = pending.pop())
    for (const { opType, domain, overload, attribute } of nodes) {
      const callee = byKey.get(functionKey(domain ?? '', opType ?? '', overload ?? ''));
      if (callee !== undefined) called.add(callee);
      for (const { g, graphs } of attribute ?? [])
        for (const graph of [...(g ? [g] : []), ...(graphs ?? [])]) pending.push(graph.node ?? []);
    }
  return [...called];
}
