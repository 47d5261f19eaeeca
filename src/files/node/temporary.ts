import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const live = new Set<string>();
let watching = false;

/** A fresh folder of our own for temporary files; what is not removed by `removeTemporary` goes when the process exits. */
export async function temporaryFolder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'hopfcole-'));
  live.add(path);
  if (!watching) {
    watching = true;
    process.on('exit', () => {
      for (const folder of live) rmSync(folder, { recursive: true, force: true });
    });
  }
  return path;
}

export async function removeTemporary(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
  live.delete(path);
}
