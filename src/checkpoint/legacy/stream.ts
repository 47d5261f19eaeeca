import { readingAhead } from '../../files/ahead.ts';
import { HopfcoleError } from '../../files/error.ts';
import type { ByteSource } from '../../files/source.ts';
import { type Pickled, readPickle } from '../pickle/machine.ts';
import type { Persistent } from '../pickle/persistent.ts';

const pickleLimit = 512 * 2 ** 20;
const firstLook = 64 * 2 ** 10;

class Short {
  readonly needed: number;
  constructor(needed: number) {
    this.needed = needed;
  }
}

/** Pickles and raw fields one after the other, as the files of early PyTorch hold them: how long a pickle is only its reader can tell. */
export class PickleStream {
  at = 0;
  readonly source: ByteSource;
  readonly #near: ByteSource;

  constructor(source: ByteSource) {
    this.source = source;
    this.#near = readingAhead(source);
  }

  rest(): number {
    return this.source.size - this.at;
  }

  /** The next pickle. No more is read than it takes, times four. @throws UNSAFE_PICKLE, BAD_PICKLE */
  async pickle(persistent: Persistent): Promise<Pickled> {
    const { name } = this.source;
    const most = Math.min(this.rest(), pickleLimit);
    for (let size = Math.min(firstLook, most); ; ) {
      const bytes = await this.source.read(this.at, size);
      const onShort = (needed: number) => (needed > most ? undefined : new Short(needed));
      try {
        const pickled = readPickle(bytes, name, { persistent, onShort });
        this.at += pickled.end;
        return pickled;
      } catch (error) {
        if (!(error instanceof Short)) throw error instanceof HopfcoleError ? this.#placed(error) : error;
        size = Math.min(most, Math.max(4 * size, error.needed));
      }
    }
  }

  /** Where in the file the error is, not where in its pickle. */
  #placed(error: HopfcoleError): HopfcoleError {
    const { at } = error.where;
    return typeof at === 'number'
      ? new HopfcoleError(error.code, error.message, { ...error.where, at: this.at + at }, error.hint)
      : error;
  }

  /** An int64 that counts something. @throws BAD_CHECKPOINT */
  async size(what: string): Promise<number> {
    const view = await this.#view(8, what);
    const value = view.getBigInt64(0, true);
    if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) throw this.bad(`${value} ${what}`);
    return Number(value);
  }

  /** An int32, and the int32 after it that is of no use. @throws BAD_CHECKPOINT */
  async rank(): Promise<number> {
    const value = (await this.#view(8, 'a rank')).getInt32(0, true);
    if (value < 0 || value > 64) throw this.bad(`a tensor of ${value} dimensions`);
    return value;
  }

  async #view(bytes: number, what: string): Promise<DataView> {
    if (this.rest() < bytes) throw this.bad(`it is cut short where ${what} should stand`);
    const read = await this.#near.read(this.at, bytes);
    this.at += bytes;
    return new DataView(read.buffer, read.byteOffset, bytes);
  }

  bad(message: string): HopfcoleError {
    return new HopfcoleError(
      'BAD_CHECKPOINT',
      `not a sound file of an early PyTorch: ${message}`,
      { file: this.source.name, at: this.at },
      'Fetch it again, or save it with a current PyTorch',
    );
  }
}
