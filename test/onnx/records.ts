import { readFileSync, writeFileSync } from 'node:fs';

/** One message of a file that corpus.py writes or reads: kind M (model), T (tensor) or R (a tensor's raw bytes). */
export interface CorpusRecord {
  readonly kind: string;
  readonly name: string;
  readonly bytes: Uint8Array;
}

export function readRecords(path: string): CorpusRecord[] {
  const all = readFileSync(path);
  const records: CorpusRecord[] = [];
  for (let at = 0; at < all.length; ) {
    const kind = String.fromCharCode(all.readUInt8(at));
    const [name, size] = [all.readUInt32LE(at + 1), all.readUInt32LE(at + 5)];
    at += 9;
    const bytes = new Uint8Array(all.buffer, all.byteOffset + at + name, size);
    records.push({ kind, name: all.toString('utf8', at, at + name), bytes });
    at += name + size;
  }
  return records;
}

export function writeRecords(path: string, records: readonly CorpusRecord[]): void {
  const parts = records.flatMap(({ kind, name, bytes }) => {
    const header = Buffer.alloc(9);
    const text = Buffer.from(name);
    header.write(kind, 0);
    header.writeUInt32LE(text.length, 1);
    header.writeUInt32LE(bytes.byteLength, 5);
    return [header, text, bytes];
  });
  writeFileSync(path, Buffer.concat(parts));
}
