import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The Python reference environment (PyTorch, onnx, onnxruntime): `HOPFCOLE_PYTHON`, or `.venv` in the repository,
 * made by `scripts/python-env`. With CI=true its absence is an error; on a person's machine the tests that need it are skipped.
 */
const candidate = process.env.HOPFCOLE_PYTHON ?? join(import.meta.dirname, '../../.venv/bin/python');

export const hasPython: boolean = existsSync(candidate);

if (!hasPython && process.env.CI === 'true') throw new Error('no Python reference environment: run scripts/python-env');

/** Runs a Python program (source text) with arguments and returns its stdout. Throws with stderr when it fails. */
export function python(program: string, args: readonly string[] = [], input?: string | Uint8Array): string {
  const done = spawnSync(candidate, ['-c', program, ...args], { input, maxBuffer: 1 << 30, encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`python failed (${done.status ?? done.signal}): ${done.stderr}`);
  return done.stdout;
}

/** Runs a Python file of the repository. */
export function pythonFile(path: string, args: readonly string[] = []): string {
  return execFileSync(candidate, [path, ...args], { maxBuffer: 1 << 30, encoding: 'utf8' });
}
