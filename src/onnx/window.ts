import type { ByteSource } from '../files/source.ts';

const smallest = 16 * 1024;
const largest = 1024 * 1024;

/**
 * A moving window over a source, for reading a few bytes at a time: `ensure` is asynchronous only when the bytes are
 * not there yet. Reading on from the last window doubles its size; a jump (over a tensor) starts small again.
 */
export class Window {
  readonly source: ByteSource;
  bytes: Uint8Array = new Uint8Array(0);
  /** Offset in the source of the window's first byte. */
  start = 0;
  private chunk = smallest;

  constructor(source: ByteSource) {
    this.source = source;
  }

  /** Whether `count` bytes from `offset`, or all that the source has from there, are in the window. */
  holds(offset: number, count: number): boolean {
    return offset >= this.start && Math.min(offset + count, this.source.size) <= this.start + this.bytes.byteLength;
  }

  async load(offset: number, count: number): Promise<void> {
    const onward = offset >= this.start && offset <= this.start + this.bytes.byteLength;
    this.chunk = onward ? Math.min(this.chunk * 2, largest) : smallest;
    const length = Math.min(Math.max(count, this.chunk), this.source.size - offset);
    this.bytes = await this.source.read(offset, length);
    this.start = offset;
  }

  /** A view of bytes that are in the window. */
  view(offset: number, length: number): Uint8Array {
    return this.bytes.subarray(offset - this.start, offset - this.start + length);
  }
}
