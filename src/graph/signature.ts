import type { Tensor } from '../files/tensor.ts';
import type { Attribute, Attributes } from './attribute.ts';
import { describeType } from './type.ts';
import type { Value } from './value.ts';

/** Constants up to this size can decide a shape, and are part of a call's signature. */
const mostBytes = 256;

/** All that inference can see of a call's inputs and attributes, as a key; undefined where that is too much. */
export function signatureOf(inputs: readonly (Value | undefined)[], attributes: Attributes): string | undefined {
  const parts: unknown[] = [];
  for (const value of inputs) {
    if (value === undefined) {
      parts.push(null);
      continue;
    }
    const contents = contentsOf(value);
    if (contents === undefined) return undefined;
    parts.push([describeType(value.type), value.known?.map((dim) => dim ?? null) ?? null, contents]);
  }
  for (const [name, attribute] of attributes) {
    if (!isPlain(attribute)) return undefined;
    const { value } = attribute;
    parts.push([name, attribute.kind, Array.isArray(value) ? value.map(String) : String(value)]);
  }
  return JSON.stringify(parts);
}

function isPlain({ kind }: Attribute): boolean {
  return kind === 'float' || kind === 'int' || kind === 'floats' || kind === 'ints' || kind === 'string';
}

/** A value's contents where inference may look at them: '' where there are none, undefined where they are large. */
function contentsOf({ source }: Value): string | undefined {
  if (source.kind === 'constant') return hex(source.tensor);
  if (source.kind === 'parameter') return 'bytes' in source.tensor ? hex(source.tensor) : '';
  if (source.kind === 'input') return '';
  if (source.node.opType !== 'Constant') return '';
  const tensor = source.node.attributes.get('value');
  return tensor?.kind === 'tensor' && 'bytes' in tensor.value ? hex(tensor.value) : undefined;
}

function hex({ bytes, dtype }: Tensor): string | undefined {
  if (dtype === 'string' || bytes.byteLength > mostBytes) return undefined;
  return bytes.join(',');
}
