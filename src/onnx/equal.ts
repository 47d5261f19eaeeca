import { elisionsOf } from './elided.ts';
import { type AnyMessage, type FieldKind, fieldsOf, type MessageName, type ModelInit } from './messages.ts';

/**
 * Whether two messages say the same, field by field and with their unknown fields: floats by their bits (NaN equals NaN,
 * 0 does not equal -0), absent repeated fields as empty ones. Data left in a file are the same where they are the same
 * range of the same source; nothing is read.
 */
export function equalMessages(a: ModelInit, b: ModelInit): boolean;
export function equalMessages(a: object, b: object, type: MessageName): boolean;
export function equalMessages(a: object, b: object, type: MessageName = 'ModelProto'): boolean {
  return equal(a as AnyMessage, b as AnyMessage, type);
}

function equal(a: AnyMessage, b: AnyMessage, type: MessageName): boolean {
  if (a === b) return true;
  for (const field of fieldsOf(type).values()) {
    const same = (x: unknown, y: unknown): boolean =>
      field.of === undefined ? equalScalars(x, y, field.kind) : equal(x as AnyMessage, y as AnyMessage, field.of);
    const [x, y] = [present(a, field.name), present(b, field.name)];
    if (field.repeated) {
      const [xs, ys] = [(x ?? []) as readonly unknown[], (y ?? []) as readonly unknown[]];
      if (xs.length !== ys.length || !xs.every((value, i) => same(value, ys[i]))) return false;
    } else if (x === undefined || y === undefined) {
      if (x !== y) return false;
    } else if (!same(x, y)) return false;
  }
  return equalUnknowns(a, b) && (type !== 'TensorProto' || equalElisions(a, b));
}

function present(message: AnyMessage, name: string): unknown {
  return Object.hasOwn(message, name) ? (message[name] ?? undefined) : undefined;
}

function equalScalars(x: unknown, y: unknown, kind: FieldKind): boolean {
  if (kind === 'bytes') return equalBytes(x as Uint8Array, y as Uint8Array);
  // Two classes of Long may meet here, so they are told apart by value.
  if (kind === 'int64' || kind === 'uint64') return String(x) === String(y);
  return Object.is(x, y);
}

function equalBytes(x: Uint8Array, y: Uint8Array): boolean {
  return x.byteLength === y.byteLength && x.every((byte, i) => byte === y[i]);
}

function equalUnknowns(a: AnyMessage, b: AnyMessage): boolean {
  const [xs, ys] = [a.$unknowns ?? [], b.$unknowns ?? []];
  return xs.length === ys.length && xs.every((bytes, i) => equalBytes(bytes, ys[i] as Uint8Array));
}

function equalElisions(a: object, b: object): boolean {
  const [xs, ys] = [elisionsOf(a), elisionsOf(b)];
  return (
    xs.length === ys.length &&
    xs.every((x, i) => {
      const y = ys[i];
      if (y === undefined || x.field !== y.field) return false;
      if (x.bytes !== undefined && y.bytes !== undefined) return equalBytes(x.bytes, y.bytes);
      const { source, offset, length } = y.range;
      return x.range.source === source && x.range.offset === offset && x.range.length === length;
    })
  );
}
