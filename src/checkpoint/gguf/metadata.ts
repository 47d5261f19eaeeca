import type { Cursor } from './cursor.ts';

/** Keys, and elements of arrays whose sizes have to be walked over. */
const mostKeys = 65536;
const mostWalked = 1 << 24;
/** All texts that are kept: chat templates take some kilobytes. */
const textLimit = 64 * 2 ** 20;
const deepest = 8;

const text = 8;
const array = 9;

type Plain = string | number | boolean;

/** The value types by their numbers: width in bytes and how one is taken. */
const scalars: Readonly<
  Record<number, readonly [width: number, get: (v: DataView, at: number, le: boolean) => Plain]>
> = {
  0: [1, (v, at) => v.getUint8(at)],
  1: [1, (v, at) => v.getInt8(at)],
  2: [2, (v, at, le) => v.getUint16(at, le)],
  3: [2, (v, at, le) => v.getInt16(at, le)],
  4: [4, (v, at, le) => v.getUint32(at, le)],
  5: [4, (v, at, le) => v.getInt32(at, le)],
  6: [4, (v, at, le) => v.getFloat32(at, le)],
  7: [1, (v, at) => v.getUint8(at)],
  10: [8, (v, at, le) => exact(v.getBigUint64(at, le))],
  11: [8, (v, at, le) => exact(v.getBigInt64(at, le))],
  12: [8, (v, at, le) => v.getFloat64(at, le)],
};
const boolean = 7;
const uint32 = 4;

/** A number where it is exact, otherwise its digits. */
function exact(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}

export interface GgufMetadata {
  /** Values that are no arrays: the vocabulary is walked over, not kept. */
  readonly values: Map<string, Plain>;
  /** Where the data of tensors begin, and each of them: multiples of this. */
  readonly alignment: number;
}

/**
 * The key-value pairs of a header. Lengths and counts are claims: each is held against what is left of the file before anything is done with it.
 * @throws BAD_GGUF for keys twice, unknown types, an alignment that is no power of two, and more than is sensible.
 */
export async function readMetadata(cursor: Cursor, count: number): Promise<GgufMetadata> {
  if (count > mostKeys) throw cursor.fail(`${count} metadata keys are more than is sensible`);
  const values = new Map<string, Plain>();
  const seen = new Set<string>();
  const walk = new Walk(cursor);
  let alignment = 32;
  for (let i = 0; i < count; i++) {
    const begin = cursor.at;
    const key = await cursor.name('a metadata key');
    if (seen.has(key)) throw cursor.fail(`the metadata key ${shown(key)} stands twice`, begin);
    seen.add(key);
    const type = await cursor.uint32();
    if (type === array) await walk.array(key, 1);
    else values.set(key, await walk.value(key, type));
    if (key !== 'general.alignment') continue;
    const given = values.get(key);
    if (type !== uint32 || typeof given !== 'number' || given === 0 || (given & (given - 1)) !== 0 || given > 2 ** 30)
      throw cursor.fail(`general.alignment should be a power of two as uint32, it is ${String(given)}`, begin);
    alignment = given;
  }
  return { values, alignment };
}

class Walk {
  readonly #cursor: Cursor;
  #walked = 0;
  #text = 0;

  constructor(cursor: Cursor) {
    this.#cursor = cursor;
  }

  async value(key: string, type: number): Promise<Plain> {
    const cursor = this.#cursor;
    if (type === text) {
      const bytes = await cursor.bytes(`the text of ${shown(key)}`, textLimit - this.#text);
      this.#text += bytes.byteLength;
      // Texts for people: a byte astray is no reason to refuse the weights.
      return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
    }
    const [width, get] = this.#scalar(key, type);
    await cursor.need(width);
    const value = cursor.take(width, get);
    if (type !== boolean) return value;
    if (value !== 0 && value !== 1) throw cursor.fail(`the boolean ${shown(key)} is ${value}`, cursor.at - 1);
    return value === 1;
  }

  #scalar(key: string, type: number): (typeof scalars)[number] {
    const scalar = Object.hasOwn(scalars, type) ? scalars[type] : undefined;
    if (scalar === undefined) throw this.#cursor.fail(`the value of ${shown(key)} has the unknown type ${type}`);
    return scalar;
  }

  /** Walks over an array, and those in it. */
  async array(key: string, depth: number): Promise<void> {
    const cursor = this.#cursor;
    if (depth > deepest) throw cursor.fail(`the arrays of ${shown(key)} are nested more than ${deepest} deep`);
    const type = await cursor.uint32();
    const count = await cursor.size(`the length of the array ${shown(key)}`);
    if (type !== text && type !== array) {
      const [width] = this.#scalar(key, type);
      cursor.skip(count * width);
      return;
    }
    this.#walked += count;
    if (this.#walked > mostWalked || count * 8 > cursor.left)
      throw cursor.fail(`the array ${shown(key)} of ${count} elements is more than the file can hold or is sensible`);
    for (let i = 0; i < count; i++) {
      if (type === array) await this.array(key, depth + 1);
      else {
        const length = await cursor.size(`the length of a text in ${shown(key)}`);
        cursor.skip(length);
      }
    }
  }
}

function shown(key: string): string {
  return JSON.stringify(key.slice(0, 200));
}
