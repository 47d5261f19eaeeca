import { swapped } from '../../files/npy.ts';
import { type ByteSource, checkRange } from '../../files/source.ts';

/** `size` bytes from `begin` on with the bytes of each element of `width` reversed, piece by piece as they are read. */
export function turned(source: ByteSource, begin: number, size: number, width: number): ByteSource {
  return {
    name: source.name,
    size,
    async read(offset, length) {
      checkRange(source.name, size, offset, length);
      const first = Math.floor(offset / width) * width;
      const end = Math.ceil((offset + length) / width) * width;
      return swapped(await source.read(begin + first, end - first), width).subarray(
        offset - first,
        offset - first + length,
      );
    },
  };
}
