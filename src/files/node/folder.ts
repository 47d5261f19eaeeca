import { constants } from 'node:fs';
import { lstat, realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { HopfcoleError } from '../error.ts';
import { checkRelativePath } from '../path.ts';
import type { ByteSource, Folder } from '../source.ts';
import { fileError, notAFile, openRegular } from './file.ts';

/**
 * The folder of a model or checkpoint, for the files it names. Paths are checked by their letters first and then by where
 * they really lead: a link out of the folder is refused wherever on the path it stands.
 */
export function fileFolder(directory: string): Folder {
  return {
    name: directory,
    async open(relativePath: string): Promise<ByteSource> {
      checkRelativePath(relativePath, directory);
      const path = join(directory, relativePath);
      const root = await realpath(directory).catch((error) => {
        throw fileError(error, directory);
      });
      const real = await realpath(path).catch((error) => missing(error, path));
      if (!real.startsWith(root.endsWith(sep) ? root : root + sep)) throw outside(path);
      const stats = await lstat(real).catch((error) => {
        throw fileError(error, path);
      });
      if (stats.isSymbolicLink()) throw outside(path);
      if (!stats.isFile()) throw notAFile(stats, path);
      // The real path holds no link; one put there since then is not followed.
      return openRegular(real, path, constants.O_NOFOLLOW ?? 0);
    },
  };
}

async function missing(error: unknown, path: string): Promise<never> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats?.isSymbolicLink() === true) throw outside(path);
  throw fileError(error, path);
}

function outside(path: string): HopfcoleError {
  return new HopfcoleError(
    'PATH_OUTSIDE_MODEL',
    "a link leads out of the model's folder",
    { file: path },
    'Copy the file itself into the folder',
  );
}
