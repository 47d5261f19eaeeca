import type { ByteSource } from '../files/source.ts';

const chunk = 1024 * 1024;

/**
 * SHA-1 (FIPS 180-4) of a source in lower-case hexadecimal, read chunk by chunk: the platform's own digest takes
 * whole buffers only. ONNX uses it as a checksum, not for security.
 */
export async function sha1(source: ByteSource): Promise<string> {
  const state = Uint32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0);
  const schedule = new Uint32Array(80);
  const whole = Math.floor(source.size / 64) * 64;
  for (let offset = 0; offset < whole; offset += chunk)
    digest(state, schedule, await source.read(offset, Math.min(chunk, whole - offset)));
  const rest = source.size - whole;
  const last = new Uint8Array(rest < 56 ? 64 : 128);
  last.set(await source.read(whole, rest));
  last[rest] = 0x80;
  new DataView(last.buffer).setBigUint64(last.byteLength - 8, BigInt(source.size) * 8n);
  digest(state, schedule, last);
  return [...state].map((word) => word.toString(16).padStart(8, '0')).join('');
}

function digest(state: Uint32Array, w: Uint32Array, blocks: Uint8Array): void {
  const view = new DataView(blocks.buffer, blocks.byteOffset, blocks.byteLength);
  const at = (i: number) => w[i] as number;
  for (let block = 0; block < blocks.byteLength; block += 64) {
    for (let i = 0; i < 16; i++) w[i] = view.getUint32(block + i * 4);
    for (let i = 16; i < 80; i++) w[i] = rotate(at(i - 3) ^ at(i - 8) ^ at(i - 14) ^ at(i - 16), 1);
    let [a = 0, b = 0, c = 0, d = 0, e = 0] = state;
    for (let i = 0; i < 80; i++) {
      const f = i < 20 ? (b & c) | (~b & d) : i < 40 || i >= 60 ? b ^ c ^ d : (b & c) | (b & d) | (c & d);
      const k = [0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6][Math.floor(i / 20)] as number;
      const next = (rotate(a, 5) + f + e + k + at(i)) | 0;
      e = d;
      d = c;
      c = rotate(b, 30);
      b = a;
      a = next;
    }
    [a, b, c, d, e].forEach((word, i) => {
      state[i] = ((state[i] as number) + word) | 0;
    });
  }
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}
