import type { onnx } from '../../onnx/messages.ts';

type Entry = onnx.StringStringEntryProto.$Properties;

export function propsFromProto(entries: readonly Entry[] | null | undefined): ReadonlyMap<string, string> {
  return entries === null || entries === undefined || entries.length === 0 ? none : mapOf(entries);
}

const none: ReadonlyMap<string, string> = new Map();

function mapOf(entries: readonly Entry[]): ReadonlyMap<string, string> {
  return new Map(entries.map(({ key, value }) => [key ?? '', value ?? '']));
}

/** The entries as they were read where they still say the same. */
export function propsToProto(props: ReadonlyMap<string, string>, before?: readonly Entry[] | null): Entry[] {
  if (before && sameMap(propsFromProto(before), props)) return before as Entry[];
  return [...props].map(([key, value]) => ({ key, value }));
}

export function sameMap<K, V>(a: ReadonlyMap<K, V>, b: ReadonlyMap<K, V>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.has(key) && b.get(key) === value);
}
