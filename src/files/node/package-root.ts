import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of this package: the first above this file that has a package.json, whether it runs from src/, from dist/src/ or bundled. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (let up = dirname(folder); !existsSync(join(folder, 'package.json')) && up !== folder; up = dirname(folder))
    folder = up;
  return folder;
}
