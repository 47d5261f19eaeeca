import fc from 'fast-check';
import { expect } from 'vitest';
import { HopfcoleError } from '../../src/files/error.ts';

/** A result or an error of ours, within time and memory. */
export async function holds(what: () => Promise<unknown>): Promise<void> {
  const began = performance.now();
  const rss = process.memoryUsage().rss;
  try {
    await what();
  } catch (error) {
    if (!(error instanceof HopfcoleError)) throw error;
    expect(error.line()).not.toMatch(/[\r\n]/);
  }
  expect(performance.now() - began).toBeLessThan(20_000);
  expect(process.memoryUsage().rss - rss).toBeLessThan(400 * 2 ** 20);
}

/** Flipped bytes, telling numbers written over, a cut, a piece said twice. */
export const mutations = fc.array(
  fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    kind: fc.constantFrom('byte', 'int32', 'int64', 'cut', 'repeat', 'swap'),
    value: fc.oneof(fc.nat(255), fc.constantFrom(0x7fffffff, 0xffffffff, 0x80000000, 0xffff, 0x10000)),
  }),
  { minLength: 1, maxLength: 4 },
);

export function mutate(bytes: Uint8Array, steps: { at: number; kind: string; value: number }[]): Uint8Array {
  let out = bytes.slice();
  for (const { at, kind, value } of steps) {
    const place = Math.min(out.byteLength - 1, Math.floor(at * out.byteLength));
    if (place < 0) return out;
    const view = new DataView(out.buffer);
    if (kind === 'byte') out[place] = value & 255;
    else if (kind === 'int32' && place + 4 <= out.byteLength) view.setUint32(place, value, true);
    else if (kind === 'int64' && place + 8 <= out.byteLength) view.setBigUint64(place, BigInt(value) << 31n, true);
    else if (kind === 'cut') out = out.slice(0, place);
    else if (kind === 'repeat')
      out = Uint8Array.from([...out.subarray(0, place), ...out.subarray(Math.max(0, place - 40))]);
    else if (kind === 'swap') out = Uint8Array.from([...out.subarray(place), ...out.subarray(0, place)]);
  }
  return out;
}
