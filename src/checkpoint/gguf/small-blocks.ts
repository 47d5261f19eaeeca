import { type BlockCodec, half } from './blocks.ts';

/** The sixteen values of IQ4 quants: not evenly spaced. */
const uneven = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
/** Twice the sixteen values of float4 (e2m1). */
const float4 = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];

function look(values: readonly number[], index: number): number {
  return values[index] as number;
}

export const iq4_NL: BlockCodec = {
  elements: 32,
  bytes: 18,
  halves: [0],
  decode(from, at, out, to) {
    const d = half(from, at);
    for (let i = 0; i < 16; i++) {
      const q = from[at + 2 + i] as number;
      out[to + i] = d * look(uneven, q & 15);
      out[to + 16 + i] = d * look(uneven, q >> 4);
    }
  },
};

/** d, the high bits of eight scales [2], their low bits [4], 4 bits of each element [128]. */
export const iq4_XS: BlockCodec = {
  elements: 256,
  bytes: 136,
  halves: [0, 2],
  decode(from, at, out, to) {
    const d = half(from, at);
    const high = (from[at + 2] as number) | ((from[at + 3] as number) << 8);
    for (let group = 0; group < 8; group++) {
      const low = ((from[at + 4 + (group >> 1)] as number) >> (4 * (group & 1))) & 15;
      const scale = d * ((low | (((high >> (2 * group)) & 3) << 4)) - 32);
      for (let i = 0; i < 16; i++) {
        const q = from[at + 8 + 16 * group + i] as number;
        out[to + 32 * group + i] = scale * look(uneven, q & 15);
        out[to + 32 * group + 16 + i] = scale * look(uneven, q >> 4);
      }
    }
  },
};

/** A power of two, then 32 float4: OCP's microscaling format. */
export const mxfp4: BlockCodec = {
  elements: 32,
  bytes: 17,
  halves: [],
  decode(from, at, out, to) {
    // The values are twice as large as they should be, the scale half.
    const d = 2 ** ((from[at] as number) - 128);
    for (let i = 0; i < 16; i++) {
      const q = from[at + 1 + i] as number;
      out[to + i] = d * look(float4, q & 15);
      out[to + 16 + i] = d * look(float4, q >> 4);
    }
  },
};

/** The scale of sixteen elements: an unsigned float8 of 4 and 3 bits whose last pattern is no number, and 0 here as in ggml. */
function unsigned8(byte: number): number {
  const exponent = (byte >> 3) & 15;
  const mantissa = byte & 7;
  if (byte === 127) return 0;
  return exponent === 0 ? mantissa * 2 ** -9 : (1 + mantissa / 8) * 2 ** (exponent - 7);
}

/** Four scales, then 16 float4 for each. */
export const nvfp4: BlockCodec = {
  elements: 64,
  bytes: 36,
  halves: [],
  decode(from, at, out, to) {
    for (let part = 0; part < 4; part++) {
      // As above: values are twice as large, scales half.
      const d = unsigned8(from[at + part] as number) / 2;
      for (let i = 0; i < 8; i++) {
        const q = from[at + 4 + 8 * part + i] as number;
        out[to + 16 * part + i] = d * look(float4, q & 15);
        out[to + 16 * part + 8 + i] = d * look(float4, q >> 4);
      }
    }
  },
};

const powersOf3 = [1, 3, 9, 27, 81];

/** Five of -1, 0, 1 to a byte [48], four to a byte [4], d. A byte is the fraction, in base 3, of 256. */
export const tq1_0: BlockCodec = {
  elements: 256,
  bytes: 54,
  halves: [52],
  decode(from, at, out, to) {
    const d = half(from, at + 52);
    let next = to;
    for (const [begin, width, digits] of [
      [0, 32, 5],
      [32, 16, 5],
      [48, 4, 4],
    ] as const)
      for (let digit = 0; digit < digits; digit++)
        for (let i = 0; i < width; i++) {
          const shifted = ((from[at + begin + i] as number) * look(powersOf3, digit)) & 255;
          out[next++] = d * (((shifted * 3) >> 8) - 1);
        }
  },
};

/** -1, 0, 1 in two bits [64], d. */
export const tq2_0: BlockCodec = {
  elements: 256,
  bytes: 66,
  halves: [64],
  decode(from, at, out, to) {
    const d = half(from, at + 64);
    for (let group = 0; group < 8; group++) {
      const q = at + 32 * (group >> 2);
      const shift = 2 * (group & 3);
      for (let i = 0; i < 32; i++) out[to + 32 * group + i] = d * ((((from[q + i] as number) >> shift) & 3) - 1);
    }
  },
};
