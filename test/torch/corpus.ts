import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** A program of test/torch/programs as test/torch/programs.py saved it. */
export interface CorpusEntry {
  readonly name: string;
  readonly family: string;
  /** Where its files are. */
  readonly folder: string;
  readonly variants: readonly { readonly variant: string; readonly file: string; readonly method?: string }[];
  readonly calls: readonly CorpusCall[];
  /** How often each variant calls each operator. */
  readonly targets: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly tolerance: number | null;
  /** What PyTorch could not do. */
  readonly notes: readonly string[];
}

/** One set of inputs, and what PyTorch made of it. */
export interface CorpusCall {
  readonly file: string;
  readonly inputs: readonly { readonly name: string; readonly kind: string }[];
  /** `tensor`, `complex`, `none`, `int`, ... of every output. */
  readonly outputs: readonly string[];
  readonly lost: Readonly<Record<string, number>>;
}

const here = import.meta.dirname.includes('node_modules')
  ? join(process.cwd(), 'test/torch')
  : join(import.meta.dirname);
const root = join(here, '../..');
const cache = join(root, 'node_modules/.cache/torch-programs');
const python = process.env.HOPFCOLE_PYTHON ?? join(root, '.venv/bin/python');

export function families(): readonly string[] {
  return readdirSync(join(here, 'programs'))
    .filter((file) => file.endsWith('.py') && !file.startsWith('_') && file !== 'registry.py')
    .map((file) => file.slice(0, -3))
    .sort();
}

/** Of everything that makes a family's files: its source and those it imports, the driver, the version of PyTorch. */
function hashOf(family: string): string {
  const hash = createHash('sha1');
  const read = (file: string) => readFileSync(join(here, file), 'utf8');
  const add = (file: string): void => {
    const text = read(file);
    hash.update(text);
    for (const [, other] of text.matchAll(/^from \.(\w+) import/gm))
      if (other !== 'registry') add(`programs/${other}.py`);
  };
  hash.update(read('programs.py')).update(read('programs/registry.py'));
  add(`programs/${family}.py`);
  const lib = join(python, '../../lib');
  const version = existsSync(lib)
    ? readdirSync(lib)
        .map((name) => join(lib, name, 'site-packages/torch/version.py'))
        .find(existsSync)
    : undefined;
  hash.update(version === undefined ? '' : readFileSync(version));
  return hash.digest('hex').slice(0, 16);
}

/**
 * The corpus, exported anew where a family's sources are newer than what the cache holds (about a second per program; two processes at a time).
 * Without `build`, families that are not there are left out. `every`: of each family, every so-many-th program.
 */
export async function corpus(wanted: readonly string[] = families(), build = true, every = 1): Promise<CorpusEntry[]> {
  mkdirSync(cache, { recursive: true });
  const waiting = wanted.filter((family) => build && !existsSync(folderOf(family, every)));
  const workers = [0, 1].map(async () => {
    for (let family = waiting.shift(); family !== undefined; family = waiting.shift()) await exported(family, every);
  });
  await Promise.all(workers);
  return wanted
    .filter((family) => existsSync(folderOf(family, every)))
    .flatMap((family) => {
      const folder = folderOf(family, every);
      const entries = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as CorpusEntry[];
      return entries.map((entry) => ({ ...entry, folder }));
    });
}

function folderOf(family: string, every: number): string {
  return join(cache, `${family}-${every === 1 ? '' : `every-${every}-`}${hashOf(family)}`);
}

/** Whether another process that still lives exports it now. */
function isUnderway(folder: string): boolean {
  const [name] = folder.split('/').slice(-1);
  return readdirSync(cache).some((other) => {
    const pid = other.startsWith(`${name}.`) ? Number(other.slice((name?.length ?? 0) + 1)) : process.pid;
    if (pid === process.pid) return false;
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  });
}

async function exported(family: string, every: number): Promise<void> {
  const folder = folderOf(family, every);
  while (!existsSync(folder) && isUnderway(folder)) await new Promise((resolve) => setTimeout(resolve, 500));
  if (existsSync(folder)) return;
  const made = `${folder}.${process.pid}`;
  const child = spawn(python, [join(here, 'programs.py'), made, '--family', family, '--every', String(every)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (data) => {
    said = (said + data).slice(-4000);
  });
  const status = await new Promise((resolve) => child.on('close', resolve));
  if (status !== 0) throw new Error(`programs.py ended with ${status}: ${said}`);
  try {
    renameSync(made, folder);
  } catch {
    rmSync(made, { recursive: true, force: true }); // another process was there first
  }
  for (const other of readdirSync(cache)) {
    const path = join(cache, other);
    const isOld = other.startsWith(`${family}-`) && path !== folder && Date.now() - statSync(path).mtimeMs > 7_200_000;
    if (isOld) rmSync(path, { recursive: true, force: true });
  }
}
