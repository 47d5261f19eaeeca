import { join } from 'node:path';
import type { RemoteSession } from '../../src/runtime/node/remote.ts';
import type { Session } from '../../src/runtime/session.ts';

export const fixtures = join(import.meta.dirname, '../../fixtures/runtime');

export function fixture(name: string): string {
  return join(fixtures, `${name}.onnx`);
}

/** The process id of a child's session. */
export function pidOf(session: Session): number {
  const { pid } = session as RemoteSession;
  if (pid === undefined) throw new Error('the session has no process');
  return pid;
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Whether the process is gone within ten seconds. */
export async function isGone(pid: number): Promise<boolean> {
  for (let i = 0; i < 200 && isAlive(pid); i++) await new Promise((resolve) => setTimeout(resolve, 50));
  return !isAlive(pid);
}

/** The code and line of the error that a promise ends with. */
export async function failure(promise: Promise<unknown>): Promise<{ code: string; line: string; cause: string }> {
  const error: unknown = await promise.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  );
  const { code = 'none', line, cause } = error as { code?: string; line?: () => string; cause?: unknown };
  return { code, line: line?.call(error) ?? String(error), cause: String(cause) };
}
