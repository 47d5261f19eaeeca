import { readingAhead } from '../ahead.ts';
import { HopfcoleError } from '../error.ts';
import { whyOutside } from '../path.ts';
import type { ByteSource } from '../source.ts';

export interface ZipEntry {
  readonly name: string;
  readonly method: 'stored' | 'deflated';
  readonly crc: number;
  readonly size: number;
  readonly packedSize: number;
  /** Where the (packed) bytes begin in the archive. */
  readonly offset: number;
}

const endSignature = 0x06054b50;
const endSize = 22;
const end64LocatorSignature = 0x07064b50;
const end64Signature = 0x06064b50;
const centralSignature = 0x02014b50;
const localSignature = 0x04034b50;

/** What a stored file of this size may swell to in all: an archive asks for memory only in proportion to its own size. */
export function swellLimit(archiveSize: number): number {
  return Math.max(64 * 2 ** 20, 100 * archiveSize);
}

/**
 * Every entry of an archive, from the central directory checked against each local header.
 * @throws BAD_ZIP for whatever two readers could read differently, or that no honest writer makes.
 */
export async function readDirectory(source: ByteSource): Promise<ZipEntry[]> {
  const fail = (message: string, at?: number | string) => badZip(source, message, at);
  const end = await findEnd(source);
  const bytes = await source.read(end.offset, end.size);
  const heads: Head[] = [];
  let at = 0;
  while (at < bytes.byteLength) {
    const head = parseCentral(bytes, at, (message) => fail(message, end.offset + at));
    heads.push(head);
    at += head.length;
  }
  if (heads.length !== end.count)
    throw fail(`the directory holds ${heads.length} entries, its end record says ${end.count}`, end.offset);

  const seen = new Set<string>();
  const placed: { begin: number; end: number; name: string }[] = [];
  const entries: ZipEntry[] = [];
  let swell = 0;
  const near = readingAhead(source);
  for (const head of heads) {
    const where = `entry ${JSON.stringify(head.name.slice(0, 100))}`;
    const isFolder = head.name.endsWith('/');
    const reason = whyOutside(head.name);
    if (reason !== undefined) throw fail(`the name ${reason}`, where);
    if (seen.has(head.name)) throw fail('the name stands twice', where);
    seen.add(head.name);
    const { entry, begin } = await readLocal(near, head, end.offset, (message) => fail(message, where));
    placed.push({ begin, end: entry.offset + entry.packedSize, name: entry.name });
    if (entry.method === 'deflated') swell += entry.size;
    if (isFolder && entry.size > 0) throw fail('a folder holds data', where);
    if (!isFolder) entries.push(entry);
  }
  placed.sort((a, b) => a.begin - b.begin);
  for (let i = 1; i < placed.length; i++) {
    const [before, after] = [placed[i - 1], placed[i]];
    if (before !== undefined && after !== undefined && before.end > after.begin)
      throw fail(`the entries ${JSON.stringify(before.name)} and ${JSON.stringify(after.name)} overlap`, after.begin);
  }
  if (swell > swellLimit(source.size))
    throw fail(`${source.size} bytes would unpack to ${swell}: this looks like a decompression bomb`);
  return entries;
}

interface End {
  readonly offset: number;
  readonly size: number;
  readonly count: number;
}

async function findEnd(source: ByteSource): Promise<End> {
  if (source.size < endSize) throw badZip(source, `${source.size} bytes are too few for an archive`);
  const tailSize = Math.min(source.size, endSize + 0xffff);
  const tailAt = source.size - tailSize;
  const tail = await source.read(tailAt, tailSize);
  const view = new DataView(tail.buffer, tail.byteOffset, tail.byteLength);
  const found: number[] = [];
  for (let i = tailSize - endSize; i >= 0; i--)
    if (view.getUint32(i, true) === endSignature && view.getUint16(i + 20, true) === tailSize - i - endSize)
      found.push(i);
  const at = found[0];
  if (at === undefined)
    throw badZip(source, 'no end record where the archive should end: it is cut short, or followed by something else');
  if (found.length > 1)
    throw badZip(source, 'two end records fit: the comment of one holds another', tailAt + (found[1] ?? 0));
  const [disk, startDisk, here, count] = [4, 6, 8, 10].map((field) => view.getUint16(at + field, true)) as number[];
  const size = view.getUint32(at + 12, true);
  const offset = view.getUint32(at + 16, true);
  const place = tailAt + at;
  const large = here === 0xffff || count === 0xffff || size === 0xffffffff || offset === 0xffffffff;
  const whole = large || (await hasLocator(source, place)) ? await readEnd64(source, place) : undefined;
  if (whole === undefined) {
    if (disk !== 0 || startDisk !== 0 || here !== count)
      throw badZip(source, 'archives of several disks are not read', place);
    if (offset + size !== place) throw badZip(source, 'the directory does not end where the end record begins', place);
    return { offset, size, count: count ?? 0 };
  }
  const agrees = (narrow: number | undefined, wide: number, most: number) => narrow === most || narrow === wide;
  if (
    !agrees(count, whole.count, 0xffff) ||
    !agrees(size, whole.size, 0xffffffff) ||
    !agrees(offset, whole.offset, 0xffffffff)
  )
    throw badZip(source, 'the two end records (zip and zip64) say different things', place);
  return whole;
}

async function hasLocator(source: ByteSource, endAt: number): Promise<boolean> {
  if (endAt < 20) return false;
  const bytes = await source.read(endAt - 20, 4);
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true) === end64LocatorSignature;
}

async function readEnd64(source: ByteSource, endAt: number): Promise<End | undefined> {
  // Without a locator the fields of the plain record are meant as they stand (65,535 entries are legal).
  if (!(await hasLocator(source, endAt))) return undefined;
  const locator = viewOf(await source.read(endAt - 20, 20));
  const at = wide(locator, 8, source);
  if (locator.getUint32(4, true) !== 0 || locator.getUint32(16, true) > 1)
    throw badZip(source, 'archives of several disks are not read', endAt - 20);
  if (at + 56 > endAt - 20) throw badZip(source, 'the zip64 end record lies outside its place', at);
  const record = viewOf(await source.read(at, 56));
  if (record.getUint32(0, true) !== end64Signature || at + 12 + wide(record, 4, source) !== endAt - 20)
    throw badZip(source, 'the zip64 end record is damaged', at);
  const count = wide(record, 32, source);
  const size = wide(record, 40, source);
  const offset = wide(record, 48, source);
  if (record.getUint32(16, true) !== 0 || record.getUint32(20, true) !== 0 || wide(record, 24, source) !== count)
    throw badZip(source, 'archives of several disks are not read', at);
  if (offset + size !== at) throw badZip(source, 'the directory does not end where the end record begins', at);
  return { offset, size, count };
}

interface Head {
  readonly name: string;
  readonly rawName: Uint8Array;
  readonly flags: number;
  readonly method: number;
  readonly crc: number;
  readonly size: number;
  readonly packedSize: number;
  readonly localAt: number;
  readonly length: number;
}

type Fail = (message: string) => HopfcoleError;

function parseCentral(bytes: Uint8Array, at: number, fail: Fail): Head {
  const view = viewOf(bytes);
  if (at + 46 > bytes.byteLength || view.getUint32(at, true) !== centralSignature)
    throw fail('the directory is damaged');
  const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) => view.getUint16(at + field, true)) as [
    number,
    number,
    number,
  ];
  const length = 46 + nameLength + extraLength + commentLength;
  if (at + length > bytes.byteLength) throw fail('the directory is cut short');
  const rawName = bytes.subarray(at + 46, at + 46 + nameLength);
  const flags = view.getUint16(at + 8, true);
  const disk = view.getUint16(at + 34, true);
  const narrow = [view.getUint32(at + 24, true), view.getUint32(at + 20, true), view.getUint32(at + 42, true)];
  const extra = bytes.subarray(at + 46 + nameLength, at + 46 + nameLength + extraLength);
  const [size, packedSize, localAt] = widen(narrow, extra, fail) as [number, number, number];
  if (disk !== 0 && disk !== 0xffff) throw fail('archives of several disks are not read');
  return {
    name: decodeName(rawName, (flags & 0x800) !== 0, fail),
    rawName,
    flags,
    method: view.getUint16(at + 10, true),
    crc: view.getUint32(at + 16, true),
    size,
    packedSize,
    localAt,
    length,
  };
}

/** The fields that are full (0xffffffff) stand in the zip64 extra field, in order. */
function widen(narrow: readonly number[], extra: Uint8Array, fail: Fail): number[] {
  if (!narrow.includes(0xffffffff)) return [...narrow];
  const view = viewOf(extra);
  for (let at = 0; at + 4 <= extra.byteLength; ) {
    const id = view.getUint16(at, true);
    const end = at + 4 + view.getUint16(at + 2, true);
    if (end > extra.byteLength) throw fail('an extra field is cut short');
    if (id === 1) {
      let next = at + 4;
      return narrow.map((value) => {
        if (value !== 0xffffffff) return value;
        if (next + 8 > end) throw fail('the zip64 field is cut short');
        const wider = Number(view.getBigUint64(next, true));
        if (!Number.isSafeInteger(wider)) throw fail('a size beyond 2^53');
        next += 8;
        return wider;
      });
    }
    at = end;
  }
  return [...narrow];
}

async function readLocal(
  source: ByteSource,
  head: Head,
  limit: number,
  fail: Fail,
): Promise<{ entry: ZipEntry; begin: number }> {
  if ((head.flags & 0x2041) !== 0) throw fail('it is encrypted');
  if (head.method !== 0 && head.method !== 8)
    throw fail(`packed by method ${head.method}; only stored and deflated are read`);
  if (head.localAt + 30 > limit) throw fail('its local header lies outside the archive');
  const fixed = viewOf(await source.read(head.localAt, 30));
  if (fixed.getUint32(0, true) !== localSignature) throw fail('there is no local header where the directory says');
  const nameLength = fixed.getUint16(26, true);
  const extraLength = fixed.getUint16(28, true);
  const offset = head.localAt + 30 + nameLength + extraLength;
  if (offset + head.packedSize > limit) throw fail('its data lies outside the archive');
  const rest = await source.read(head.localAt + 30, nameLength + extraLength);
  const sameName = nameLength === head.rawName.byteLength && head.rawName.every((byte, index) => byte === rest[index]);
  if (!sameName) throw fail('its local header has another name');
  const flags = fixed.getUint16(6, true);
  if (fixed.getUint16(8, true) !== head.method || ((flags ^ head.flags) & 0x2041) !== 0)
    throw fail('its local header says another method');
  const [size, packedSize] = widen(
    [fixed.getUint32(22, true), fixed.getUint32(18, true)],
    rest.subarray(nameLength),
    fail,
  );
  const crc = fixed.getUint32(14, true);
  // A writer that streams (bit 3) leaves these zero here and writes them after the data.
  const later = (flags & 8) !== 0;
  const agree = (local: number | undefined, central: number) => local === central || (later && local === 0);
  if (!agree(size, head.size) || !agree(packedSize, head.packedSize) || !agree(crc, head.crc))
    throw fail('its local header says other sizes or another checksum');
  if (head.method === 0 && head.size !== head.packedSize) throw fail('it is stored, but its two sizes differ');
  // Deflate cannot do better than 1032 to 1.
  if (head.method === 8 && head.size > head.packedSize * 1032 + 1032) throw fail('its declared size cannot be true');
  return {
    begin: head.localAt,
    entry: {
      name: head.name,
      method: head.method === 0 ? 'stored' : 'deflated',
      crc: head.crc,
      size: head.size,
      packedSize: head.packedSize,
      offset,
    },
  };
}

function decodeName(raw: Uint8Array, isUtf8: boolean, fail: Fail): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(raw);
  } catch {
    if (isUtf8) throw fail('a name is not valid UTF-8');
    return new TextDecoder('latin1').decode(raw);
  }
}

function wide(view: DataView, at: number, source: ByteSource): number {
  const value = Number(view.getBigUint64(at, true));
  if (value > source.size) throw badZip(source, 'an offset or size lies outside the archive');
  return value;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function badZip(source: ByteSource, message: string, at?: number | string): HopfcoleError {
  return new HopfcoleError(
    'BAD_ZIP',
    `not a sound zip archive: ${message}`,
    { file: source.name, at },
    'Fetch or save the file again',
  );
}
