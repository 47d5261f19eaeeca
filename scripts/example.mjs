// `npm run example -- NAME [arguments]`: takes the types off examples/NAME.ts (Node runs no TypeScript on every version) and runs it
// on the built package, as `import ... from 'hopfcole'` finds it.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { buildSync } from 'esbuild';

const [name, ...rest] = process.argv.slice(2);
if (name === undefined || !existsSync(`examples/${name}.ts`)) {
  console.error('usage: npm run example -- build|attribute|inspect [arguments]');
  process.exit(2);
}
// Inside the package, so that it finds itself by name.
const outfile = `.cache/examples/${name}.mjs`;
buildSync({ entryPoints: [`examples/${name}.ts`], format: 'esm', target: 'es2023', outfile, logLevel: 'error' });
process.exit(spawnSync(process.execPath, [outfile, ...rest], { stdio: 'inherit' }).status ?? 1);
