import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../files/node/package-root.ts';

/** The package's version. */
export const version: string = readVersion();

function readVersion(): string {
  return (JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string }).version;
}
