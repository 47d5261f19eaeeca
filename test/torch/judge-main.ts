/**
 * What our importer makes of the corpus of PyTorch programs (test/torch/programs), as a table:
 *
 *     node scripts/judge-programs.mjs [FILTER..] [--family F,..] [--only NAME,..] [--variant traced|decomposed|strict] [--op TEXT]
 *                                     [--no-gradients] [--no-build] [--all] [--failed] [--json FILE]
 *
 * FILTER: part of a program's name. --op: programs that call an operator with this in its name (`--op aten.roll`). --all: passing programs too.
 * --no-build: of what is exported already; otherwise families whose Python changed are exported first. --failed: those that failed last time.
 * The last lines count the failures by phase, and the operators without a lowering.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { corpus, families } from './corpus.ts';
import { type Failure, judged, type Verdict } from './judge.ts';

const args = process.argv.slice(2);
const valued = new Set(['family', 'only', 'variant', 'op', 'json']);
const filters = args.filter((arg, i) => !arg.startsWith('--') && !valued.has((args[i - 1] ?? '').slice(2)));

function option(name: string): string | undefined {
  const at = args.indexOf(`--${name}`);
  return at < 0 ? undefined : args[at + 1];
}

const remembered = 'node_modules/.cache/torch-programs/failed.json';
const failedBefore = existsSync(remembered) ? new Set<string>(JSON.parse(readFileSync(remembered, 'utf8'))) : new Set();
const entries = (await corpus(option('family')?.split(',') ?? families(), !args.includes('--no-build'))).filter(
  ({ name, targets }) =>
    (filters.length === 0 || filters.some((text) => name.includes(text))) &&
    (option('only')?.split(',').includes(name) ?? true) &&
    (option('op') === undefined ||
      Object.values(targets).some((counts) => Object.keys(counts).some((key) => key.includes(option('op') ?? '')))),
);

interface Row {
  readonly name: string;
  readonly family: string;
  readonly variant: string;
  readonly verdict: Verdict;
}

const rows: Row[] = [];
for (const entry of entries)
  for (const { variant } of entry.variants) {
    if (option('variant') !== undefined && variant !== option('variant')) continue;
    if (args.includes('--failed') && !failedBefore.has(`${entry.name} ${variant}`)) continue;
    const verdict = await judged(entry, variant, !args.includes('--no-gradients'));
    rows.push({ name: entry.name, family: entry.family, variant, verdict });
    print(rows.at(-1) as Row);
  }
summary();

function print({ name, variant, verdict }: Row): void {
  const { failures, output, gradient, gradients, nodes, milliseconds } = verdict;
  const head = `${name} (${variant})`.padEnd(44);
  if (failures.length === 0) {
    if (args.includes('--all') || entries.length < 6)
      console.log(
        `ok   ${head} outputs ${output.toExponential(1)}, ${gradients} gradients ${gradient.toExponential(1)}, ${nodes} nodes, ${milliseconds.toFixed(0)} ms`,
      );
    return;
  }
  for (const { phase, message } of failures.slice(0, entries.length < 6 ? 20 : 3))
    console.log(`FAIL ${head} ${phase}: ${message}`);
  if (failures.length > 3 && entries.length >= 6) console.log(`     ${head} and ${failures.length - 3} more`);
}

function summary(): void {
  const failed = rows.filter(({ verdict }) => verdict.failures.length > 0);
  const phases = new Map<string, number>();
  for (const { verdict } of failed) {
    const { phase } = verdict.failures[0] as Failure;
    phases.set(phase, (phases.get(phase) ?? 0) + 1);
  }
  console.log(`\n${rows.length - failed.length} of ${rows.length} pass; ${failed.length} fail`);
  for (const [phase, count] of phases) console.log(`  ${phase.padEnd(9)} ${count}`);
  const lacking = new Map<string, number>();
  for (const { verdict } of failed)
    for (const { message } of verdict.failures)
      for (const [, what] of message.matchAll(/(?<=not supported: (?:.*; )?)(\w[\w.]*(?:: [^;]*?)?) \(\d+x/g))
        lacking.set(what ?? '', (lacking.get(what ?? '') ?? 0) + 1);
  const sorted = [...lacking].sort(([, a], [, b]) => b - a);
  if (sorted.length > 0) console.log('not supported, by how many programs and variants need it:');
  for (const [what, count] of sorted.slice(0, 80)) console.log(`  ${String(count).padStart(4)}  ${what}`);
  mkdirSync('node_modules/.cache/torch-programs', { recursive: true });
  const names = failed.map(({ name, variant }) => `${name} ${variant}`);
  const kept = [...failedBefore].filter((key) => !rows.some(({ name, variant }) => `${name} ${variant}` === key));
  writeFileSync(remembered, JSON.stringify([...kept, ...names]));
  const json = option('json');
  if (json !== undefined) writeFileSync(json, JSON.stringify(rows, null, 1));
}
