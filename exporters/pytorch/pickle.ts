/** Opcodes of pickle protocol 2, by the names that Python's pickletools gives them. */
const op = {
  proto: 0x80,
  mark: 0x28,
  stop: 0x2e,
  global: 0x63,
  binput: 0x71,
  longBinput: 0x72,
  binget: 0x68,
  longBinget: 0x6a,
  binint: 0x4a,
  binint1: 0x4b,
  binint2: 0x4d,
  long1: 0x8a,
  binunicode: 0x58,
  newtrue: 0x88,
  newfalse: 0x89,
  emptyTuple: 0x29,
  tuple: 0x74,
  reduce: 0x52,
  binpersid: 0x51,
  setitems: 0x75,
} as const;

/**
 * Writes a pickle of protocol 2: a program for a stack machine. Each method puts one value on the stack, or takes some from it. Only the few
 * opcodes that a state dict of PyTorch needs, all of which its restricted unpickler (`weights_only=True`) knows.
 */
export class PickleWriter {
  #bytes = new Uint8Array(1 << 12);
  #length = 0;
  /** Names of Python that stand in the memo, by their place there. */
  readonly #memo = new Map<string, number>();

  constructor() {
    this.#put(op.proto, 2);
  }

  /** A class or function by its module and name. */
  global(module: string, name: string): void {
    const full = `${module}\n${name}\n`;
    const known = this.#memo.get(full);
    if (known !== undefined) {
      if (known < 256) this.#put(op.binget, known);
      else this.#put(op.longBinget, ...little(known, 4));
      return;
    }
    const place = this.#memo.size;
    this.#memo.set(full, place);
    this.#put(op.global);
    this.#append(utf8.encode(full));
    if (place < 256) this.#put(op.binput, place);
    else this.#put(op.longBinput, ...little(place, 4));
  }

  text(value: string): void {
    const bytes = encode(value);
    this.#put(op.binunicode, ...little(bytes.byteLength, 4));
    this.#append(bytes);
  }

  boolean(value: boolean): void {
    this.#put(value ? op.newtrue : op.newfalse);
  }

  /** A whole number from 0 to 2^53. */
  count(value: number): void {
    if (value < 256) this.#put(op.binint1, value);
    else if (value < 65536) this.#put(op.binint2, ...little(value, 2));
    else if (value < 2 ** 31) this.#put(op.binint, ...little(value, 4));
    // Seven bytes, the highest of them 0 to 31: the sign bit stays clear.
    else this.#put(op.long1, 7, ...little(value, 7));
  }

  /** Marks where a tuple or a row of pairs begins. */
  mark(): void {
    this.#put(op.mark);
  }

  /** All values since the mark become one tuple. */
  tuple(): void {
    this.#put(op.tuple);
  }

  counts(values: readonly number[]): void {
    this.mark();
    for (const value of values) this.count(value);
    this.tuple();
  }

  /** Calls what lies below the topmost value with that tuple. */
  reduce(): void {
    this.#put(op.reduce);
  }

  /** Calls a name without arguments. */
  empty(module: string, name: string): void {
    this.global(module, name);
    this.#put(op.emptyTuple);
    this.reduce();
  }

  /** The topmost value is what a thing outside the pickle is called; the thing takes its place. */
  persistent(): void {
    this.#put(op.binpersid);
  }

  /** The pairs since the mark go into the dict below it. */
  setItems(): void {
    this.#put(op.setitems);
  }

  /** Ends the program; its result is the one value left. */
  stop(): Uint8Array {
    this.#put(op.stop);
    return this.#bytes.subarray(0, this.#length);
  }

  #put(...bytes: readonly number[]): void {
    this.#append(bytes);
  }

  #append(bytes: ArrayLike<number>): void {
    const needed = this.#length + bytes.length;
    if (needed > this.#bytes.byteLength) {
      const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.byteLength));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    this.#bytes.set(bytes, this.#length);
    this.#length = needed;
  }
}

function little(value: number, width: number): number[] {
  return Array.from({ length: width }, (_, i) => Math.floor(value / 256 ** i) % 256);
}

const utf8 = new TextEncoder();

/** UTF-8 as Python's `surrogatepass` has it: half a surrogate pair, which Python's texts can hold as ours can, takes three bytes. */
function encode(value: string): Uint8Array {
  if (!/\p{Surrogate}/u.test(value)) return utf8.encode(value);
  const parts = [...value].flatMap((char) => {
    const point = char.codePointAt(0) ?? 0;
    return point >= 0xd800 && point < 0xe000
      ? [0xe0 | (point >> 12), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63)]
      : [...utf8.encode(char)];
  });
  return Uint8Array.from(parts);
}
