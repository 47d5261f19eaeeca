import type { ByteSource } from './source.ts';

const block = 8192;

/** A source for many small reads near one another: what follows a read is kept, so that the next one mostly needs none of its own. */
export function readingAhead(source: ByteSource): ByteSource {
  let begin = 0;
  let kept = new Uint8Array(0);
  return {
    name: source.name,
    size: source.size,
    async read(offset, length) {
      if (length > block || offset + length > source.size) return source.read(offset, length);
      if (offset < begin || offset + length > begin + kept.byteLength) {
        kept = (await source.read(offset, Math.min(block, source.size - offset))) as Uint8Array<ArrayBuffer>;
        begin = offset;
      }
      return kept.subarray(offset - begin, offset - begin + length);
    },
  };
}
