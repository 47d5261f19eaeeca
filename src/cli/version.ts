import { readFileSync } from 'node:fs';

/** The package's version, from the package.json that stands above both src/ and dist/src/. */
export const version: string = readVersion();

function readVersion(): string {
  const up = import.meta.url.endsWith('.ts') ? '../../package.json' : '../../../package.json';
  return (JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')) as { version: string }).version;
}
