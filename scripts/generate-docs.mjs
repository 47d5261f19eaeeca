// `npm run generate:docs`: writes docs/operators.md from the table of co-state rules (Node runs no TypeScript on every version).
import { rmSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { buildSync } from 'esbuild';

// Beside the source, so that it finds the tests it names by its own place.
const outfile = resolve('test/support/.operator-page.mjs');
buildSync({
  entryPoints: ['test/support/operator-page.ts'],
  bundle: true,
  platform: 'node',
  format: 'esm',
  packages: 'external',
  outfile,
  logLevel: 'error',
});
try {
  const { operatorPage } = await import(pathToFileURL(outfile).href);
  writeFileSync('docs/operators.md', operatorPage());
} finally {
  rmSync(outfile);
}
