import { renameSync, rmSync } from 'node:fs';
import { type FileHandle, lstat, open, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { HopfcoleError } from '../error.ts';
import type { ByteSink } from '../sink.ts';
import { fileError, notAFile } from './file.ts';

/**
 * Writes a file that appears whole or not at all: a temporary file beside it, fsync, rename.
 * On an error, SIGINT, SIGTERM or SIGHUP nothing is left behind and a file that was there stays as it was.
 * @throws FOLDER_NOT_FOUND, NOT_A_FILE, NO_PERMISSION, DISK_FULL, or what `write` threw.
 */
export function atomicWrite<T>(path: string, write: (sink: ByteSink) => Promise<T>): Promise<T> {
  return atomicWriteGroup([path], ([sink]) => write(sink as ByteSink));
}

/** Writes several files (a model and its external data) that appear all together or not at all; renamed in the order given. */
export async function atomicWriteGroup<T>(
  paths: readonly string[],
  write: (sinks: readonly ByteSink[]) => Promise<T>,
): Promise<T> {
  const drafts: Draft[] = [];
  try {
    for (const path of paths) drafts.push(await startDraft(path));
    const result = await write(drafts.map((draft) => draft.sink));
    for (const draft of drafts) await draft.finish();
    publish(drafts);
    await Promise.all([...new Set(paths.map((path) => dirname(path)))].map(syncFolder));
    return result;
  } catch (error) {
    for (const draft of drafts) await draft.discard();
    throw error;
  } finally {
    for (const draft of drafts) forget(draft.temporary);
  }
}

interface Draft {
  readonly path: string;
  readonly temporary: string;
  readonly existed: boolean;
  readonly sink: ByteSink;
  finish(): Promise<void>;
  discard(): Promise<void>;
}

async function startDraft(path: string): Promise<Draft> {
  if (path === '' || path.includes('\0')) throw new HopfcoleError('FILE_NOT_FOUND', 'expected a path to write to');
  const folder = dirname(path);
  const folderStats = await stat(folder).catch(() => undefined);
  if (folderStats?.isDirectory() !== true)
    throw new HopfcoleError('FOLDER_NOT_FOUND', `there is no folder ${folder}`, { file: path }, 'Make it first');
  const stats = await stat(path).catch(() => undefined);
  if (stats !== undefined && !stats.isFile()) throw notAFile(stats, path);
  const link = await lstat(path).catch(() => undefined);
  const temporary = await freshName(folder, path);
  remember(temporary);
  let handle: FileHandle;
  try {
    handle = await open(temporary, 'wx', stats === undefined ? 0o666 : stats.mode & 0o777);
  } catch (error) {
    forget(temporary);
    throw fileError(error, path);
  }
  let isOpen = true;
  return {
    path,
    temporary,
    existed: link !== undefined,
    sink: {
      async write(bytes) {
        let done = 0;
        while (done < bytes.byteLength) {
          const piece = bytes.subarray(done, done + (1 << 26));
          const { bytesWritten } = await handle.write(piece).catch((error) => {
            throw fileError(error, path);
          });
          done += bytesWritten;
        }
      },
    },
    async finish() {
      await handle.sync().catch((error) => {
        throw fileError(error, path);
      });
      isOpen = false;
      await handle.close();
    },
    async discard() {
      if (isOpen) await handle.close().catch(() => undefined);
      isOpen = false;
      rmSync(temporary, { force: true });
    },
  };
}

let counter = 0;

async function freshName(folder: string, path: string): Promise<string> {
  counter += 1;
  // Long names would not fit with more letters.
  const stem = basename(path).slice(0, 100);
  return join(folder, `.${stem}.${process.pid}-${Date.now().toString(36)}-${counter}.tmp`);
}

/** Renames without a pause in between, so that no signal handler can run half way; puts everything back when one fails. */
function publish(drafts: readonly Draft[]): void {
  const undo: (() => void)[] = [];
  const backups: string[] = [];
  try {
    for (const { path, temporary, existed } of drafts) {
      if (existed && drafts.length > 1) {
        const backup = `${temporary}.old`;
        renameSync(path, backup);
        backups.push(backup);
        undo.push(() => renameSync(backup, path));
      }
      renameSync(temporary, path);
      if (!existed) undo.push(() => rmSync(path, { force: true }));
    }
  } catch (error) {
    for (const step of undo.reverse()) step();
    throw fileError(error, drafts[0]?.path ?? '');
  }
  for (const backup of backups) rmSync(backup, { force: true });
}

async function syncFolder(folder: string): Promise<void> {
  // Not every system can sync a folder; the rename has happened all the same.
  const handle = await open(folder, 'r').catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close().catch(() => undefined);
}

const unfinished = new Set<string>();
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

function remember(temporary: string): void {
  if (unfinished.size === 0) {
    process.on('exit', sweep);
    for (const signal of signals) process.on(signal, onSignal);
  }
  unfinished.add(temporary);
}

function forget(temporary: string): void {
  if (!unfinished.delete(temporary) || unfinished.size > 0) return;
  process.off('exit', sweep);
  for (const signal of signals) process.off(signal, onSignal);
}

function sweep(): void {
  for (const temporary of unfinished) rmSync(temporary, { force: true });
}

function onSignal(signal: NodeJS.Signals): void {
  sweep();
  // Somebody else who listens decides what happens next; otherwise the signal does what it does without us.
  if (process.listenerCount(signal) > 1) return;
  process.off(signal, onSignal);
  process.kill(process.pid, signal);
}
