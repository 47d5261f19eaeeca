import { type ByteSource, checkRange } from '../../files/source.ts';
import type { BlockCodec } from './blocks.ts';

/**
 * `blocks` blocks from `begin` on as float32 numbers, taken apart when they are read: of a piece only the blocks that it touches, so that no more
 * than the piece lies in memory. `turned` for a big-endian file.
 */
export function dequantised(
  source: ByteSource,
  begin: number,
  blocks: number,
  codec: BlockCodec,
  turned: boolean,
): ByteSource {
  const width = codec.elements * 4;
  const size = blocks * width;
  return {
    name: source.name,
    size,
    async read(offset, length) {
      checkRange(source.name, size, offset, length);
      if (length === 0) return new Uint8Array(0);
      const first = Math.floor(offset / width);
      const count = Math.ceil((offset + length) / width) - first;
      const stored = await source.read(begin + first * codec.bytes, count * codec.bytes);
      const from = turned ? withTurnedHalves(stored, codec) : stored;
      const out = new Float32Array(count * codec.elements);
      for (let i = 0; i < count; i++) codec.decode(from, i * codec.bytes, out, i * codec.elements);
      return new Uint8Array(out.buffer, offset - first * width, length);
    },
  };
}

function withTurnedHalves(stored: Uint8Array, codec: BlockCodec): Uint8Array {
  const out = stored.slice();
  for (let block = 0; block < out.byteLength; block += codec.bytes)
    for (const at of codec.halves ?? []) {
      out[block + at] = stored[block + at + 1] as number;
      out[block + at + 1] = stored[block + at] as number;
    }
  return out;
}
