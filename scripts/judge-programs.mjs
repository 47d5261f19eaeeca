// `node scripts/judge-programs.mjs [FILTER..]`: what our importer makes of the PyTorch programs of test/torch/programs (test/torch/judge-main.ts says how).
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { buildSync } from 'esbuild';

const outfile = `node_modules/.cache/judge-programs-${process.pid}.mjs`;
buildSync({
  entryPoints: ['test/torch/judge-main.ts'],
  bundle: true,
  platform: 'node',
  format: 'esm',
  packages: 'external',
  outfile,
  logLevel: 'error',
});
const { status } = spawnSync('node', ['--enable-source-maps', outfile, ...process.argv.slice(2)], { stdio: 'inherit' });
rmSync(outfile, { force: true });
process.exit(status ?? 1);
