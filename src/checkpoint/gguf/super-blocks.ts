import { type BlockCodec, half, signed } from './blocks.ts';

/*
 * ggml's "K" types: 256 elements in groups of 16 or 32, whose own scales (and minima) are small integers times one float16 of the whole block.
 * The elements of 32 neighbours in memory are interleaved: bits 0-1 of 32 bytes are the first 32 elements, bits 2-3 the next.
 */

/** scales[16] (low half scale, high half minimum), 2 bits of each element [64], d, dmin. */
export const q2_K: BlockCodec = {
  elements: 256,
  bytes: 84,
  halves: [80, 82],
  decode(from, at, out, to) {
    const d = half(from, at + 80);
    const dmin = half(from, at + 82);
    for (let group = 0; group < 16; group++) {
      const scale = from[at + group] as number;
      const [dl, ml] = [d * (scale & 15), dmin * (scale >> 4)];
      const q = at + 16 + 32 * (group >> 3) + 16 * (group & 1);
      const shift = 2 * ((group >> 1) & 3);
      for (let i = 0; i < 16; i++) out[to + 16 * group + i] = dl * (((from[q + i] as number) >> shift) & 3) - ml;
    }
  },
};

/** hmask[32], 2 bits of each element [64], 16 scales of 6 bits [12], d. The third bit is the mask's, upside down. */
export const q3_K: BlockCodec = {
  elements: 256,
  bytes: 110,
  halves: [108],
  decode(from, at, out, to) {
    const d = half(from, at + 108);
    for (let group = 0; group < 16; group++) {
      const low = ((from[at + 96 + (group & 7)] as number) >> (4 * (group >> 3))) & 15;
      const high = ((from[at + 104 + (group & 3)] as number) >> (2 * (group >> 2))) & 3;
      const dl = d * ((low | (high << 4)) - 32);
      const q = at + 32 + 32 * (group >> 3) + 16 * (group & 1);
      const shift = 2 * ((group >> 1) & 3);
      const mask = at + 16 * (group & 1);
      for (let i = 0; i < 16; i++) {
        const third = (((from[mask + i] as number) >> (group >> 1)) & 1) === 1 ? 0 : 4;
        out[to + 16 * group + i] = dl * ((((from[q + i] as number) >> shift) & 3) - third);
      }
    }
  },
};

/** Scale and minimum, 6 bits each, of one of eight groups in twelve bytes. */
function scaleOf(from: Uint8Array, at: number, group: number): number {
  const byte = (i: number) => from[at + i] as number;
  return group < 4 ? byte(group) & 63 : (byte(group + 4) & 15) | ((byte(group - 4) >> 6) << 4);
}

function minimumOf(from: Uint8Array, at: number, group: number): number {
  const byte = (i: number) => from[at + i] as number;
  return group < 4 ? byte(group + 4) & 63 : (byte(group + 4) >> 4) | ((byte(group) >> 6) << 4);
}

/** d, dmin, scales[12], 4 bits of each element [128]. */
export const q4_K: BlockCodec = {
  elements: 256,
  bytes: 144,
  halves: [0, 2],
  decode(from, at, out, to) {
    const d = half(from, at);
    const dmin = half(from, at + 2);
    for (let group = 0; group < 8; group++) {
      const dl = d * scaleOf(from, at + 4, group);
      const ml = dmin * minimumOf(from, at + 4, group);
      const q = at + 16 + 32 * (group >> 1);
      const shift = 4 * (group & 1);
      const begin = to + 32 * group;
      for (let i = 0; i < 32; i++) out[begin + i] = dl * (((from[q + i] as number) >> shift) & 15) - ml;
    }
  },
};

/** d, dmin, scales[12], the fifth bits [32], 4 bits of each element [128]. */
export const q5_K: BlockCodec = {
  elements: 256,
  bytes: 176,
  halves: [0, 2],
  decode(from, at, out, to) {
    const d = half(from, at);
    const dmin = half(from, at + 2);
    for (let group = 0; group < 8; group++) {
      const dl = d * scaleOf(from, at + 4, group);
      const ml = dmin * minimumOf(from, at + 4, group);
      const q = at + 48 + 32 * (group >> 1);
      const shift = 4 * (group & 1);
      const begin = to + 32 * group;
      for (let i = 0; i < 32; i++) {
        const high = (((from[at + 16 + i] as number) >> group) & 1) << 4;
        out[begin + i] = dl * ((((from[q + i] as number) >> shift) & 15) | high) - ml;
      }
    }
  },
};

/** 4 bits of each element [128], 2 more [64], 16 scales of 8 bits, d. */
export const q6_K: BlockCodec = {
  elements: 256,
  bytes: 210,
  halves: [208],
  decode(from, at, out, to) {
    const d = half(from, at + 208);
    for (let group = 0; group < 8; group++) {
      const [part, quarter] = [group >> 2, group & 3];
      const low = at + 64 * part + 32 * (quarter & 1);
      const high = at + 128 + 32 * part;
      for (let i = 0; i < 32; i++) {
        const q = ((from[low + i] as number) >> (4 * (quarter >> 1))) & 15;
        const two = ((from[high + i] as number) >> (2 * quarter)) & 3;
        const scale = d * signed(from[at + 192 + 2 * group + (i >> 4)] as number);
        out[to + 32 * group + i] = scale * ((q | (two << 4)) - 32);
      }
    }
  },
};
