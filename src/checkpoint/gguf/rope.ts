import type { Json } from '../../files/json.ts';

/** What Llama 3.1 and its successors have in their configurations; the factor differs among them. */
const low = 1;
const high = 4;
const original = 8192;

/**
 * The `rope_scaling` of Hugging Face that makes these divisors of the `dim / 2` frequencies, as llama.cpp stores them (`rope_freqs.weight`):
 * undefined where it is not that of Llama 3.1 exactly, null where they change nothing.
 */
export function scalingOf(
  divisors: Float64Array,
  base: number,
  dim: number,
): ReadonlyMap<string, Json> | undefined | null {
  const factor = divisors.reduce((most, value) => Math.max(most, value), 1);
  if (divisors.length * 2 !== dim) return undefined;
  if (divisors.every((value) => value === 1)) return null;
  const same = divisors.every((value, i) => {
    const expected = divisor((2 * Math.PI * base ** ((2 * i) / dim)) / original, factor);
    return Math.abs(value - expected) <= 1e-5 * expected;
  });
  if (!same) return undefined;
  return new Map<string, Json>([
    ['rope_type', 'llama3'],
    ['factor', factor],
    ['low_freq_factor', low],
    ['high_freq_factor', high],
    ['original_max_position_embeddings', original],
  ]);
}

/** Long waves are stretched by the factor, short ones not, those in between in part. `wave` is in lengths of the original context. */
function divisor(wave: number, factor: number): number {
  if (wave < 1 / high) return 1;
  if (wave > 1 / low) return factor;
  const smooth = (1 / wave - low) / (high - low);
  return 1 / ((1 - smooth) / factor + smooth);
}
