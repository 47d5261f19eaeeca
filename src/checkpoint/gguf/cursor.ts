import { HopfcoleError } from '../../files/error.ts';
import type { ByteSource } from '../../files/source.ts';

const window = 1 << 20;

/** An error of a .gguf file, with the byte where it is. */
export function badGguf(source: ByteSource, message: string, at?: number): HopfcoleError {
  return new HopfcoleError(
    'BAD_GGUF',
    `not a sound .gguf file: ${message}`,
    { file: source.name, at },
    'Fetch or convert the file again',
  );
}

/** Reads a header from its beginning on, a window at a time. Numbers are of the byte order given. */
export class Cursor {
  readonly source: ByteSource;
  readonly little: boolean;
  /** The offset of the next byte. */
  at: number;
  #view: DataView = new DataView(new ArrayBuffer(0));
  #begin = 0;

  constructor(source: ByteSource, little: boolean, at: number) {
    this.source = source;
    this.little = little;
    this.at = at;
  }

  get left(): number {
    return this.source.size - this.at;
  }

  fail(message: string, at = this.at): HopfcoleError {
    return badGguf(this.source, message, at);
  }

  /** Makes sure that the next `length` bytes can be taken. @throws BAD_GGUF where the file ends before. */
  async need(length: number): Promise<void> {
    if (this.at - this.#begin + length <= this.#view.byteLength) return;
    if (length > this.left) throw this.fail(`its header goes on, but the file ends after ${this.left} bytes more`);
    const bytes = await this.source.read(this.at, Math.min(this.left, Math.max(window, length)));
    this.#begin = this.at;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** @throws BAD_GGUF where the file ends before. */
  skip(length: number): void {
    if (!(length <= this.left)) throw this.fail(`${length} bytes should follow, the file has ${this.left}`);
    this.at += length;
  }

  /** Takes a number of `width` bytes, which `need` has made sure of. */
  take<T>(width: number, get: (view: DataView, at: number, little: boolean) => T): T {
    const value = get(this.#view, this.at - this.#begin, this.little);
    this.at += width;
    return value;
  }

  async uint32(): Promise<number> {
    await this.need(4);
    return this.take(4, (view, at, little) => view.getUint32(at, little));
  }

  /** A count, size or offset. @throws BAD_GGUF beyond 2^53. */
  async size(what: string): Promise<number> {
    await this.need(8);
    const value = this.take(8, (view, at, little) => view.getBigUint64(at, little));
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw this.fail(`${what} is ${value}`, this.at - 8);
    return Number(value);
  }

  /** The bytes of a text that is no longer than `limit`. */
  async bytes(what: string, limit: number): Promise<Uint8Array> {
    const length = await this.size(`the length of ${what}`);
    if (length > limit) throw this.fail(`${what} has ${length} bytes, the limit is ${limit}`, this.at - 8);
    await this.need(length);
    return this.take(length, (view, at) => new Uint8Array(view.buffer, view.byteOffset + at, length));
  }

  /** A name: valid UTF-8, or it could not be told from another. */
  async name(what: string): Promise<string> {
    const begin = this.at;
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await this.bytes(what, 65535));
    } catch (error) {
      if (error instanceof HopfcoleError) throw error;
      throw this.fail(`${what} is not valid UTF-8`, begin);
    }
  }
}
