import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { build } from '../../src/cli/commands/build.ts';
import { check } from '../../src/cli/commands/check.ts';
import { inspect } from '../../src/cli/commands/inspect.ts';
import { asHopfcoleError } from '../../src/cli/output.ts';
import { readInputs, writeOutputs } from '../../src/cli/tensor-files.ts';
import { fromNumbers } from '../../src/files/tensor.ts';
import { checkFeeds } from '../../src/runtime/feed.ts';
import { perform } from '../support/command.ts';
import { generated } from '../support/corpora.ts';
import { hasPython, python } from '../support/python.ts';

interface Case {
  readonly name: string;
  readonly file: string;
  readonly command: 'check' | 'input' | 'spec';
  readonly expect: 'refuse' | 'accept' | 'any';
  readonly nasty: boolean;
  readonly lenient: string;
  /** What Python's own reader says: 'accepts', why not, or null where it hung or there is none. */
  readonly python: string | null;
}

const root = join(import.meta.dirname, '../..');
const scratch = mkdtempSync(join(tmpdir(), 'hopfcole-hostile-'));
const parquet = join(scratch, 'x.parquet');
const lse = join(scratch, 'lse.onnx');

async function made(): Promise<{ folder: string; index: Case[] }> {
  await writeOutputs(parquet, new Map([['x', fromNumbers('float32', [2, 4], [1, 2, 3, 4, 5, 6, 7, 8])]]));
  await perform(build, { spec: join(root, 'test/cli/lse.json'), output: lse });
  return generated<Case>('test/cli/hostile/make.py', [lse, join(root, 'fixtures/runtime/empty-call.onnx'), parquet]);
}

const { folder, index } = hasPython ? await made() : { folder: '', index: [] };
const pathOf = ({ name, file }: Case) => join(folder, name, file);
const output = join(scratch, 'out.onnx');

/** Does with the file what its case says; the error line, or undefined where it was accepted. */
async function tried(given: Case): Promise<string | undefined> {
  try {
    if (given.command === 'check') await perform(check, { file: pathOf(given) });
    else if (given.command === 'spec') await perform(build, { spec: pathOf(given), output });
    else
      checkFeeds(
        [{ name: 'x', dtype: 'float32', shape: ['B', 4] }],
        await readInputs(pathOf(given), [{ name: 'x', dtype: 'float32', shape: ['B', 4] }]),
      );
    return undefined;
  } catch (error) {
    const told = asHopfcoleError(error);
    expect(told.code).not.toBe('INTERNAL');
    return told.line();
  }
}

function judge(given: Case, line: string | undefined): void {
  if (given.expect === 'refuse') expect(line).toBeDefined();
  if (given.expect === 'accept') expect(line).toBeUndefined();
  if (line !== undefined) {
    // What is wrong, and in which file; readable, whatever the file's names hold.
    expect(line).toMatch(/^[^\p{Cc}]{10,2500}$/u);
    if (given.command === 'check') expect(line).toContain(join(folder, given.name));
  }
}

const gentle = index.filter(({ nasty }) => !nasty).map((given) => [given.name, given] as const);
const nasty = index.filter((given) => given.nasty);

describe.skipIf(!hasPython)('the hostile corpus', () => {
  it('is large', () => {
    expect(index.length).toBeGreaterThan(400);
    expect(new Set(index.map(({ name }) => name)).size).toBe(index.length);
  });

  it.each(gentle)('%s', { timeout: 20_000 }, async (_name, given) => {
    const begun = performance.now();
    judge(given, await tried(given));
    if (given.command === 'check') {
      const told = await perform(inspect, { file: pathOf(given) }).catch(asHopfcoleError);
      if (told instanceof Error) expect([told.code, told.line()]).not.toContain('INTERNAL');
      else expect(typeof told.json.format).toBe('string');
    }
    expect(performance.now() - begun).toBeLessThan(15_000);
  });

  it('refuses what Python refuses, and takes what Python takes, or says why not', () => {
    const told = index.filter(({ python: says, lenient }) => says !== null && lenient === '');
    const stricter = told.filter((given) => given.expect === 'refuse' && given.python === 'accepts');
    const laxer = told.filter((given) => given.expect === 'accept' && given.python !== 'accepts');
    expect([stricter.map(({ name }) => name), laxer.map((given) => [given.name, given.python])]).toEqual([[], []]);
    expect(told.length).toBeGreaterThan(200);
  });

  it('ran nothing that a file asked for, and wrote nothing', () => {
    expect(existsSync(join(folder, 'canary'))).toBe(false);
    expect(existsSync(join(tmpdir(), 'evil'))).toBe(false);
    expect(readdirSync(scratch).filter((name) => name.includes('tmp'))).toEqual([]);
  });
});

interface Watched {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  readonly cpu: number;
  readonly megabytes: number;
}

describe.skipIf(!hasPython)('depth, size and bombs, each in a process of its own', () => {
  const main = join(root, 'dist/src/cli/main.js');
  const words = (given: Case): string[] => {
    if (given.command === 'check') return ['check', pathOf(given)];
    if (given.command === 'spec') return ['build', pathOf(given), '-o', join(scratch, 'nasty.onnx')];
    const model = join(root, 'fixtures/runtime/affine.onnx');
    return ['run', model, '--ep', 'cpu', '--input', pathOf(given), '-o', join(scratch, 'nasty.npz')];
  };
  // Every second one: each costs a process.
  const described = nasty.filter(({ command }) => command === 'check').filter((_given, at) => at % 2 === 0);
  let ran: Watched[] = [];
  beforeAll(() => {
    const lines = [...nasty.map(words), ...described.map((given) => ['inspect', pathOf(given), '--json'])];
    const commands = JSON.stringify(lines.map((line) => ['node', main, ...line]));
    const program = `import runpy; runpy.run_path(${JSON.stringify(join(root, 'test/cli/hostile/watch.py'))}, run_name='__main__')`;
    ran = JSON.parse(python(program, [], commands));
  });

  /** A bare `node` takes some 50 MB; the rest is a few times the file, and what the collector leaves lying on a busy machine. */
  const bounded = (given: Case, { cpu, megabytes }: Watched) => {
    expect(megabytes).toBeLessThan(150 + 120 + (10 * statSync(pathOf(given)).size) / 2 ** 20);
    expect(cpu).toBeLessThan(5);
  };

  it.each(nasty.map((given, at) => [given.name, given, at] as const))('%s is answered', (_name, given, at) => {
    const watched = ran[at];
    if (watched === undefined) throw new Error('it was not run');
    const { code, out, err } = watched;
    expect([0, 2]).toContain(code);
    expect(err).not.toContain('fault of hopfcole');
    judge(given, code === 0 ? undefined : err.replace(/^error: /, '').replace(/\n$/, ''));
    if (code === 2) expect([out, err.startsWith('error: ')]).toEqual(['', true]);
    bounded(given, watched);
  });

  it.each(described.map((given, at) => [given.name, given, at] as const))('%s is described', (_name, given, at) => {
    const watched = ran[nasty.length + at];
    if (watched === undefined) throw new Error('it was not run');
    expect([0, 2]).toContain(watched.code);
    expect(JSON.parse(watched.out).ok).toBe(watched.code === 0);
    expect(watched.err + watched.out).not.toContain('INTERNAL');
    bounded(given, watched);
  });
});

it.skipIf(!hasPython)('leaves no file of a run that failed', () => {
  const folderOf = mkdtempSync(join(scratch, 'atomic-'));
  const done = spawnSync('node', [
    join(root, 'dist/src/cli/main.js'),
    'export',
    join(folder, 'onnx-cycle/model.onnx'),
    '-o',
    join(folderOf, 'm.onnx'),
  ]);
  expect([done.status, readdirSync(folderOf)]).toEqual([2, []]);
});
