import { piecesOf } from '../pieces.ts';
import { type ByteSource, checkRange } from '../source.ts';
import { crc32 } from './crc32.ts';
import { badZip, readDirectory, type ZipEntry } from './directory.ts';

export type { ZipEntry } from './directory.ts';

export interface ZipArchive {
  readonly source: ByteSource;
  readonly entries: ReadonlyMap<string, ZipEntry>;
}

/** Opens an archive: reads its directory and headers, no data. @throws BAD_ZIP */
export async function openZip(source: ByteSource): Promise<ZipArchive> {
  const entries = new Map((await readDirectory(source)).map((entry) => [entry.name, entry]));
  return { source, entries };
}

/**
 * An entry as a source. A stored one is a window on the archive's own bytes; a deflated one is unpacked on its first read.
 * The checksum is held against the data on the first read (0 means that none was written, as PyTorch may do).
 */
export function entrySource(archive: ZipArchive, entry: ZipEntry): ByteSource {
  const { source } = archive;
  const name = `${source.name}:${entry.name}`;
  if (entry.method === 'deflated') {
    let unpacked: Promise<Uint8Array> | undefined;
    return {
      name,
      size: entry.size,
      async read(offset, length) {
        checkRange(name, entry.size, offset, length);
        unpacked ??= inflate(source, entry);
        return (await unpacked).subarray(offset, offset + length);
      },
    };
  }
  let verified: Promise<void> | undefined = entry.crc === 0 ? Promise.resolve() : undefined;
  return {
    name,
    size: entry.size,
    async read(offset, length) {
      checkRange(name, entry.size, offset, length);
      if (length === 0) return new Uint8Array(0);
      if (length === entry.size && verified === undefined) {
        const whole = await source.read(entry.offset, length);
        checkCrc(source, entry, crc32(whole));
        verified = Promise.resolve();
        return whole;
      }
      verified ??= verify(source, entry);
      await verified;
      return source.read(entry.offset + offset, length);
    },
    async *pieces() {
      let crc = 0;
      for await (const chunk of piecesOf(source, entry.offset, entry.size)) {
        crc = crc32(chunk, crc);
        yield chunk;
      }
      checkCrc(source, entry, crc);
      verified = Promise.resolve();
    },
  };
}

/**
 * An entry for a look at its beginning: nothing is held against the checksum, and no more is unpacked than is asked for.
 */
export function glimpse(archive: ZipArchive, entry: ZipEntry): ByteSource {
  const { source } = archive;
  const name = `${source.name}:${entry.name}`;
  return {
    name,
    size: entry.size,
    async read(offset, length) {
      checkRange(name, entry.size, offset, length);
      if (entry.method === 'stored') return source.read(entry.offset + offset, length);
      return (await inflate(source, entry, offset + length)).subarray(offset, offset + length);
    },
  };
}

/** Holds an entry against its checksum, piece by piece. @throws BAD_ZIP */
export async function verifyEntry(archive: ZipArchive, entry: ZipEntry): Promise<void> {
  if (entry.method === 'deflated') await inflate(archive.source, entry);
  else if (entry.crc !== 0) await verify(archive.source, entry);
}

/** All bytes of an entry, checked. */
export function readEntry(archive: ZipArchive, entry: ZipEntry): Promise<Uint8Array> {
  return entrySource(archive, entry).read(0, entry.size);
}

async function verify(source: ByteSource, entry: ZipEntry): Promise<void> {
  let crc = 0;
  for await (const chunk of piecesOf(source, entry.offset, entry.size)) crc = crc32(chunk, crc);
  checkCrc(source, entry, crc);
}

function checkCrc(source: ByteSource, entry: ZipEntry, crc: number): void {
  if (entry.crc !== 0 && entry.crc !== crc)
    throw badZip(source, 'the checksum does not fit the data: it is damaged', `entry ${JSON.stringify(entry.name)}`);
}

/** Unpacks the first `wanted` bytes; all are checked. The declared size has been held within bounds of the archive's own. */
async function inflate(source: ByteSource, entry: ZipEntry, wanted = entry.size): Promise<Uint8Array> {
  const where = `entry ${JSON.stringify(entry.name)}`;
  let at = 0;
  const packed = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      if (at >= entry.packedSize) return controller.close();
      const length = Math.min(1 << 16, entry.packedSize - at);
      controller.enqueue((await source.read(entry.offset + at, length)) as Uint8Array<ArrayBuffer>);
      at += length;
    },
  });
  const reader = packed.pipeThrough(new DecompressionStream('deflate-raw')).getReader();
  const out = new Uint8Array(wanted);
  let done = 0;
  let crc = 0;
  for (;;) {
    const next = await reader.read().catch((error) => {
      throw Object.assign(badZip(source, 'the packed data is damaged', where), { cause: error });
    });
    if (next.done) break;
    if (wanted < entry.size && done + next.value.byteLength >= wanted) {
      await reader.cancel().catch(() => undefined);
      out.set(next.value.subarray(0, wanted - done), done);
      return out;
    }
    if (done + next.value.byteLength > entry.size) {
      await reader.cancel().catch(() => undefined);
      throw badZip(source, `it unpacks to more than the ${entry.size} bytes declared`, where);
    }
    out.set(next.value, done);
    crc = crc32(next.value, crc);
    done += next.value.byteLength;
  }
  if (done !== entry.size) throw badZip(source, `it unpacks to ${done} bytes, ${entry.size} declared`, where);
  checkCrc(source, entry, crc);
  return out;
}
