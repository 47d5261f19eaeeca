import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { memorySink } from '../../src/files/sink.ts';
import { memorySource } from '../../src/files/source.ts';
import { openZip, readEntry } from '../../src/files/zip/read.ts';
import { type ZipWriterOptions, zipWriter } from '../../src/files/zip/write.ts';
import { type ImportedProgram, importProgram } from '../../src/torch/program.ts';

/** Programs of fixtures/programs.py, taken apart and put together otherwise. */
export type Entries = Map<string, Uint8Array>;
// biome-ignore lint/suspicious/noExplicitAny: a program's JSON, changed in every way there is
export type Loose = any;

export async function takenApart(name: string): Promise<Entries> {
  const file = join(import.meta.dirname, `../../fixtures/programs/${name}.pt2`);
  const archive = await openZip(memorySource(readFileSync(file), file));
  const entries: Entries = new Map();
  for (const [path, entry] of archive.entries) entries.set(path, (await readEntry(archive, entry)).slice());
  return entries;
}

export async function zipped(entries: Iterable<[string, Uint8Array]>, options?: ZipWriterOptions): Promise<Uint8Array> {
  const sink = memorySink();
  const writer = zipWriter(sink, options);
  for (const [path, bytes] of entries) await writer.add(path, [bytes]);
  await writer.finish();
  return sink.bytes();
}

export function imported(bytes: Uint8Array, name = 'hostile.pt2', method?: string): Promise<ImportedProgram> {
  return importProgram(memorySource(bytes, name), { method });
}

/** The fixture with the JSON of its entry that ends so changed in place, or as what the function gives (text as it is). */
export async function withJson(
  fixture: string,
  ending: string,
  change: (json: Loose) => Loose | string | undefined,
): Promise<Uint8Array> {
  const entries = await takenApart(fixture);
  const path = [...entries.keys()].find((key) => key.endsWith(ending));
  if (path === undefined) throw new Error(`no entry ends in ${ending}`);
  const json = JSON.parse(new TextDecoder().decode(entries.get(path)));
  const changed = change(json) ?? json;
  entries.set(path, new TextEncoder().encode(typeof changed === 'string' ? changed : JSON.stringify(changed)));
  return zipped(entries);
}

/** The fixture with its entries changed. */
export async function withEntries(fixture: string, change: (entries: Entries) => void): Promise<Uint8Array> {
  const entries = await takenApart(fixture);
  change(entries);
  return zipped(entries);
}

/** The bytes with every occurrence of a text replaced by one of the same length. */
export function overwritten(bytes: Uint8Array, from: string, to: string): Uint8Array {
  if (from.length !== to.length) throw new Error('of the same length');
  const copy = Buffer.from(bytes);
  for (let at = copy.indexOf(from); at >= 0; at = copy.indexOf(from, at + 1)) copy.write(to, at, 'latin1');
  return new Uint8Array(copy);
}
