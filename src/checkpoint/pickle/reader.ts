import type { HopfcoleError } from '../../files/error.ts';

const longestNumber = 64;
const longestLine = 1000;

/** The fields of a pickle's opcodes. A declared length is held against the bytes that are left before anything is made of it. */
export class Reader {
  at = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #bad: (message: string) => HopfcoleError;
  readonly #onShort: ((needed: number) => unknown) | undefined;

  constructor(bytes: Uint8Array, bad: (message: string) => HopfcoleError, onShort?: (needed: number) => unknown) {
    this.#onShort = onShort;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#bad = bad;
  }

  rest(): number {
    return this.#bytes.byteLength - this.at;
  }

  /** Throws unless so many bytes are left. */
  expect(count: number): void {
    if (count <= this.rest()) return;
    throw (
      this.#onShort?.(this.at + count) ?? this.#bad(`it is cut short: ${count} bytes expected, ${this.rest()} left`)
    );
  }

  /** Moves on by `count` bytes and returns where they began. */
  skip(count: number): number {
    this.expect(count);
    this.at += count;
    return this.at - count;
  }

  byte(): number {
    return this.#bytes[this.skip(1)] as number;
  }

  uint16(): number {
    return this.#view.getUint16(this.skip(2), true);
  }

  int32(): number {
    return this.#view.getInt32(this.skip(4), true);
  }

  /** The one big-endian field. */
  float64(): number {
    return this.#view.getFloat64(this.skip(8), false);
  }

  uint32(): number {
    return this.#view.getUint32(this.skip(4), true);
  }

  /** Beyond 2^53 it is inexact, and beyond any file either way. */
  uint64(): number {
    return Number(this.#view.getBigUint64(this.skip(8), true));
  }

  take(count: number): Uint8Array {
    const begin = this.skip(count);
    return this.#bytes.subarray(begin, begin + count);
  }

  utf8(count: number): string {
    const bytes = this.take(count);
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      throw this.#bad('text that is not valid UTF-8');
    }
  }

  /** A `str` of Python 2: text where it is text, otherwise bytes as latin-1. */
  oldString(count: number): string {
    const bytes = this.take(count);
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return new TextDecoder('latin1').decode(bytes);
    }
  }

  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.at);
    if (end < 0 && this.rest() <= longestLine) this.expect(this.rest() + 1);
    if (end < 0 || end - this.at > longestLine) throw this.#bad('a line without an end');
    const line = this.utf8(end - this.at);
    this.at = end + 1;
    return line.replace(/\r$/, '');
  }

  decimal(text: string): number | bigint {
    if (!/^[+-]?[0-9]+$/.test(text) || text.length > longestNumber) throw this.#bad('a damaged number');
    return narrow(BigInt(text));
  }

  long(count: number): number | bigint {
    if (count < 0 || count > longestNumber) throw this.#bad(`an integer of ${count} bytes`);
    const bytes = this.take(count);
    let value = 0n;
    for (let i = count - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] ?? 0);
    return narrow(BigInt.asIntN(8 * count, value));
  }
}

function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
