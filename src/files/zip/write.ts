import { HopfcoleError } from '../error.ts';
import { piecesOf } from '../pieces.ts';
import type { ByteSink } from '../sink.ts';
import type { ByteSource } from '../source.ts';
import { crc32 } from './crc32.ts';
import { gathering } from './gather.ts';

export interface ZipWriter {
  /** Adds an entry; `parts` stand one after the other. Sources are read twice (checksum, then bytes; once where streamed), never held whole. */
  add(name: string, parts: readonly (Uint8Array | ByteSource)[]): Promise<void>;
  /** Writes the directory. */
  finish(): Promise<void>;
}

export interface ZipWriterOptions {
  readonly deflate?: boolean;
  /** Data begins at a multiple of this many bytes, so that it can be mapped (stored entries). */
  readonly align?: number;
  /**
   * Checksums follow the data of stored entries (a data descriptor, as PyTorch writes), so that sources are read once. Readers that go by the
   * directory do not mind; those that walk from entry to entry do.
   */
  readonly streamed?: boolean;
}

/** A zip archive as a stream. Same content, same bytes: the dates are 1980-01-01. Zip64 records only where they are needed. */
export function zipWriter(sink: ByteSink, options: ZipWriterOptions = {}): ZipWriter {
  const heads: { name: Uint8Array; method: number; crc: number; size: number; packed: number; at: number }[] = [];
  const streamed = options.streamed === true && options.deflate !== true;
  const flags = streamed ? 0x808 : 0x800;
  const names = new Set<string>();
  const align = options.align ?? 1;
  let at = 0;
  // Headers and small entries go out together: a checkpoint has thousands of them.
  const gathered = gathering(sink);
  const emit = async (bytes: Uint8Array) => {
    at += bytes.byteLength;
    await gathered.write(bytes);
  };
  return {
    async add(name, parts) {
      if (names.has(name)) throw new HopfcoleError('DUPLICATE_NAME', `two entries are called ${JSON.stringify(name)}`);
      names.add(name);
      const raw = new TextEncoder().encode(name);
      if (raw.byteLength > 0xffff || raw.byteLength === 0)
        throw new HopfcoleError('BAD_NAME', `an archive cannot hold a name of ${raw.byteLength} bytes`);
      let crc = 0;
      let size = 0;
      const packed: Uint8Array[] = [];
      const deflater = options.deflate === true ? startDeflate(packed) : undefined;
      if (streamed) size = parts.reduce((sum, part) => sum + sizeOf(part), 0);
      else
        for await (const chunk of chunksOf(parts)) {
          crc = crc32(chunk, crc);
          size += chunk.byteLength;
          await deflater?.write(chunk);
        }
      await deflater?.close();
      const packedSize = deflater === undefined ? size : packed.reduce((sum, chunk) => sum + chunk.byteLength, 0);
      const head = { name: raw, method: deflater === undefined ? 0 : 8, crc, size, packed: packedSize, at };
      heads.push(head);
      const zip64 = size >= 0xffffffff || packedSize >= 0xffffffff;
      const extra = zip64 ? zip64Field([size, packedSize]) : new Uint8Array(0);
      const fixed = 30 + raw.byteLength + extra.byteLength;
      const padding = (align - ((at + fixed) % align)) % align;
      // An extra field takes four bytes itself.
      const field = padding === 0 ? 0 : padding >= 4 ? padding : padding + align * Math.ceil((4 - padding) / align);
      const local = new DataView(new ArrayBuffer(30));
      local.setUint32(0, 0x04034b50, true);
      common(
        local,
        4,
        flags,
        head.method,
        crc,
        zip64 ? 0xffffffff : packedSize,
        zip64 ? 0xffffffff : size,
        raw.byteLength,
        zip64,
      );
      local.setUint16(28, extra.byteLength + field, true);
      await emit(concat([new Uint8Array(local.buffer), raw, extra, paddingField(field)]));
      if (deflater !== undefined) for (const chunk of packed) await emit(chunk);
      else
        for await (const chunk of chunksOf(parts)) {
          // The sum is made while the bytes are being written.
          const emitted = emit(chunk);
          if (streamed) head.crc = crc32(chunk, head.crc);
          await emitted;
        }
      if (streamed) await emit(descriptor(head.crc, size, zip64));
    },
    async finish() {
      const begin = at;
      for (const head of heads) {
        const wide = [head.size, head.packed, head.at].filter((value) => value >= 0xffffffff);
        const extra = wide.length > 0 ? zip64Field(wide) : new Uint8Array(0);
        const view = new DataView(new ArrayBuffer(46));
        view.setUint32(0, 0x02014b50, true);
        view.setUint16(4, wide.length > 0 ? 45 : 20, true);
        common(
          view,
          6,
          flags,
          head.method,
          head.crc,
          narrow(head.packed),
          narrow(head.size),
          head.name.byteLength,
          wide.length > 0,
        );
        view.setUint16(30, extra.byteLength, true);
        view.setUint32(42, narrow(head.at), true);
        await emit(concat([new Uint8Array(view.buffer), head.name, extra]));
      }
      const size = at - begin;
      if (heads.length >= 0xffff || begin >= 0xffffffff || size >= 0xffffffff)
        await emit(end64(heads.length, size, begin, at));
      const end = new DataView(new ArrayBuffer(22));
      end.setUint32(0, 0x06054b50, true);
      end.setUint16(8, Math.min(heads.length, 0xffff), true);
      end.setUint16(10, Math.min(heads.length, 0xffff), true);
      end.setUint32(12, narrow(size), true);
      end.setUint32(16, narrow(begin), true);
      await emit(new Uint8Array(end.buffer));
      await gathered.flush();
    },
  };
}

/** The fields that local and central headers share, from `version needed` on. */
function common(
  view: DataView,
  at: number,
  flags: number,
  method: number,
  crc: number,
  packed: number,
  size: number,
  nameLength: number,
  zip64: boolean,
): void {
  view.setUint16(at, zip64 ? 45 : 20, true);
  view.setUint16(at + 2, flags, true);
  view.setUint16(at + 4, method, true);
  view.setUint16(at + 8, 0x21, true);
  view.setUint32(at + 10, crc, true);
  view.setUint32(at + 14, packed, true);
  view.setUint32(at + 18, size, true);
  view.setUint16(at + 22, nameLength, true);
}

function narrow(value: number): number {
  return Math.min(value, 0xffffffff);
}

function zip64Field(values: readonly number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 + 8 * values.length));
  view.setUint16(0, 1, true);
  view.setUint16(2, 8 * values.length, true);
  values.forEach((value, index) => {
    view.setBigUint64(4 + 8 * index, BigInt(value), true);
  });
  return new Uint8Array(view.buffer);
}

/** An extra field that only takes room; its id is the one PyTorch pads with. */
function paddingField(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  if (length === 0) return bytes;
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0x4246, true);
  view.setUint16(2, length - 4, true);
  return bytes;
}

function end64(count: number, size: number, begin: number, at: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(76));
  view.setUint32(0, 0x06064b50, true);
  view.setBigUint64(4, 44n, true);
  view.setUint16(12, 45, true);
  view.setUint16(14, 45, true);
  view.setBigUint64(24, BigInt(count), true);
  view.setBigUint64(32, BigInt(count), true);
  view.setBigUint64(40, BigInt(size), true);
  view.setBigUint64(48, BigInt(begin), true);
  view.setUint32(56, 0x07064b50, true);
  view.setBigUint64(64, BigInt(at), true);
  view.setUint32(72, 1, true);
  return new Uint8Array(view.buffer);
}

async function* chunksOf(parts: readonly (Uint8Array | ByteSource)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    if (part instanceof Uint8Array) yield part;
    else yield* piecesOf(part, 0, part.size);
  }
}

function sizeOf(part: Uint8Array | ByteSource): number {
  return part instanceof Uint8Array ? part.byteLength : part.size;
}

/** Checksum and sizes after the data. */
function descriptor(crc: number, size: number, zip64: boolean): Uint8Array {
  const view = new DataView(new ArrayBuffer(zip64 ? 24 : 16));
  view.setUint32(0, 0x08074b50, true);
  view.setUint32(4, crc, true);
  if (zip64) for (const at of [8, 16]) view.setBigUint64(at, BigInt(size), true);
  else for (const at of [8, 12]) view.setUint32(at, size, true);
  return new Uint8Array(view.buffer);
}

function startDeflate(out: Uint8Array[]): { write(chunk: Uint8Array): Promise<void>; close(): Promise<void> } {
  const stream = new CompressionStream('deflate-raw');
  const writer = stream.writable.getWriter();
  const drained = (async () => {
    const reader = stream.readable.getReader();
    for (let next = await reader.read(); !next.done; next = await reader.read()) out.push(next.value);
  })();
  return {
    write: (chunk) => writer.write(chunk as Uint8Array<ArrayBuffer>),
    async close() {
      await writer.close();
      await drained;
    },
  };
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}
