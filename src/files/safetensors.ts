import { byteLengthOf, type DType, dtypes } from './dtype.ts';
import { HopfcoleError } from './error.ts';
import { type Json, parseJson } from './json.ts';
import { piecesOf } from './pieces.ts';
import type { ByteSink } from './sink.ts';
import type { ByteSource } from './source.ts';
import { type AnyTensor, isStored, type StoredTensor } from './tensor.ts';

/** The reference's own limit on the header. */
const headerLimit = 100_000_000;

const names: Partial<Record<DType, string>> = {
  bool: 'BOOL',
  uint8: 'U8',
  int8: 'I8',
  uint16: 'U16',
  int16: 'I16',
  uint32: 'U32',
  int32: 'I32',
  uint64: 'U64',
  int64: 'I64',
  float16: 'F16',
  bfloat16: 'BF16',
  float32: 'F32',
  float64: 'F64',
  complex64: 'C64',
  float8e4m3fn: 'F8_E4M3',
  float8e5m2: 'F8_E5M2',
  float8e4m3fnuz: 'F8_E4M3FNUZ',
  float8e5m2fnuz: 'F8_E5M2FNUZ',
  float8e8m0: 'F8_E8M0',
  float4e2m1: 'F4',
};
const byName = new Map(Object.entries(names).map(([dtype, name]) => [name, dtype as DType]));

export interface Safetensors {
  readonly tensors: Map<string, StoredTensor>;
  readonly metadata: Map<string, string>;
}

/**
 * The header of a .safetensors file; tensors are ranges of the file. Strict as the reference: no gap, no overlap, nothing after the data.
 * With `onProblem` what is wrong with one tensor is reported there and the rest is still described.
 * @throws BAD_SAFETENSORS, BAD_JSON
 */
export async function readSafetensors(
  source: ByteSource,
  onProblem: (problem: HopfcoleError) => void = (problem) => {
    throw problem;
  },
): Promise<Safetensors> {
  const fail = (message: string, tensor?: string, at?: number) =>
    new HopfcoleError(
      'BAD_SAFETENSORS',
      `not a sound .safetensors file: ${message}`,
      { file: source.name, tensor: tensor?.slice(0, 200), at },
      'Fetch or save the file again',
    );
  if (source.size < 8) throw fail(`${source.size} bytes cannot hold the length of a header`);
  const lengthBytes = await source.read(0, 8);
  const length = new DataView(lengthBytes.buffer, lengthBytes.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(headerLimit)) throw fail(`a header of ${length} bytes is over the limit of ${headerLimit}`);
  const headerSize = Number(length);
  if (headerSize > source.size - 8)
    throw fail(`the header takes ${headerSize} bytes, the file has ${source.size - 8} for it`);
  const bytes = await source.read(8, headerSize);
  if (bytes[0] !== 0x7b) throw fail("the header does not begin with '{'", undefined, 8);
  const header = parseJson(decode(bytes, fail), source.name);
  if (!isObject(header)) throw fail('the header is no object');
  const start = 8 + headerSize;
  const room = source.size - start;

  const metadata = new Map<string, string>();
  const tensors = new Map<string, StoredTensor>();
  for (const [name, entry] of header) {
    try {
      if (name === '__metadata__') readMetadata(entry, metadata, (message) => fail(message));
      else
        tensors.set(
          name,
          readEntry(entry, source, start, room, (message) => fail(message, name)),
        );
    } catch (problem) {
      onProblem(problem as HopfcoleError);
    }
  }
  const placed = [...tensors].sort(
    ([, a], [, b]) => a.range.offset - b.range.offset || a.range.length - b.range.length,
  );
  let at = start;
  for (const [name, { range }] of placed) {
    if (range.offset < at) onProblem(fail(`its bytes overlap those of another (they end at ${at - start})`, name));
    if (range.offset > at) onProblem(fail(`${range.offset - at} bytes before it belong to no tensor`, name));
    at = Math.max(at, range.offset + range.length);
  }
  if (at < source.size) onProblem(fail(`${source.size - at} bytes at the end belong to no tensor`, undefined, at));
  return { tensors, metadata };
}

type Fail = (message: string) => HopfcoleError;

function readMetadata(entry: Json, metadata: Map<string, string>, fail: Fail): void {
  if (!isObject(entry)) throw fail('__metadata__ is no object');
  for (const [key, value] of entry) {
    if (typeof value !== 'string') throw fail(`__metadata__ ${JSON.stringify(key.slice(0, 200))} is no string`);
    metadata.set(key, value);
  }
}

function readEntry(entry: Json, source: ByteSource, start: number, room: number, fail: Fail): StoredTensor {
  if (!isObject(entry)) throw fail('its entry is no object');
  const known = ['dtype', 'shape', 'data_offsets'];
  for (const key of entry.keys())
    if (!known.includes(key)) throw fail(`its entry has an unknown field ${JSON.stringify(key.slice(0, 100))}`);
  const dtypeName = entry.get('dtype');
  const dtype = typeof dtypeName === 'string' ? byName.get(dtypeName) : undefined;
  if (dtype === undefined) throw fail(`unknown dtype ${JSON.stringify(dtypeName ?? null).slice(0, 100)}`);
  const shape = entry.get('shape');
  if (!isSizes(shape)) throw fail('its shape is no list of non-negative integers');
  const offsets = entry.get('data_offsets');
  if (!isSizes(offsets) || offsets.length !== 2) throw fail('its data_offsets are no two non-negative integers');
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > room) throw fail(`its bytes ${begin} to ${end} lie outside the ${room} bytes of data`);
  const count = countOf(shape);
  if (count === undefined || (count * dtypes[dtype].bits) % 8 !== 0)
    throw fail(`its shape [${shape}] is too large or does not fill whole bytes`);
  const expected = byteLengthOf(dtype, count);
  if (end - begin !== expected)
    throw fail(`${dtype} of shape [${shape.join(', ')}] takes ${expected} bytes, its data_offsets give ${end - begin}`);
  return { dtype, shape, range: { source, offset: start + begin, length: expected } };
}

/** The number of elements, or undefined where a product on the way (as the reference multiplies) passes 2^53. */
export function countOf(shape: readonly number[]): number | undefined {
  let count = 1;
  for (const dim of shape) {
    count *= dim;
    if (!Number.isSafeInteger(count)) return undefined;
  }
  return Number.isSafeInteger(count * 16) ? count : undefined;
}

function isObject(value: Json | undefined): value is ReadonlyMap<string, Json> {
  return value instanceof Map;
}

function isSizes(value: Json | undefined): value is readonly number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0 && !Object.is(item, -0));
}

function decode(bytes: Uint8Array, fail: Fail): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw fail('the header is not valid UTF-8');
  }
}

/**
 * Writes tensors as .safetensors, laid out as the reference does: wide dtypes first, then by name; the header padded to 8 bytes.
 * @throws UNSUPPORTED_DTYPE for strings, complex128 and packed integers.
 */
export async function writeSafetensors(
  tensors: ReadonlyMap<string, AnyTensor>,
  sink: ByteSink,
  metadata: ReadonlyMap<string, string> = new Map(),
): Promise<void> {
  const sorted = [...tensors].sort(
    ([a, x], [b, y]) => dtypes[y.dtype].bits - dtypes[x.dtype].bits || (a < b ? -1 : a > b ? 1 : 0),
  );
  const members: string[] = [];
  if (metadata.size > 0) {
    const pairs = [...metadata].map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`);
    members.push(`"__metadata__":{${pairs.join(',')}}`);
  }
  let at = 0;
  for (const [name, { dtype, shape }] of sorted) {
    const written = names[dtype];
    const count = countOf(shape);
    if (written === undefined || count === undefined || (count * dtypes[dtype].bits) % 8 !== 0)
      throw new HopfcoleError(
        'UNSUPPORTED_DTYPE',
        `.safetensors cannot hold ${dtype}`,
        { tensor: name },
        'Cast it first',
      );
    if (name === '__metadata__')
      throw new HopfcoleError('BAD_NAME', 'a .safetensors file cannot hold a tensor of this name', { tensor: name });
    const end = at + byteLengthOf(dtype, count);
    members.push(
      `${JSON.stringify(name)}:{"dtype":"${written}","shape":[${shape.join(',')}],"data_offsets":[${at},${end}]}`,
    );
    at = end;
  }
  const text = new TextEncoder().encode(`{${members.join(',')}}`);
  const header = new Uint8Array(8 + Math.ceil(text.byteLength / 8) * 8).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(header.byteLength - 8), true);
  header.set(text, 8);
  await sink.write(header);
  for (const [, tensor] of sorted) for await (const chunk of chunksOf(tensor)) await sink.write(chunk);
}

/** The bytes of a tensor in pieces, so that a stored one never lies in memory whole. */
export async function* chunksOf(tensor: AnyTensor): AsyncGenerator<Uint8Array> {
  if (!isStored(tensor)) return yield tensor.bytes;
  const { source, offset, length } = tensor.range;
  yield* piecesOf(source, offset, length);
}
