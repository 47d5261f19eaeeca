import { HopfcoleError } from './error.ts';

/**
 * Refuses a path from inside a file (external data, shards, archive entries) that could mean anything but a place below its folder
 * on any system: absolute, with `..`, a drive or a stream (`:`), a backslash, a control character.
 * @throws PATH_OUTSIDE_MODEL
 */
export function checkRelativePath(path: string, file: string): void {
  const reason = whyOutside(path);
  if (reason === undefined) return;
  throw new HopfcoleError(
    'PATH_OUTSIDE_MODEL',
    `the path ${JSON.stringify(path.slice(0, 200))} ${reason}`,
    { file },
    "Only files in the model's own folder are read: name them relative to it",
  );
}

/** Why a path may leave its folder, or undefined. */
export function whyOutside(path: string): string | undefined {
  if (path === '') return 'is empty';
  for (const char of path) if (char < ' ' || char === '\x7f') return 'holds a control character';
  if (path.includes('\\')) return 'holds a backslash';
  if (path.startsWith('/')) return 'is absolute';
  if (/^[A-Za-z]:/.test(path)) return 'names a drive';
  const segments = path.split('/');
  if (segments.some((segment) => segment === '..')) return "holds '..'";
  if (segments.every((segment) => segment === '' || segment === '.')) return 'names no file';
  return undefined;
}
