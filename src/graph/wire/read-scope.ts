import { HopfcoleError, type Where } from '../../files/error.ts';
import type { onnx } from '../../onnx/messages.ts';
import type { Value } from '../value.ts';

type NodeInit = onnx.NodeProto.$Properties;

/** The names of one graph while it is read, within those around it. */
export class ReadScope {
  private readonly outer: ReadScope | undefined;
  private readonly values = new Map<string, Value>();
  /** The graph's nodes, to tell a name that comes later from one that never comes. */
  nodes: readonly NodeInit[] = [];

  constructor(outer: ReadScope | undefined) {
    this.outer = outer;
  }

  /** @throws DUPLICATE_NAME: each name is given once in a graph. Empty names name nothing. */
  define(name: string, value: Value, where: Where = {}): void {
    if (name === '') return;
    if (this.values.has(name))
      throw new HopfcoleError(
        'DUPLICATE_NAME',
        `the name '${name}' is given to two values of one graph`,
        { ...where, tensor: name },
        'Every value of a graph needs a name of its own',
      );
    this.values.set(name, value);
  }

  has(name: string): boolean {
    return this.values.has(name);
  }

  /** @throws UNDEFINED_NAME, UNSORTED_NODES, GRAPH_CYCLE. */
  resolve(name: string, where: Where = {}, reader?: NodeInit): Value {
    for (let scope: ReadScope | undefined = this; scope !== undefined; scope = scope.outer) {
      const value = scope.values.get(name);
      if (value !== undefined) return value;
    }
    throw this.unresolved(name, where, reader);
  }

  private unresolved(name: string, where: Where, reader: NodeInit | undefined): HopfcoleError {
    const place = { ...where, tensor: name };
    for (let scope: ReadScope | undefined = this; scope !== undefined; scope = scope.outer) {
      const maker = scope.nodes.find(({ output }) => output?.includes(name));
      if (maker === undefined) continue;
      if (reader !== undefined && dependsOn(scope.nodes, maker, reader))
        return new HopfcoleError('GRAPH_CYCLE', `the value '${name}' depends on itself`, place);
      return new HopfcoleError(
        'UNSORTED_NODES',
        `'${name}' is used before the node that makes it`,
        place,
        'The nodes of a graph must be in topological order',
      );
    }
    return new HopfcoleError('UNDEFINED_NAME', `nothing defines the name '${name}'`, place);
  }
}

/** Whether one node needs, through any number of others, an output of another. */
function dependsOn(nodes: readonly NodeInit[], node: NodeInit, on: NodeInit): boolean {
  const makers = new Map<string, NodeInit>();
  for (const maker of nodes) for (const name of maker.output ?? []) makers.set(name, maker);
  const seen = new Set<NodeInit>([node]);
  const pending = [node];
  for (let current = pending.pop(); current !== undefined; current = pending.pop()) {
    if (current === on) return true;
    for (const name of current.input ?? []) {
      const maker = makers.get(name);
      if (maker === undefined || seen.has(maker)) continue;
      seen.add(maker);
      pending.push(maker);
    }
  }
  return false;
}
