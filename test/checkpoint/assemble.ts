import { memorySink } from '../../src/files/sink.ts';
import { zipWriter } from '../../src/files/zip/write.ts';

/** Text as bytes. */
export const text = (value: string): Uint8Array => new TextEncoder().encode(value);

export function join(...parts: readonly (Uint8Array | readonly number[] | string)[]): Uint8Array {
  const arrays = parts.map((part) => (typeof part === 'string' ? text(part) : Uint8Array.from(part)));
  const whole = new Uint8Array(arrays.reduce((size, part) => size + part.byteLength, 0));
  let at = 0;
  for (const part of arrays) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}

export function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

export function uint64(value: bigint | number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  return bytes;
}

/** A .safetensors file of a header as it stands and so many bytes of data. */
export function safetensors(header: string, dataSize: number, declared?: bigint): Uint8Array {
  const bytes = text(header);
  return join(uint64(declared ?? bytes.byteLength), bytes, new Uint8Array(dataSize));
}

/** A zip archive of entries as they stand. */
export async function zip(entries: Record<string, Uint8Array | string>, deflate = false): Promise<Uint8Array> {
  const sink = memorySink();
  const writer = zipWriter(sink, { deflate });
  for (const [name, bytes] of Object.entries(entries))
    await writer.add(name, [typeof bytes === 'string' ? text(bytes) : bytes]);
  await writer.finish();
  return sink.bytes();
}

/** A torch.save archive of a pickle and storages. */
export function torchZip(
  pickle: Uint8Array,
  storages: Record<string, Uint8Array> = {},
  byteorder = 'little',
): Promise<Uint8Array> {
  const data = Object.entries(storages).map(([key, bytes]) => [`m/data/${key}`, bytes] as const);
  return zip({ 'm/data.pkl': pickle, 'm/byteorder': byteorder, ...Object.fromEntries(data), 'm/version': '3\n' });
}

/** Pieces of pickles, protocol 2. */
export const op = {
  proto: [0x80, 2],
  stop: '.',
  mark: '(',
  tuple: 't',
  reduce: 'R',
  build: 'b',
  none: 'N',
  emptyTuple: ')',
  emptyDict: '}',
  emptyList: ']',
  setItems: 'u',
  setItem: 's',
  persid: 'Q',
  global: (module: string, name: string) => `c${module}\n${name}\n`,
  string: (value: string) => join('X', uint32(text(value).byteLength), value),
  int: (value: number) => join('J', uint32(value >>> 0)),
  long: (value: bigint) => join([0x8a, 8], uint64(value)),
  ints: (values: readonly number[]) =>
    join('(', ...values.map((value) => (value < 2 ** 31 ? op.int(value) : op.long(BigInt(value)))), 't'),
};

/** The persistent id of a storage. */
export function storage(key: string, type: string, length: number): Uint8Array {
  const size = length < 2 ** 31 ? op.int(length) : op.long(BigInt(length));
  return join('(', op.string('storage'), op.global('torch', type), op.string(key), op.string('cpu'), size, 't', 'Q');
}

/** A tensor as torch.save writes it. */
export function tensor(
  shape: readonly number[],
  strides: readonly number[],
  { offset = 0, of = storage('0', 'FloatStorage', 4) }: { offset?: number; of?: Uint8Array } = {},
): Uint8Array {
  const rest = join([0x89], op.global('collections', 'OrderedDict'), ')R');
  return join(
    op.global('torch._utils', '_rebuild_tensor_v2'),
    '(',
    of,
    op.int(offset),
    op.ints(shape),
    op.ints(strides),
    rest,
    'tR',
  );
}

/** A whole pickle: a dict of the given values. */
export function state(members: Record<string, Uint8Array | string>): Uint8Array {
  const items = Object.entries(members).flatMap(([name, value]) => [op.string(name), value]);
  return join(op.proto, '}', '(', ...items, 'u.');
}
