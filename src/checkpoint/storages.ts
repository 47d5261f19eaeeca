import { byteLengthOf } from '../files/dtype.ts';
import { HopfcoleError } from '../files/error.ts';
import { type ByteSource, checkRange } from '../files/source.ts';
import type { PyStorage, StorageType } from './pickle/value.ts';
import { type Layout, strided } from './strided.ts';

/** What all tensors that repeat their elements (expanded, overlapping windows, sparse made dense) may take beyond their storages. */
const repeatLimit = 256 * 2 ** 20;

/** The storages of a file; each is one source, so that tensors that share one can be seen to. */
export class Storages {
  readonly order: 'little' | 'big';
  readonly #place: (key: string) => ByteSource | undefined;
  readonly #open = new Map<string, ByteSource>();
  readonly #views = new Map<string, ByteSource>();
  #repeats = 0;

  /** `place` gives the bytes of a storage by its key, undefined where there are none. */
  constructor(place: (key: string) => ByteSource | undefined, order: 'little' | 'big') {
    this.#place = place;
    this.order = order;
  }

  /** The bytes of a storage, as many as the pickle says. @throws BAD_CHECKPOINT */
  find(storage: PyStorage): ByteSource {
    const width = widthOf(storage.dtype);
    const root = this.#root(storage.key);
    const declared = storage.length * width;
    if (declared !== root.size)
      throw new HopfcoleError(
        'BAD_CHECKPOINT',
        `its storage should hold ${declared} bytes, the file has ${root.size} for it`,
      );
    if (storage.view === undefined) return root;
    const { offset, length } = storage.view;
    const place = `${storage.key}:${offset * width}:${length * width}`;
    const known = this.#open.get(place) ?? window(root, root.name, offset * width, length * width);
    this.#open.set(place, known);
    return known;
  }

  #root(key: string): ByteSource {
    const known = this.#open.get(key);
    if (known !== undefined) return known;
    const source = this.#place(key);
    if (source === undefined)
      throw new HopfcoleError('BAD_CHECKPOINT', `its storage ${JSON.stringify(key.slice(0, 100))} is missing`);
    this.#open.set(key, source);
    return source;
  }

  /** A gathered view of a storage; the same view, met again, is the same source. */
  view(storage: PyStorage, source: ByteSource, layout: Layout): ByteSource {
    const place = JSON.stringify([storage.key, storage.view, layout]);
    const known = this.#views.get(place) ?? strided(source, layout, this.order);
    this.#views.set(place, known);
    return known;
  }

  /** A shape is only a claim: what it repeats counts against one limit for the whole file. */
  repeat(bytes: number): void {
    this.#repeats += bytes;
    if (this.#repeats > repeatLimit)
      throw new HopfcoleError(
        'BAD_CHECKPOINT',
        `its expanded tensors would take more than ${repeatLimit} bytes beyond what is stored`,
        {},
        'Save contiguous tensors, or the small one that is expanded',
      );
  }
}

/** Bytes of one element of a storage. */
export function widthOf(dtype: StorageType | undefined): number {
  switch (dtype) {
    case undefined:
    case 'qint8':
    case 'quint8':
    case 'packed':
      return 1;
    case 'qint32':
    case 'complex32':
      return 4;
    default:
      return byteLengthOf(dtype, 1);
  }
}

/** A part of a source, as a source. */
export function window(source: ByteSource, name: string, begin: number, size: number): ByteSource {
  checkRange(source.name, source.size, begin, size);
  return {
    name,
    size,
    async read(offset, length) {
      checkRange(name, size, offset, length);
      return source.read(begin + offset, length);
    },
  };
}
