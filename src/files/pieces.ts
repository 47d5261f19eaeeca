import type { ByteSource } from './source.ts';

const piece = 1 << 22;

/**
 * A range of a source in pieces, so that it never lies in memory whole. The next piece is read while this one is worked on. What a checksum finds
 * wrong is thrown at the end at the latest.
 */
export async function* piecesOf(source: ByteSource, offset: number, length: number): AsyncGenerator<Uint8Array> {
  if (source.pieces !== undefined && offset === 0 && length === source.size) return yield* source.pieces();
  const end = offset + length;
  const read = (at: number) => (at < end ? source.read(at, Math.min(piece, end - at)) : undefined);
  let next = read(offset);
  for (let at = offset; next !== undefined; ) {
    const bytes = await next;
    at += bytes.byteLength;
    next = read(at);
    // Whoever stops early never sees how this one ended.
    next?.catch(() => undefined);
    yield bytes;
  }
}
