import type { Where } from '../../files/error.ts';
import type { FunctionProto, NodeProto, onnx } from '../../onnx/messages.ts';
import { functionKey } from '../passes/calls.ts';
import { canonicalDomain } from '../schema.ts';
import type { Problems } from './problem.ts';

/** What is known while a graph or function body is looked at. */
export interface Context {
  readonly problems: Problems;
  readonly irVersion: number;
  /** Domain ('' for ai.onnx) -> version, in force here. */
  readonly opsets: ReadonlyMap<string, number>;
  readonly functions: ReadonlyMap<string, FunctionProto>;
  /** The function whose body this is, with the attributes its nodes may refer to. */
  readonly inside: { readonly name: string; readonly attributes: ReadonlySet<string> } | undefined;
}

/** Names visible in a graph. */
export class Scope {
  readonly names = new Set<string>();
  /** What nodes of the subgraphs make that have been looked at so far, at any depth. */
  readonly inside = new Set<string>();
  readonly outer: Scope | undefined;

  constructor(outer?: Scope) {
    this.outer = outer;
  }

  sees(name: string): boolean {
    for (let scope: Scope | undefined = this; scope !== undefined; scope = scope.outer)
      if (scope.names.has(name)) return true;
    return false;
  }

  *all(): Generator<string> {
    for (let scope: Scope | undefined = this; scope !== undefined; scope = scope.outer) yield* scope.names;
  }
}

function operatorOf(node: NodeProto): string {
  return node.domain ? `${node.domain}::${node.opType ?? ''}` : (node.opType ?? '');
}

export function whereOf(node: NodeProto, index: number, context: Context): Where {
  const place = `node ${index}`;
  return {
    node: node.name || undefined,
    operator: operatorOf(node),
    at: context.inside === undefined ? place : `${place} of function ${context.inside.name}`,
  };
}

export function calleeOf(node: NodeProto, functions: ReadonlyMap<string, FunctionProto>): FunctionProto | undefined {
  return functions.size === 0
    ? undefined
    : functions.get(functionKey(node.domain ?? '', node.opType ?? '', node.overload ?? ''));
}

/** Opset imports as a map, every mistake in them told. */
export function readOpsets(
  imports: readonly onnx.OperatorSetIdProto[],
  problems: Problems,
  where: Where,
): Map<string, number> {
  const opsets = new Map<string, number>();
  for (const { domain, version } of imports) {
    const key = canonicalDomain(domain ?? '');
    const number = Number(version ?? 0);
    const before = opsets.get(key);
    const name = key === '' ? 'ai.onnx' : key;
    if (!Number.isInteger(number) || number < 1 || number >= 2 ** 31)
      problems.error(
        'BAD_OPSET',
        `expected an opset version of 1 or more for domain ${name}, got ${version ?? 'none'}`,
        where,
      );
    else if (before !== undefined && before !== number)
      problems.error('BAD_OPSET', `domain ${name} is imported twice, at ${before} and at ${number}`, where);
    opsets.set(key, number);
  }
  return opsets;
}
