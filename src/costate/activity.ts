import { isFloat } from '../files/dtype.ts';
import { isDetached } from '../graph/module-path.ts';
import type { ValueType } from '../graph/type.ts';
import type { Node, Value } from '../graph/value.ts';
import { usedBy } from '../graph/walk.ts';
import { quantizationOf } from './quantized.ts';

/** Whether a value can carry a co-state: floating-point tensors, and sequences and optionals of them; what stands for such a tensor. */
export function carries(value: Value): boolean {
  return carriesType(value.type) || quantizationOf(value) !== undefined;
}

function carriesType(type: ValueType): boolean {
  // Of an unknown type an operator's rule decides; leaving it out would lose a path silently.
  if (type === undefined) return true;
  switch (type.kind) {
    case 'tensor':
      return type.dtype === undefined || isFloat(type.dtype);
    case 'sequence':
    case 'optional':
      return carriesType(type.element);
    default:
      return false;
  }
}

/** Whether a value is known to have no elements: nothing passes through it, and ONNX Runtime may take an Expand to its shape for none. */
export function isEmpty({ shape }: Value): boolean {
  return shape?.includes(0) === true;
}

/** The values made by these nodes (in order) that depend on any of `from` through values that carry a co-state, by nodes that are not detached; `from` included. */
export function downstream(nodes: readonly Node[], from: Iterable<Value>): Set<Value> {
  const active = new Set<Value>();
  for (const value of from) if (carries(value)) active.add(value);
  for (const node of nodes) {
    if (isDetached(node) || !usedBy(node).some((value) => value !== undefined && active.has(value))) continue;
    for (const output of node.outputs) if (carries(output)) active.add(output);
  }
  return active;
}

/** The nodes (in order) that the values need. */
export function upstream(nodes: readonly Node[], values: Iterable<Value>): Set<Node> {
  const needed = new Set<Node>();
  const need = (value: Value | undefined): void => {
    if (value?.source.kind === 'output') needed.add(value.source.node);
  };
  for (const value of values) need(value);
  for (let index = nodes.length - 1; index >= 0; index--) {
    const node = nodes[index];
    if (node !== undefined && needed.has(node)) usedBy(node).forEach(need);
  }
  return needed;
}
