// `npm test`: build, formatting and lint, types, dead code, then every test; the last line says how many passed.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';

const report = '.cache/vitest.json';
const steps = [
  ['build', 'npm', ['run', '--silent', 'build']],
  ['format and lint', 'npx', ['biome', 'check', '.']],
  ['types', 'npx', ['tsc', '--noEmit']],
  ['dead code', 'npx', ['knip']],
];

function run(command, args) {
  return spawnSync(command, args, { stdio: 'inherit' }).status ?? 1;
}

mkdirSync('.cache', { recursive: true });
rmSync(report, { force: true });
let failed = 0;
for (const [name, command, args] of steps) {
  console.log(`== ${name}`);
  if (run(command, args) !== 0) {
    failed += 1;
    console.error(`${name} failed`);
    if (name === 'build') break;
  }
}

let counts = { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0 };
if (failed === 0 || process.env.CI !== 'true') {
  console.log('== tests');
  const status = run('npx', [
    'vitest',
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
    ...process.argv.slice(2),
  ]);
  try {
    counts = JSON.parse(readFileSync(report, 'utf8'));
  } catch {
    failed += 1;
  }
  // A test file that cannot even be loaded fails the run without a failed test.
  if (status !== 0 && counts.numFailedTests === 0) failed += 1;
}
failed += counts.numFailedTests;
console.log(
  `${counts.numPassedTests} passed, ${failed} failed, ${counts.numPendingTests + counts.numTodoTests} skipped`,
);
process.exit(failed === 0 ? 0 : 1);
