import { HopfcoleError } from './error.ts';

/**
 * Bytes that can be read at any offset: a file, a range of one, memory, a URL.
 * Every parser reads through this, so that none needs a whole file in memory and none touches the file system itself.
 */
export interface ByteSource {
  /** What errors call it: a path or a URL. */
  readonly name: string;
  readonly size: number;
  /** Exactly `length` bytes from `offset`; a range outside the source is a TRUNCATED error. Memory sources return views. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /**
   * All bytes from first to last, for a source that holds them against a checksum and would otherwise be read twice: what is wrong is thrown
   * at the end at the latest, so nothing made of them may be believed before.
   */
  pieces?(): AsyncGenerator<Uint8Array>;
  close?(): Promise<void>;
}

/** Finds the files beside a model or a checkpoint (external data, shards). Refuses every path that leaves the folder. */
export interface Folder {
  readonly name: string;
  /** @throws PATH_OUTSIDE_MODEL for an absolute path, `..`, or a link that leaves the folder; FILE_NOT_FOUND. */
  open(relativePath: string): Promise<ByteSource>;
}

/** A range of a source, read when asked for. */
export interface ByteRange {
  readonly source: ByteSource;
  readonly offset: number;
  readonly length: number;
}

/** Bytes in memory as a source; `name` is what errors call it. */
export function memorySource(bytes: Uint8Array, name = 'memory'): ByteSource {
  return {
    name,
    size: bytes.byteLength,
    read: async (offset, length) => {
      checkRange(name, bytes.byteLength, offset, length);
      return bytes.subarray(offset, offset + length);
    },
  };
}

/** @throws TRUNCATED unless [offset, offset + length) lies inside a source of `size` bytes. */
export function checkRange(name: string, size: number, offset: number, length: number): void {
  const inside =
    Number.isSafeInteger(offset) &&
    Number.isSafeInteger(length) &&
    offset >= 0 &&
    length >= 0 &&
    offset + length <= size;
  if (!inside)
    throw new HopfcoleError(
      'TRUNCATED',
      `expected ${length} bytes at offset ${offset}, but the file has ${size}`,
      { file: name },
      'The file is cut short or its header is damaged: fetch it again',
    );
}
