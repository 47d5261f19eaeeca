import { type DType, dtypeOfCode } from '../../files/dtype.ts';
import type { HopfcoleError } from '../../files/error.ts';
import type { Attribute } from '../attribute.ts';
import type { Graph } from '../graph.ts';
import type { Call } from '../rule.ts';
import { mismatch } from './call.ts';

/**
 * Attributes by name, with their defaults. Every reader gives the default where the attribute is left out, and undefined where its value
 * is not known (a reference to a function's attribute, inside a function body).
 * @throws BAD_ATTRIBUTE where it is of another kind.
 */
export function intAttribute<Default extends number | undefined>(
  call: Call,
  name: string,
  fallback: Default,
): number | undefined | Default {
  const attribute = call.attributes.get(name);
  if (attribute === undefined) return fallback;
  if (attribute.kind === 'reference') return undefined;
  if (attribute.kind !== 'int') throw wrongKind(call, name, 'an integer', attribute);
  const value = Number(attribute.value);
  return Number.isSafeInteger(value) ? value : undefined;
}

export function intsAttribute(call: Call, name: string): readonly number[] | undefined {
  const attribute = call.attributes.get(name);
  if (attribute === undefined || attribute.kind === 'reference') return undefined;
  if (attribute.kind === 'floats' && attribute.value.length === 0) return [];
  if (attribute.kind !== 'ints') throw wrongKind(call, name, 'a list of integers', attribute);
  return attribute.value.map(Number);
}

export function floatsAttribute(call: Call, name: string): readonly number[] | undefined {
  const attribute = call.attributes.get(name);
  if (attribute === undefined || attribute.kind === 'reference') return undefined;
  if (attribute.kind === 'ints' && attribute.value.length === 0) return [];
  if (attribute.kind !== 'floats') throw wrongKind(call, name, 'a list of floats', attribute);
  return attribute.value;
}

export function stringAttribute(call: Call, name: string, fallback: string): string | undefined {
  const attribute = call.attributes.get(name);
  if (attribute === undefined) return fallback;
  if (attribute.kind === 'reference') return undefined;
  if (attribute.kind !== 'string') throw wrongKind(call, name, 'a string', attribute);
  return typeof attribute.value === 'string' ? attribute.value : new TextDecoder().decode(attribute.value);
}

/** An element type given by its TensorProto.DataType number. */
export function dtypeAttribute(call: Call, name: string, fallback: DType | undefined): DType | undefined {
  const code = intAttribute(call, name, undefined);
  if (!call.attributes.has(name)) return fallback;
  if (code === undefined) return undefined;
  const dtype = dtypeOfCode(code);
  if (dtype === undefined) throw badAttribute(call, name, 'the number of an element type', String(code));
  return dtype;
}

/** A subgraph; undefined where it is left out. */
export function graphAttribute(call: Call, name: string): Graph | undefined {
  const attribute = call.attributes.get(name);
  if (attribute === undefined || attribute.kind === 'reference') return undefined;
  if (attribute.kind !== 'graph') throw wrongKind(call, name, 'a graph', attribute);
  return attribute.value;
}

/** Whether an attribute is there but its value is not known (a reference inside a function body). */
export function isReference(call: Call, name: string): boolean {
  return call.attributes.get(name)?.kind === 'reference';
}

export function badAttribute(call: Call, name: string, expected: string, got: string): HopfcoleError {
  return mismatch('BAD_ATTRIBUTE', call, name, expected, got);
}

function wrongKind(call: Call, name: string, expected: string, { kind }: Attribute): HopfcoleError {
  return badAttribute(call, name, expected, kind);
}
