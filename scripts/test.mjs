// `npm test`: build, formatting and lint, types, dead code, then every test; the last line says how many passed.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';

const report = '.cache/vitest.json';
const steps = [
  ['build', 'npm', ['run', '--silent', 'build']],
  ['format and lint', 'npx', ['biome', 'check', '.']],
  ['types', 'npx', ['tsc', '--noEmit']],
  ['dead code', 'npx', ['knip']],
];

// What tests need beyond npm; without it they are skipped, with CI=true its absence is an error of theirs.
const components = [
  [
    'the Python reference environment',
    existsSync(process.env.HOPFCOLE_PYTHON ?? '.venv/bin/python'),
    'scripts/python-env',
  ],
  ['Chromium', existsSync('/usr/bin/chromium'), 'apt-get install chromium'],
  ['the Vulkan loader', hasVulkan(), 'apt-get install libvulkan1 chromium'],
];

function hasVulkan() {
  if (process.platform !== 'linux') return true;
  return /libvulkan\.so\.1/.test(spawnSync('ldconfig', ['-p'], { encoding: 'utf8' }).stdout ?? '');
}

for (const [what, there, install] of components)
  if (!there) console.log(`${what} is not here: tests that need it are skipped (${install} installs it)`);

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
