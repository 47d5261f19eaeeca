import { HopfcoleError } from '../../files/error.ts';
import type { Packet } from './packet.ts';

/** Written to a child's stderr before it says that something failed: all that native code printed about it has come by then. */
export const endOfOutput = '\0';

/**
 * Packets on a byte stream: two u32 (length of the head, number of parts), the head as JSON, one float64 length per part, the parts.
 * Bytes are written as they are: no base64, no copy on the sending side, one copy on the receiving side.
 */
export function encodeFrame(packet: Packet): Uint8Array[] {
  const head = new TextEncoder().encode(JSON.stringify(packet.head));
  const start = new Uint8Array(8 + head.length + 8 * packet.parts.length);
  const view = new DataView(start.buffer);
  view.setUint32(0, head.length, true);
  view.setUint32(4, packet.parts.length, true);
  start.set(head, 8);
  packet.parts.forEach((part, i) => {
    view.setFloat64(8 + head.length + 8 * i, part.byteLength, true);
  });
  return [start, ...packet.parts.filter((part) => part.byteLength > 0)];
}

/** Puts frames together from chunks of any size. Each part gets a buffer of its own, filled as its bytes come. */
export class FrameDecoder {
  readonly #onPacket: (packet: Packet) => void;
  #stage: 'sizes' | 'head' | 'parts' = 'sizes';
  #pending: Uint8Array = new Uint8Array(8);
  #filled = 0;
  #headLength = 0;
  #head: Packet['head'] | undefined;
  #lengths: number[] = [];
  #parts: Uint8Array[] = [];

  constructor(onPacket: (packet: Packet) => void) {
    this.#onPacket = onPacket;
  }

  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      const count = Math.min(chunk.length - at, this.#pending.length - this.#filled);
      this.#pending.set(chunk.subarray(at, at + count), this.#filled);
      this.#filled += count;
      at += count;
      while (this.#filled === this.#pending.length && this.#advance());
    }
  }

  /** Takes the piece that is complete and makes room for the next; false when a whole packet was handed out. */
  #advance(): boolean {
    const done = this.#pending;
    const view = new DataView(done.buffer, done.byteOffset, done.byteLength);
    if (this.#stage === 'sizes') {
      this.#headLength = view.getUint32(0, true);
      const count = view.getUint32(4, true);
      if (count > 1e6) throw new HopfcoleError('INTERNAL', `a frame of ${count} parts`);
      this.#expect('head', this.#headLength + 8 * count);
      return true;
    }
    if (this.#stage === 'head') {
      this.#head = JSON.parse(new TextDecoder().decode(done.subarray(0, this.#headLength))) as Packet['head'];
      const count = (done.length - this.#headLength) / 8;
      this.#lengths = Array.from({ length: count }, (_, i) => view.getFloat64(this.#headLength + 8 * i, true));
      this.#parts = [];
      return this.#next();
    }
    this.#parts.push(done);
    return this.#next();
  }

  #next(): boolean {
    const length = this.#lengths[this.#parts.length];
    if (length !== undefined) {
      this.#expect('parts', length);
      return true;
    }
    const head = this.#head;
    const parts = this.#parts;
    this.#parts = [];
    this.#expect('sizes', 8);
    if (head !== undefined) this.#onPacket({ head, parts });
    return false;
  }

  #expect(stage: 'sizes' | 'head' | 'parts', length: number): void {
    this.#stage = stage;
    this.#pending = new Uint8Array(length);
    this.#filled = 0;
  }
}
