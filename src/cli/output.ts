import { HopfcoleError } from '../files/error.ts';

/**
 * JSON for scripts: non-finite numbers as the strings "inf", "-inf", "nan", typed arrays as lists,
 * bigints as numbers where exact and as strings beyond 2^53, maps as objects.
 */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => plain(item));
}

function plain(item: unknown): unknown {
  if (typeof item === 'number') return finiteOrWord(item);
  if (typeof item === 'bigint') return Number.isSafeInteger(Number(item)) ? Number(item) : String(item);
  if (ArrayBuffer.isView(item) && !(item instanceof DataView)) return Array.from(item as Uint8Array, plain);
  if (item instanceof Map) return Object.fromEntries(item);
  return item;
}

function finiteOrWord(value: number): number | string {
  if (Number.isFinite(value)) return value;
  return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
}

const systemErrors: Readonly<Record<string, readonly [code: string, what: string, hint: string]>> = {
  ENOENT: ['FILE_NOT_FOUND', 'no such file or folder', 'Check the path'],
  EACCES: ['NO_PERMISSION', 'no permission', 'Change the permissions of the file or folder'],
  EPERM: ['NO_PERMISSION', 'not permitted', 'Change the permissions of the file or folder'],
  EISDIR: ['NOT_A_FILE', 'a folder stands where a file is expected', 'Name a file'],
  ENOTDIR: ['NOT_A_FOLDER', 'a file stands where a folder is expected', 'Name a folder'],
  ENOSPC: ['DISK_FULL', 'the disk is full', 'Free some space, or write elsewhere'],
  EDQUOT: ['DISK_FULL', 'the disk quota is used up', 'Free some space, or write elsewhere'],
  EROFS: ['NO_PERMISSION', 'the file system is read-only', 'Write elsewhere'],
  ENAMETOOLONG: ['BAD_ARGUMENT', 'the file name is too long', 'Choose a shorter name'],
  EMFILE: ['TOO_MANY_FILES', 'too many files are open', 'Raise the limit with ulimit -n'],
};

/** Any thrown thing as one of our errors; what is not foreseen is INTERNAL and asks for a report. */
export function asHopfcoleError(thrown: unknown): HopfcoleError {
  if (thrown instanceof HopfcoleError) return thrown;
  if (!(thrown instanceof Error)) return new HopfcoleError('INTERNAL', String(thrown));
  const system = thrown as NodeJS.ErrnoException;
  const known = system.code === undefined ? undefined : systemErrors[system.code];
  if (known !== undefined)
    return new HopfcoleError(known[0], known[1], { file: system.path }, known[2], { cause: thrown });
  if (thrown instanceof RangeError && /allocation failed|Invalid (typed )?array length/i.test(thrown.message))
    return new HopfcoleError('OUT_OF_MEMORY', `not enough memory: ${thrown.message}`, {}, 'Use a smaller batch', {
      cause: thrown,
    });
  return new HopfcoleError(
    'INTERNAL',
    `${thrown.name}: ${thrown.message}`,
    {},
    'This is a fault of hopfcole: run again with --debug and report what it prints',
    { cause: thrown },
  );
}

/** Rows as an aligned table; numbers right, words left. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows.reduce<number[]>((all, row) => row.map((cell, i) => Math.max(all[i] ?? 0, cell.length)), []);
  return rows.map((row) =>
    row
      .map((cell, i) => (/^[-+\d.,e %]+$/.test(cell) ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}
