import { spawn } from 'node:child_process';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '../..');
export const main = join(root, 'dist/src/cli/main.js');

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  readonly seconds: number;
}

/** Runs the built command line in a process of its own; `signal` is sent once it has run for `after` milliseconds. */
export function hopfcole(
  words: readonly string[],
  options: { cwd?: string; signal?: NodeJS.Signals; after?: number; env?: Record<string, string> } = {},
): Promise<Ended> {
  const begun = performance.now();
  const child = spawn(process.execPath, [main, ...words], {
    cwd: options.cwd ?? root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...options.env },
  });
  const { signal } = options;
  if (signal !== undefined) setTimeout(() => child.kill(signal), options.after ?? 1000);
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  return new Promise((resolve) =>
    child.on('close', (code) => resolve({ code, out, err, seconds: (performance.now() - begun) / 1000 })),
  );
}
