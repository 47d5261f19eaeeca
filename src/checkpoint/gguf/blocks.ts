import { makeTensor, toNumbers } from '../../files/tensor.ts';

/**
 * How a block of numbers is stored: `bytes` bytes for `elements` of them. `decode` writes those of the block at `at` of `from` to `out` from `to` on.
 * Products and sums are exact in JavaScript's float64 (scales have 11 bits, quants 8 at most) and rounded once, to float32, as ggml's are.
 */
export interface BlockCodec {
  readonly elements: number;
  readonly bytes: number;
  /** Offsets of the float16 numbers in a block, whose bytes a big-endian file turns; undefined where such files are not defined. */
  readonly halves?: readonly number[];
  readonly decode: (from: Uint8Array, at: number, out: Float32Array, to: number) => void;
}

let table: Float64Array | undefined;

/** The value of each pattern of a float16, made once. */
function halfValues(): Float64Array {
  table ??= toNumbers(
    makeTensor('float16', [65536], new Uint8Array(Uint16Array.from({ length: 65536 }, (_, i) => i).buffer)),
  );
  return table;
}

/** The float16 at an offset. */
export function half(from: Uint8Array, at: number): number {
  return halfValues()[(from[at] as number) | ((from[at + 1] as number) << 8)] as number;
}

/** 16 bytes: the low halves are elements 0 to 15, the high halves 16 to 31. */
export const q4_0: BlockCodec = {
  elements: 32,
  bytes: 18,
  halves: [0],
  decode(from, at, out, to) {
    const d = half(from, at);
    for (let i = 0; i < 16; i++) {
      const q = from[at + 2 + i] as number;
      out[to + i] = d * ((q & 15) - 8);
      out[to + 16 + i] = d * ((q >> 4) - 8);
    }
  },
};

export const q4_1: BlockCodec = {
  elements: 32,
  bytes: 20,
  halves: [0, 2],
  decode(from, at, out, to) {
    const d = half(from, at);
    const m = half(from, at + 2);
    for (let i = 0; i < 16; i++) {
      const q = from[at + 4 + i] as number;
      out[to + i] = d * (q & 15) + m;
      out[to + 16 + i] = d * (q >> 4) + m;
    }
  },
};

/** The fifth bits stand in four bytes of their own, element i in bit i. */
export const q5_0: BlockCodec = {
  elements: 32,
  bytes: 22,
  decode(from, at, out, to) {
    const d = half(from, at);
    for (let i = 0; i < 16; i++) {
      const q = from[at + 6 + i] as number;
      out[to + i] = d * (((q & 15) | fifth(from, at + 2, i)) - 16);
      out[to + 16 + i] = d * (((q >> 4) | fifth(from, at + 2, i + 16)) - 16);
    }
  },
};

export const q5_1: BlockCodec = {
  elements: 32,
  bytes: 24,
  decode(from, at, out, to) {
    const d = half(from, at);
    const m = half(from, at + 2);
    for (let i = 0; i < 16; i++) {
      const q = from[at + 8 + i] as number;
      out[to + i] = d * ((q & 15) | fifth(from, at + 4, i)) + m;
      out[to + 16 + i] = d * ((q >> 4) | fifth(from, at + 4, i + 16)) + m;
    }
  },
};

function fifth(from: Uint8Array, at: number, index: number): number {
  return (((from[at + (index >> 3)] as number) >> (index & 7)) & 1) << 4;
}

export const q8_0: BlockCodec = {
  elements: 32,
  bytes: 34,
  halves: [0],
  decode(from, at, out, to) {
    const d = half(from, at);
    for (let i = 0; i < 32; i++) out[to + i] = d * signed(from[at + 2 + i] as number);
  },
};

const scratch = new DataView(new ArrayBuffer(4));

/** A float32 scale, 256 bytes, and sums of 16 each that only dot products use. */
export const q8_K: BlockCodec = {
  elements: 256,
  bytes: 292,
  decode(from, at, out, to) {
    for (let i = 0; i < 4; i++) scratch.setUint8(i, from[at + i] as number);
    const d = scratch.getFloat32(0, true);
    for (let i = 0; i < 256; i++) out[to + i] = d * signed(from[at + 4 + i] as number);
  },
};

export function signed(byte: number): number {
  return (byte << 24) >> 24;
}
