/** Bytes that grow as they are written. */
export class ByteBuilder {
  private buffer = new Uint8Array(4096);
  length = 0;

  push(bytes: Uint8Array): void {
    this.reserve(bytes.byteLength);
    this.buffer.set(bytes, this.length);
    this.length += bytes.byteLength;
  }

  /** Room for `count` bytes to be filled in later; they are zero until then. */
  skip(count: number): void {
    this.reserve(count);
    this.buffer.fill(0, this.length, this.length + count);
    this.length += count;
  }

  varint(value: number): void {
    this.push(varint(value));
  }

  /** Writes a varint over `width` bytes at `position`, padded with empty groups where it is shorter. */
  patchVarint(position: number, width: number, value: number): void {
    let rest = value;
    for (let i = 0; i < width; i++) {
      this.buffer[position + i] = (rest % 128) + (i === width - 1 ? 0 : 128);
      rest = Math.floor(rest / 128);
    }
  }

  /** What was written: a view. */
  bytes(): Uint8Array {
    return this.buffer.subarray(0, this.length);
  }

  private reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.buffer.byteLength) return;
    const grown = new Uint8Array(Math.max(needed, Math.ceil(this.buffer.byteLength * 1.5)));
    grown.set(this.buffer.subarray(0, this.length));
    this.buffer = grown;
  }
}

/** A non-negative safe integer as a protobuf varint. */
export function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}
