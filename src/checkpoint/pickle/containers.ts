import type { HopfcoleError } from '../../files/error.ts';
import type { Stack } from './stack.ts';
import { isObject, type PyObject, type PyValue } from './value.ts';

type Bad = (message: string) => HopfcoleError;

/** The container that an opcode makes, of what it takes from the stack; undefined where it makes none. */
export function containerOf(opcode: number, stack: Stack, bad: Bad): PyObject | undefined {
  switch (opcode) {
    case 0x5d: // EMPTY_LIST
      return { kind: 'list', items: [] };
    case 0x6c: // LIST
      return { kind: 'list', items: stack.popMark() };
    case 0x29: // EMPTY_TUPLE
      return { kind: 'tuple', items: [] };
    case 0x74: // TUPLE
      return { kind: 'tuple', items: stack.popMark() };
    case 0x85: // TUPLE1
    case 0x86: // TUPLE2
    case 0x87: // TUPLE3
      return { kind: 'tuple', items: stack.popMany(opcode - 0x84) };
    case 0x7d: // EMPTY_DICT
      return { kind: 'dict', ordered: false, entries: new Map() };
    case 0x64: // DICT
      return { kind: 'dict', ordered: false, entries: setAll(new Map(), stack.popMark(), bad) };
    case 0x8f: // EMPTY_SET
      return { kind: 'set', items: new Set() };
    case 0x91: // FROZENSET
      return { kind: 'set', items: new Set(stack.popMark()) };
    default:
      return undefined;
  }
}

/** Puts items into the container on top of the stack; false where the opcode does not. Objects take items as dicts and lists do. */
export function fill(opcode: number, stack: Stack, bad: Bad): boolean {
  switch (opcode) {
    case 0x61: // APPEND
      append([stack.pop()], stack, bad);
      return true;
    case 0x65: // APPENDS
      append(stack.popMark(), stack, bad);
      return true;
    case 0x73: // SETITEM
      setItems(stack.popMany(2), stack, bad);
      return true;
    case 0x75: // SETITEMS
      setItems(stack.popMark(), stack, bad);
      return true;
    case 0x90: {
      // ADDITEMS
      const items = stack.popMark();
      const set = stack.top();
      if (!isObject(set) || set.kind !== 'set') throw bad('items are added to what is no set');
      for (const item of items) set.items.add(item);
      return true;
    }
    default:
      return false;
  }
}

function append(items: readonly PyValue[], stack: Stack, bad: Bad): void {
  const list = stack.top();
  if (!isObject(list) || (list.kind !== 'list' && list.kind !== 'record'))
    throw bad('items are appended to what is no list');
  for (const item of items) list.items.push(item);
}

function setItems(items: readonly PyValue[], stack: Stack, bad: Bad): void {
  const dict = stack.top();
  if (!isObject(dict) || (dict.kind !== 'dict' && dict.kind !== 'record'))
    throw bad('items are set in what is no dict');
  setAll(dict.entries, items, bad);
}

function setAll(entries: Map<PyValue, PyValue>, items: readonly PyValue[], bad: Bad): Map<PyValue, PyValue> {
  if (items.length % 2 !== 0) throw bad('a key without a value');
  for (let i = 0; i < items.length; i += 2) {
    const key = items[i] as PyValue;
    if (isObject(key) && (key.kind === 'list' || key.kind === 'dict')) throw bad(`a ${key.kind} as a key`);
    entries.set(key, items[i + 1] as PyValue);
  }
  return entries;
}
