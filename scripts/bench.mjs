// `npm run bench -- NAME [flags]`: bundles bench/NAME.ts (Node runs no TypeScript on every version) and runs it.
import { spawnSync } from 'node:child_process';
import { buildSync } from 'esbuild';

const [name, ...flags] = process.argv.slice(2);
if (name === undefined) {
  console.error(
    'usage: npm run bench -- operators|files|checkpoints|programs|costate|layers|recurrent|generation|ssm|attention [flags]',
  );
  process.exit(2);
}
const outfile = `node_modules/.cache/bench-${name}.mjs`;
buildSync({
  entryPoints: [`bench/${name}.ts`],
  bundle: true,
  platform: 'node',
  format: 'esm',
  packages: 'external',
  outfile,
  logLevel: 'error',
});
process.exit(spawnSync('node', ['--expose-gc', outfile, ...flags], { stdio: 'inherit' }).status ?? 1);
