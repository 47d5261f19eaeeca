/**
 * A large checkpoint from one container into another: seconds, GB/s and the peak memory above the start, each in a process of its own, beside
 * Python's own way of doing it (torch.load or safetensors' load_file, both mapped, and the other's save) where .venv is there.
 * `npm run bench -- checkpoints [--megabytes 2048] [--rounds 3]`, on Linux, from the repository. Takes three times as much of the disk.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportWeights, type WeightFormat } from '../exporters/weights/export.ts';
import { openCheckpoint } from '../src/checkpoint/open.ts';
import { openFile } from '../src/files/node/file.ts';
import type { ByteSource } from '../src/files/source.ts';
import { type AnyTensor, elementCount } from '../src/files/tensor.ts';

const megabytes = Number(option('megabytes') ?? 2048);
const rounds = Number(option('rounds') ?? 3);
const job = option('job') as WeightFormat | undefined;
const from = option('from') ?? '';
const to = option('to') ?? '';

function option(name: string): string | undefined {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
}

/** A language model's weights: an embedding of 256 MB, blocks of matrices of 64 MB and norms of a few kilobytes. */
function weights(): Map<string, AnyTensor> {
  const tensors = new Map<string, AnyTensor>();
  const add = (name: string, shape: readonly number[]) => {
    const length = elementCount(shape) * 4;
    const source = noise(length);
    tensors.set(name, { dtype: 'float32', shape, range: { source, offset: 0, length } });
    return length;
  };
  let left = megabytes * 2 ** 20 - add('embed.weight', [16384, 4096]);
  for (let block = 0; left > 0; block++) {
    left -= add(`blocks.${block}.norm.weight`, [4096]);
    left -= add(`blocks.${block}.linear.weight`, [4096, 4096]);
  }
  return tensors;
}

const random = new Uint8Array(1 << 22);
for (let i = 0, state = 1; i < random.byteLength; i++) {
  state = (Math.imul(state, 1103515245) + 12345) >>> 0;
  random[i] = state >>> 24;
}

/** Bytes that no file system can leave out. */
function noise(size: number): ByteSource {
  return { name: 'noise', size, read: async (_, length) => random.subarray(0, length) };
}

/** Flushed to the disk as ours are, or the comparison would be one of caches. */
const frame = (body: string) => `import sys, os, time, json, resource, torch, safetensors.torch
m = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
t = time.perf_counter()
${body}
with open(sys.argv[2], 'rb+') as f: os.fsync(f.fileno())
t = time.perf_counter() - t
print(json.dumps({'seconds': t, 'growth': (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - m) / 1024}))`;
const toSafetensors = frame(
  'safetensors.torch.save_file(torch.load(sys.argv[1], mmap=True, weights_only=True), sys.argv[2])',
);
const toPytorch = frame('torch.save(safetensors.torch.load_file(sys.argv[1]), sys.argv[2])');

if (job !== undefined) {
  globalThis.gc?.();
  const memory = process.memoryUsage().rss;
  const start = performance.now();
  await exportWeights((await openCheckpoint(await openFile(from))).tensors, to, job);
  const seconds = (performance.now() - start) / 1000;
  const peak = process.resourceUsage().maxRSS * 1024;
  console.log(JSON.stringify({ seconds, growth: (peak - memory) / 2 ** 20 }));
} else {
  const folder = mkdtempSync(join(tmpdir(), 'hopfcole-bench-'));
  const path = (name: string) => join(folder, name);
  try {
    await exportWeights(weights(), path('in.safetensors'), 'safetensors');
    await exportWeights(weights(), path('in.pt'), 'pytorch');
    const size = statSync(path('in.pt')).size;
    console.log(`${(size / 1e9).toFixed(2)} GB, the largest tensor 268 MB, ${rounds} rounds, the middle one`);
    report(folder, size, {
      '.pt -> .safetensors': () => own('safetensors', path('in.pt'), path('out.safetensors')),
      '  Python, torch.load(mmap=True)': () => python(toSafetensors, path('in.pt'), path('out.safetensors')),
      '.safetensors -> .pt': () => own('pytorch', path('in.safetensors'), path('out.pt')),
      '  Python, load_file and torch.save': () => python(toPytorch, path('in.safetensors'), path('out.pt')),
      '  a bare copy of the file': () => copied(path('in.pt'), path('out.copy')),
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Measured {
  readonly seconds: number;
  /** Megabytes. */
  readonly growth?: number;
}

/** One after the other in each round: what else the machine does meets all alike. */
function report(folder: string, bytes: number, jobs: Readonly<Record<string, () => Measured | undefined>>): void {
  const found = new Map(Object.keys(jobs).map((what) => [what, [] as Measured[]]));
  for (let round = 0; round < rounds; round++)
    for (const [what, measure] of Object.entries(jobs)) {
      for (const name of readdirSync(folder)) if (name.startsWith('out')) rmSync(join(folder, name));
      const measured = measure();
      if (measured !== undefined) found.get(what)?.push(measured);
    }
  for (const [what, all] of found) {
    all.sort((a, b) => a.seconds - b.seconds);
    const middle = all[all.length >> 1];
    if (middle === undefined) continue;
    const speed = (bytes / 1e9 / middle.seconds).toFixed(2);
    const range = `${all[0]?.seconds.toFixed(2)} to ${all.at(-1)?.seconds.toFixed(2)}`;
    const memory = middle.growth === undefined ? '' : `  peak growth ${middle.growth.toFixed(0)} MB`;
    console.log(`${what.padEnd(36)} ${middle.seconds.toFixed(2).padStart(6)} s (${range})  ${speed} GB/s${memory}`);
  }
}

/** What the disk allows. */
function copied(input: string, output: string): Measured {
  const start = performance.now();
  run('dd', [`if=${input}`, `of=${output}`, 'bs=4M', 'conv=fsync']);
  return { seconds: (performance.now() - start) / 1000 };
}

function own(format: WeightFormat, input: string, output: string): Measured {
  const flags = ['--expose-gc', process.argv[1] ?? '', '--job', format, '--from', input, '--to', output];
  return JSON.parse(run('node', flags)) as Measured;
}

function python(program: string, input: string, output: string): Measured | undefined {
  const interpreter = process.env.HOPFCOLE_PYTHON ?? '.venv/bin/python';
  return existsSync(interpreter)
    ? (JSON.parse(run(interpreter, ['-c', program, input, output])) as Measured)
    : undefined;
}

function run(command: string, args: readonly string[]): string {
  const done = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 26 });
  if (done.status !== 0) throw new Error(`${command} failed: ${done.stderr}`);
  return done.stdout;
}
