import { storageType } from './dtype.ts';
import type { Refuse } from './refuse.ts';
import { isGlobal, isSize, type PyStorage, type PyValue, tupleOf } from './value.ts';

/** Gives the value that a persistent id stands for; `text` where it was written as a line of text (PERSID). */
export type Persistent = (id: PyValue, text: boolean, refuse: Refuse) => PyValue;

/** Of zip archives: only ('storage', type, key, location, elements). */
export const ofArchive: Persistent = (id, text, refuse) => {
  if (text) throw refuse('it refers to something outside the file by a text name');
  const items = tupleOf(id);
  if (items?.[0] !== 'storage') throw refuse('it refers to something outside the file that is no storage');
  return storageOf(items.slice(1), refuse);
};

/** A storage by (type, key, location, elements, and in old files the elements of it that are meant: (key, offset, elements)). */
export function storageOf(items: readonly PyValue[], refuse: Refuse): PyStorage {
  const [type, key, , length, part] = items;
  const bad = () => refuse('not a sound pickle: a storage without a key and a length', 'BAD_PICKLE');
  const found = isGlobal(type) ? storageType(type.name) : undefined;
  if (found === undefined) throw refuse('a storage of a type that is no storage type');
  if (typeof key !== 'string' || !isSize(length)) throw bad();
  const dtype = found === 'untyped' ? undefined : found;
  if (part === undefined || part === null) return { kind: 'storage', key, dtype, length };
  const [, offset, elements] = tupleOf(part) ?? [];
  if (!isSize(offset) || !isSize(elements) || offset + elements > length) throw bad();
  return { kind: 'storage', key, dtype, length, view: { offset, length: elements } };
}
