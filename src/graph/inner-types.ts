import { dropAxis, tensorType, type ValueType } from './type.ts';
import type { Node, Value } from './value.ts';

/** What the inputs of a node's subgraph are known to be from the node's own inputs: for bodies that declare none. A Loop's state keeps no shape, as a turn may change it; a Scan's may not. */
export function innerInputTypes(
  { opType, attributes }: Pick<Node, 'opType' | 'attributes'>,
  inputs: readonly (Value | undefined)[],
): readonly ValueType[] {
  const types = inputs.map((value) => value?.type);
  if (opType === 'Loop') return [tensorType('int64', []), tensorType('bool', []), ...types.slice(2).map(withoutShape)];
  if (opType === 'SequenceMap') return types.map((type) => (type?.kind === 'sequence' ? type.element : type));
  if (opType === 'Scan') {
    const count = attributes.get('num_scan_inputs');
    const scanned = count?.kind === 'int' ? Number(count.value) : 0;
    const axes = attributes.get('scan_input_axes');
    const states = types.length - scanned;
    return types.map((type, index) => {
      if (index < states) return type;
      const axis = axes?.kind === 'ints' ? axes.value[index - states] : 0;
      return dropAxis(type, Number(axis ?? 0));
    });
  }
  return [];
}

function withoutShape(type: ValueType): ValueType {
  return type?.kind === 'tensor' ? tensorType(type.dtype, undefined) : type;
}
