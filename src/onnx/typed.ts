import { byteLengthOf, type DType, dtypes } from '../files/dtype.ts';
import { HopfcoleError } from '../files/error.ts';
import type { TensorInit } from './messages.ts';

/** The typed data fields of TensorProto by number. */
const fields = {
  floatData: 4,
  int32Data: 5,
  int64Data: 7,
  doubleData: 10,
  uint64Data: 11,
} as const;

type TypedField = keyof typeof fields;

/** Packed payloads of a typed field that were not decoded with the message: they follow the decoded values. */
export type Payloads = ReadonlyMap<number, readonly Uint8Array[]>;

/** The typed field an element type is stored in, by ONNX's rule. */
function fieldFor(dtype: DType): TypedField {
  switch (dtype) {
    case 'float32':
    case 'complex64':
      return 'floatData';
    case 'float64':
    case 'complex128':
      return 'doubleData';
    case 'int64':
      return 'int64Data';
    case 'uint32':
    case 'uint64':
      return 'uint64Data';
    default:
      return 'int32Data';
  }
}

/** The number of the field whose packed payload is a tensor's raw data as it stands. */
export function rawLikeField(dtype: DType): number | undefined {
  const field = fieldFor(dtype);
  return field === 'floatData' || field === 'doubleData' ? fields[field] : undefined;
}

/** Names of the data fields (typed, strings) in which a tensor has something. */
export function filledFields(proto: TensorInit): string[] {
  const names = [...Object.keys(fields), 'stringData'] as (TypedField | 'stringData')[];
  return names.filter((name) => (proto[name]?.length ?? 0) > 0);
}

/**
 * Raw data from a tensor's typed field: int32_data holds all that is narrower than 32 bits (one byte of packed elements
 * to an entry for the 4- and 2-bit types, one element for 6 bits), uint64_data uint32 too, complex numbers are pairs.
 * @throws BAD_TENSOR where the count of entries or the range of a value does not fit.
 */
export function typedBytes(proto: TensorInit, dtype: DType, count: number, payloads: Payloads): Uint8Array {
  const field = fieldFor(dtype);
  const where = { tensor: proto.name ?? '' };
  const decoded = proto[field] ?? [];
  const packed = payloads.get(fields[field]) ?? [];
  const entryBytes = field === 'floatData' ? 4 : 8;
  const fixed = field === 'floatData' || field === 'doubleData';
  const entries =
    decoded.length +
    packed.reduce((sum, bytes) => sum + (fixed ? Math.floor(bytes.byteLength / entryBytes) : countVarints(bytes)), 0);
  const expected = entriesFor(dtype, count);
  // The shape is not to be trusted with memory before the data have shown that they are there.
  if (entries !== expected)
    throw new HopfcoleError(
      'BAD_TENSOR',
      `${count} elements of ${dtype} take ${expected} entries of ${snake(field)}, got ${entries}`,
      where,
    );
  const out = new Uint8Array(byteLengthOf(dtype, count));
  const view = new DataView(out.buffer);
  if (fixed) {
    let at = 0;
    for (const value of proto[field === 'floatData' ? 'floatData' : 'doubleData'] ?? []) {
      if (field === 'floatData') view.setFloat32(at, value, true);
      else view.setFloat64(at, value, true);
      at += entryBytes;
    }
    for (const bytes of packed) {
      out.set(bytes, at);
      at += bytes.byteLength;
    }
    return out;
  }
  const put = entryWriter(view, dtype, where);
  if (field === 'int32Data') for (const value of proto.int32Data ?? []) put(value, value < 0 ? -1 : 0);
  else for (const value of proto[field === 'int64Data' ? 'int64Data' : 'uint64Data'] ?? []) put(value.low, value.high);
  for (const bytes of packed) eachVarint(bytes, where, put);
  return out;
}

/** Sub-byte types whose entries are bytes of packed elements. */
const packedBytes: ReadonlySet<DType> = new Set(['int4', 'uint4', 'float4e2m1', 'int2', 'uint2']);

function entriesFor(dtype: DType, count: number): number {
  if (packedBytes.has(dtype)) return byteLengthOf(dtype, count);
  return dtypes[dtype].kind === 'complex' ? count * 2 : count;
}

/** Writes one entry after the other, given as the low and high 32 bits of its varint. */
function entryWriter(view: DataView, dtype: DType, where: { tensor: string }): (low: number, high: number) => void {
  let at = 0;
  const bits = packedBytes.has(dtype) ? 8 : dtypes[dtype].bits;
  if (bits === 64)
    return (low, high) => {
      view.setInt32(at, low, true);
      view.setInt32(at + 4, high, true);
      at += 8;
    };
  const refuse = (value: number) =>
    new HopfcoleError('BAD_TENSOR', `${value} is no ${dtype} value of ${bits} bits`, where);
  if (dtype === 'uint32')
    return (low, high) => {
      if (high !== 0) throw refuse(high * 2 ** 32 + (low >>> 0));
      view.setInt32(at, low, true);
      at += 4;
    };
  // Bit patterns may come with their sign extended or not.
  const lowest = -(2 ** (bits - 1));
  const highest = bits === 32 ? 2 ** 31 - 1 : 2 ** bits - 1;
  return (low) => {
    const value = low | 0;
    if (value < lowest || value > highest) throw refuse(value);
    if (bits === 32) view.setInt32(at * 4, value, true);
    else if (bits === 16) view.setUint16(at * 2, value & 0xffff, true);
    else if (bits === 6) setSixBits(view, at, value & 0x3f);
    else view.setUint8(at, dtype === 'bool' ? Number(value !== 0) : value & 0xff);
    at++;
  };
}

/** Four elements to three bytes, the first in the lowest bits. */
function setSixBits(view: DataView, index: number, value: number): void {
  const bit = index * 6;
  const at = bit >> 3;
  const shifted = value << (bit & 7);
  view.setUint8(at, view.getUint8(at) | (shifted & 0xff));
  if (shifted > 0xff) view.setUint8(at + 1, view.getUint8(at + 1) | (shifted >> 8));
}

function countVarints(bytes: Uint8Array): number {
  let count = 0;
  for (const byte of bytes) if (byte < 128) count++;
  return count;
}

function eachVarint(bytes: Uint8Array, where: { tensor: string }, take: (low: number, high: number) => void): void {
  for (let i = 0; i < bytes.byteLength; ) {
    let low = 0;
    let high = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[i++];
      if (byte === undefined || shift > 63)
        throw new HopfcoleError('BAD_PROTOBUF', 'expected packed integers of at most 10 bytes each', where);
      const group = byte & 127;
      if (shift < 32) low |= group << shift;
      if (shift > 28) high |= group << (shift - 32);
      else if (shift === 28) high |= group >> 4;
      if (byte < 128) break;
    }
    take(low, high);
  }
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
