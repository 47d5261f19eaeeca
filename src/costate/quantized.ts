import type { DType } from '../files/dtype.ts';
import type { Node, Value } from '../graph/value.ts';

/** What only moves or bounds quantised numbers: they stand for the same real numbers after it. */
const followed: ReadonlySet<string> = new Set([
  'Clip',
  'Flatten',
  'Identity',
  'Reshape',
  'Squeeze',
  'Transpose',
  'Unsqueeze',
]);

/**
 * The QuantizeLinear (DynamicQuantizeLinear) that a value of integers is from. Such a value stands for the real numbers (q - zero point)
 * scale of that quantisation, and the co-state it carries is theirs, in floating point: so the rounding between is passed straight through.
 */
export function quantizationOf(value: Value): Node | undefined {
  let current: Value | undefined = value;
  while (current?.source.kind === 'output') {
    const { node, index }: { node: Node; index: number } = current.source;
    if (node.domain !== '' || index !== 0) return undefined;
    if (node.opType === 'QuantizeLinear' || node.opType === 'DynamicQuantizeLinear') return node;
    if (!followed.has(node.opType)) return undefined;
    current = node.inputs[0];
  }
  return undefined;
}

/** The element type of a value's co-state: its own, but for quantised numbers. */
export function costateType(value: Value): DType {
  return quantizationOf(value)?.inputs[0]?.dtype ?? value.dtype ?? 'float32';
}
