import type { ByteSource } from './source.ts';

const piece = 1 << 22;

/**
 * A range of a source in pieces, so that it never lies in memory whole. The next piece is read while this one is worked on.
 */
export async function* piecesOf(source: ByteSource, offset: number, length: number): AsyncGenerator<Uint8Array> {
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
