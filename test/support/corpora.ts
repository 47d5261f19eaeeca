import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pythonFile } from './python.ts';

/** Runs a fixture script into a fresh temporary folder and reads the index it leaves. */
export function generated<T>(script: string, args: readonly string[] = []): { folder: string; index: T[] } {
  const folder = mkdtempSync(join(tmpdir(), 'hopfcole-corpus-'));
  pythonFile(join(import.meta.dirname, '../..', script), [folder, ...args]);
  return { folder, index: JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')) as T[] };
}
