import { fromNumbers, isStored, type Tensor, toNumbers, viewOf } from '../../files/tensor.ts';
import type { Attribute } from '../attribute.ts';
import { constant } from '../make.ts';
import type { Node, Value } from '../value.ts';

/** The tensor a value always is, where its bytes are in memory: a constant, a parameter nobody may override, a Constant node. */
export function constantTensor(value: Value | undefined): Tensor | undefined {
  if (value === undefined) return undefined;
  const { source } = value;
  switch (source.kind) {
    case 'constant':
      return source.tensor;
    case 'parameter':
      return source.overridable === true || isStored(source.tensor) ? undefined : source.tensor;
    case 'output':
      return source.node.opType === 'Constant' && source.node.domain === '' ? tensorOfConstant(source.node) : undefined;
    default:
      return undefined;
  }
}

function tensorOfConstant(node: Node): Tensor | undefined {
  const [entry] = node.attributes;
  if (entry === undefined || node.attributes.size !== 1) return undefined;
  const attribute = entry[1];
  switch (attribute.kind) {
    case 'tensor':
      return isStored(attribute.value) ? undefined : attribute.value;
    case 'int':
      return fromNumbers('int64', [], [attribute.value]);
    case 'ints':
      return fromNumbers('int64', [attribute.value.length], attribute.value);
    case 'float':
      return fromNumbers('float32', [], [attribute.value]);
    case 'floats':
      return fromNumbers('float32', [attribute.value.length], attribute.value);
    default:
      return undefined;
  }
}

/** The integers a value always holds, in order; undefined where that is not known or some are not safe integers. */
export function constantIntegers(value: Value | undefined): readonly number[] | undefined {
  const tensor = constantTensor(value);
  if (tensor?.dtype === 'int64') {
    const integers = Array.from(viewOf(tensor, 'int64'), Number);
    return integers.every(Number.isSafeInteger) ? integers : undefined;
  }
  if (tensor?.dtype === 'int32') return Array.from(toNumbers(tensor));
  const known = value?.known;
  return known?.every((dim): dim is number => typeof dim === 'number') === true ? (known as number[]) : undefined;
}

export function int64(values: readonly (number | bigint)[]): Value {
  return constant(fromNumbers('int64', [values.length], values));
}

/** An int attribute's value; the default where it is absent. undefined where it is a reference or of another kind. */
export function intOf(node: Node, name: string, otherwise: number): number | undefined {
  const attribute = node.attributes.get(name);
  if (attribute === undefined) return otherwise;
  return attribute.kind === 'int' ? Number(attribute.value) : undefined;
}

export function textOf(attribute: Attribute | undefined): string | undefined {
  if (attribute?.kind !== 'string') return undefined;
  return typeof attribute.value === 'string' ? attribute.value : new TextDecoder().decode(attribute.value);
}
