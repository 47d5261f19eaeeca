import { close, closeSync, constants, fstat, open, read, type Stats } from 'node:fs';
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { HopfcoleError } from '../error.ts';
import { type ByteSource, checkRange } from '../source.ts';
import { useNativeCrc32 } from '../zip/crc32.ts';

// Node has it from 20.15 on.
const { crc32 } = zlib as { crc32?: (bytes: Uint8Array, before?: number) => number };
if (crc32 !== undefined) useNativeCrc32(crc32);

const opened = promisify(open);
const statOf = promisify(fstat);
const closed = promisify(close);
const readAt = promisify(read);

/** One read call takes less than 2 GiB on every system. */
const most = 1 << 30;

/** A source that nobody closed gives its descriptor back when it is collected. */
const forgotten = new FinalizationRegistry<{ fd: number }>((held) => {
  if (held.fd >= 0) closeSync(held.fd);
});

/**
 * A file as a byte source: nothing is read until asked for, and each read is a fresh buffer of its own.
 * @throws FILE_NOT_FOUND, NOT_A_FILE (folders, devices, pipes, sockets), NO_PERMISSION.
 */
export async function openFile(path: string): Promise<ByteSource> {
  return openRegular(path, path, 0);
}

/** As `openFile`, called `name` in errors, with more open flags. */
export async function openRegular(path: string, name: string, flags: number): Promise<ByteSource> {
  if (path.includes('\0')) throw new HopfcoleError('FILE_NOT_FOUND', 'a path holds no NUL character', { file: name });
  let fd: number;
  try {
    // Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever.
    fd = await opened(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | flags);
  } catch (error) {
    throw fileError(error, name);
  }
  let stats: Stats;
  try {
    stats = await statOf(fd);
  } catch (error) {
    await closed(fd);
    throw fileError(error, name);
  }
  if (!stats.isFile()) {
    await closed(fd);
    throw notAFile(stats, name);
  }
  return new FileSource(name, stats.size, fd);
}

class FileSource implements ByteSource {
  readonly name: string;
  readonly size: number;
  readonly #held: { fd: number };

  constructor(name: string, size: number, fd: number) {
    this.name = name;
    this.size = size;
    this.#held = { fd };
    forgotten.register(this, this.#held, this.#held);
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    checkRange(this.name, this.size, offset, length);
    const bytes = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const wanted = Math.min(most, length - done);
      const { bytesRead } = await readAt(this.#held.fd, bytes, done, wanted, offset + done).catch((error) => {
        throw fileError(error, this.name);
      });
      if (bytesRead === 0)
        throw new HopfcoleError('TRUNCATED', `expected ${length} bytes at offset ${offset}, but the file has shrunk`, {
          file: this.name,
        });
      done += bytesRead;
    }
    return bytes;
  }

  async close(): Promise<void> {
    const { fd } = this.#held;
    if (fd < 0) return;
    this.#held.fd = -1;
    forgotten.unregister(this.#held);
    await closed(fd);
  }
}

export function notAFile(stats: Stats, name: string): HopfcoleError {
  const kind = stats.isDirectory()
    ? 'a folder'
    : stats.isFIFO()
      ? 'a pipe'
      : stats.isSocket()
        ? 'a socket'
        : 'a device';
  return new HopfcoleError('NOT_A_FILE', `expected a file, got ${kind}`, { file: name }, 'Name the file itself');
}

/** What the operating system said, as an error of ours. */
export function fileError(error: unknown, name: string): HopfcoleError {
  const { code } = error as { code?: unknown };
  const where = { file: name };
  const options = { cause: error };
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
    case 'ENAMETOOLONG':
      return new HopfcoleError('FILE_NOT_FOUND', 'there is no such file', where, 'Check the path', options);
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new HopfcoleError('NO_PERMISSION', 'no permission', where, 'Check who may read or write there', options);
    case 'EISDIR':
      return new HopfcoleError('NOT_A_FILE', 'expected a file, got a folder', where, 'Name the file itself', options);
    case 'ENXIO':
      return new HopfcoleError('NOT_A_FILE', 'expected a file, got a socket or pipe', where, '', options);
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EFBIG':
      return new HopfcoleError('DISK_FULL', 'no space is left to write', where, 'Free some space', options);
    case 'ELOOP':
      return new HopfcoleError('PATH_OUTSIDE_MODEL', 'links that lead in a circle or astray', where, '', options);
    case 'EMFILE':
    case 'ENFILE':
      return new HopfcoleError('TOO_MANY_FILES', 'too many files are open', where, 'Raise ulimit -n', options);
    case undefined:
      return error instanceof HopfcoleError
        ? error
        : new HopfcoleError('FILE_ERROR', String(error), where, '', options);
    default:
      return new HopfcoleError('FILE_ERROR', `the system answered ${String(code)}`, where, '', options);
  }
}
