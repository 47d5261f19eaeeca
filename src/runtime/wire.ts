/**
 * A walker over the fields of a protobuf message where they lie, beside the decoder of src/onnx, for what that is not made for:
 * `widen.ts` and `boundary.ts` change single fields and leave every other byte as it was (a decoded message that is encoded again has
 * its unknown fields moved); a header is read at once, without waiting and without an object per node, in the memory of one
 * window; and a session's worker or child starts without the generated codecs, which take longer to load than a header to read.
 */
import { HopfcoleError } from '../files/error.ts';

/** Bytes that can be read at any offset at once, without waiting: memory, or a file that a session's process has open. */
export interface RandomBytes {
  readonly name: string;
  readonly size: number;
  /** Exactly these bytes; the caller keeps inside `size`. */
  read(offset: number, length: number): Uint8Array;
}

/** A field of a protobuf message: a number for varints, a range of bytes otherwise. */
export interface Field {
  readonly number: number;
  readonly wireType: number;
  /** Value of a varint (int64 as signed, rounded beyond 2^53). */
  readonly value: number;
  /** Where the field begins, its tag included. */
  readonly at: number;
  readonly start: number;
  readonly end: number;
}

/**
 * The fields of the message in [start, end), without reading what lies inside the long ones.
 * @throws BAD_PROTOBUF for what is no protobuf message.
 */
export function* fields(bytes: RandomBytes, start = 0, end = bytes.size): Generator<Field> {
  let at = start;
  while (at < end) {
    const tag = varint(bytes, at, end);
    const number = Number(tag.value >> 3n);
    const wireType = Number(tag.value & 7n);
    const from = tag.end;
    if (number === 0 || number > 0x1fffffff) throw bad(bytes, at, `field number ${number}`);
    let field: Field;
    if (wireType === 0) {
      const value = varint(bytes, from, end);
      field = { number, wireType, value: Number(BigInt.asIntN(64, value.value)), at, start: from, end: value.end };
    } else if (wireType === 2) {
      const length = varint(bytes, from, end);
      if (length.value > BigInt(end - length.end)) throw bad(bytes, at, `a length of ${length.value} bytes`);
      field = { number, wireType, value: 0, at, start: length.end, end: length.end + Number(length.value) };
    } else if (wireType === 1 || wireType === 5) {
      field = { number, wireType, value: 0, at, start: from, end: from + (wireType === 1 ? 8 : 4) };
      if (field.end > end) throw bad(bytes, at, 'a number that is cut short');
    } else throw bad(bytes, at, `wire type ${wireType}`);
    yield field;
    at = field.end;
  }
}

export function textOf(bytes: RandomBytes, field: Field): string {
  return new TextDecoder().decode(bytes.read(field.start, field.end - field.start));
}

function varint(bytes: RandomBytes, at: number, end: number): { value: bigint; end: number } {
  const chunk = bytes.read(at, Math.min(10, end - at));
  let small = 0;
  for (let i = 0; i < chunk.length; i++) {
    const byte = chunk[i] ?? 0;
    if (i < 6) small += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return { value: i < 6 ? BigInt(small) : longVarint(chunk.subarray(0, i + 1)), end: at + i + 1 };
  }
  throw bad(bytes, at, 'a number that never ends');
}

function longVarint(chunk: Uint8Array): bigint {
  return BigInt.asUintN(
    64,
    chunk.reduce((sum, byte, i) => sum | (BigInt(byte & 0x7f) << BigInt(7 * i)), 0n),
  );
}

function bad(bytes: RandomBytes, at: number, got: string): HopfcoleError {
  return new HopfcoleError(
    'BAD_PROTOBUF',
    `expected an ONNX model, got ${got}`,
    { file: bytes.name, at },
    'The file is damaged or no ONNX model',
  );
}

/** A varint field. */
export function numberField(number: number, value: number): Uint8Array {
  return Uint8Array.from([...encodeVarint(number * 8), ...encodeVarint(value)]);
}

/** A length-delimited field of text, bytes or the parts of a message. */
export function field(number: number, ...content: (string | Uint8Array)[]): Uint8Array {
  const body = concat(content.map((part) => (typeof part === 'string' ? new TextEncoder().encode(part) : part)));
  return concat([Uint8Array.from([...encodeVarint(number * 8 + 2), ...encodeVarint(body.length)]), body]);
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function encodeVarint(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    out.push((rest % 0x80) + 0x80);
    rest = Math.floor(rest / 0x80);
  }
  out.push(rest);
  return out;
}
