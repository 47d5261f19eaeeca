import { join, op, text, uint32, uint64 } from './assemble.ts';

const magic = join(op.proto, [0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19], '.');

/** The persistent id of a storage in the stream of before 1.6; `part` is (key, offset, elements) where it is a view. */
export function earlyStorage(key: string, length: number, part?: Uint8Array, type = 'FloatStorage'): Uint8Array {
  const size = length < 2 ** 31 ? op.int(length) : op.long(BigInt(length));
  const items = [op.string('storage'), op.global('torch', type), op.string(key), op.string('cpu'), size, part ?? 'N'];
  return join('(', ...items, 't', 'Q');
}

export interface Legacy {
  readonly protocol?: Uint8Array;
  readonly machine?: Uint8Array;
  readonly object: Uint8Array;
  readonly keys?: Uint8Array;
  readonly raw?: Uint8Array;
}

/** Keys of storages as a pickle of a list. */
export const keysOf = (...keys: readonly string[]) => join(op.proto, ']', '(', ...keys.map(op.string), 'e.');
/** A raw storage: elements as its number says them, then so many bytes. */
export const raw = (count: bigint | number, bytes: number) =>
  join(uint64(BigInt.asUintN(64, BigInt(count))), new Uint8Array(bytes));

/** A file of torch.save before 1.6. */
export function legacy({
  protocol = join(op.proto, 'M', [0xe9, 0x03], '.'),
  machine = join(op.proto, '}', op.string('little_endian'), [0x88], 's.'),
  object,
  keys = keysOf('0'),
  raw: data = raw(4, 16),
}: Legacy): Uint8Array {
  return join(magic, protocol, machine, object, keys, data);
}

/** A tar archive of members as they stand; `change` sees each header before its checksum is made. */
export function tar(
  members: readonly (readonly [string, Uint8Array])[],
  change: (header: Uint8Array, name: string) => void = () => {},
): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const [name, bytes] of members) {
    const header = new Uint8Array(512);
    header.set(text(name), 0);
    header.set(text('0000644\0'), 100);
    header.set(text(`${bytes.byteLength.toString(8).padStart(11, '0')}\0`), 124);
    header[156] = 0x30;
    header.set(text('ustar\x0000'), 257);
    change(header, name);
    const sum = header.reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 32 : byte), 0);
    if (header[148] === 0) header.set(text(`${sum.toString(8).padStart(6, '0')}\0 `), 148);
    parts.push(header, bytes, new Uint8Array((512 - (bytes.byteLength % 512)) % 512));
  }
  return join(...parts, new Uint8Array(1024));
}

export interface EarlyTar {
  readonly storages?: Uint8Array;
  readonly views?: Uint8Array;
  readonly tensors?: Uint8Array;
  readonly pickle?: Uint8Array;
}

const number = (value: number) => join(op.proto, value < 2 ** 31 ? op.int(value) : op.long(BigInt(value)), '.');
const int32s = (...values: readonly number[]) => join(...values.map((value) => uint32(value >>> 0)));
const int64s = (...values: readonly (number | bigint)[]) =>
  join(...values.map((value) => uint64(BigInt.asUintN(64, BigInt(value)))));

export const early = {
  number,
  /** (1, 'cpu', FloatStorage) and its four numbers. */
  storage: (count: number | bigint = 4, bytes = 16, type = 'FloatStorage') =>
    join(op.proto, op.int(1), op.string('cpu'), op.global('torch', type), [0x87], '.', raw(count, bytes)),
  /** (2, 1, FloatTensor), rank, sizes, strides, offset. */
  tensor: (rank: number, sizes: readonly (number | bigint)[], offset: number | bigint = 0) =>
    join(
      op.proto,
      op.int(2),
      op.int(1),
      op.global('torch', 'FloatTensor'),
      [0x87],
      '.',
      int32s(rank, 0),
      int64s(...sizes, offset),
    ),
  pickle: join(op.proto, '}', op.string('w'), op.int(2), 'Qs.'),
  noViews: join(op.proto, '].'),
};

/** The files of the oldest format, sound ones where nothing else is given. */
export function earlyTar(parts: EarlyTar): readonly (readonly [string, Uint8Array])[] {
  const storages = join(parts.storages ?? join(number(1), early.storage()), parts.views ?? early.noViews);
  const tensors = parts.tensors ?? join(number(1), early.tensor(2, [2, 2, 2, 1]));
  return [
    ['storages', storages],
    ['tensors', tensors],
    ['pickle', parts.pickle ?? early.pickle],
  ];
}
