/**
 * Opening, inspecting and writing large files, and the command line's start: each in a process of its own, with its peak memory as a
 * ratio of the file's bytes, beside the fair alternative (Python's onnx.load where .venv is there; `node -e 0` for the start).
 * `npm run bench -- files [--megabytes 1024] [--rounds 3]`, on Linux, from the repository after `npm run build`.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openFile } from '../src/files/node/file.ts';
import { atomicWrite } from '../src/files/node/write.ts';
import { tensorOf } from '../src/files/tensor.ts';
import { input, parameter } from '../src/graph/make.ts';
import { model } from '../src/graph/model.ts';
import * as op from '../src/graph/op.ts';
import { fromProto } from '../src/graph/wire/read.ts';
import { toProto } from '../src/graph/wire/write.ts';
import { readModel } from '../src/onnx/read.ts';
import { writeModel } from '../src/onnx/write.ts';

const megabytes = Number(option('megabytes') ?? 1024);
const rounds = Number(option('rounds') ?? 3);
const width = 4096;
const job = option('job');
const file = option('file') ?? '';

function option(name: string): string | undefined {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
}

/** A chain of Gemms whose weights fill about so many megabytes; filled, because untouched pages of zeros take no memory. */
function chain(): ReturnType<typeof model> {
  const count = Math.max(1, Math.round((megabytes * 2 ** 20) / (width * width * 4)));
  const x = input('x', 'float32', ['batch', width]);
  const y = Array.from({ length: count }, (_, i) =>
    parameter(`layer.${i}.weight`, tensorOf('float32', [width, width], new Float32Array(width * width).fill(i + 0.5))),
  ).reduce((value, w) => op.gemm(value, w), x);
  return model({ inputs: [x], outputs: { y } });
}

const jobs: Readonly<Record<string, () => Promise<void>>> = {
  write: async () => {
    const proto = toProto(chain());
    before();
    await atomicWrite(file, (sink) => writeModel(proto, sink));
  },
  open: async () => {
    before();
    await fromProto(await readModel(await openFile(file)));
  },
  skim: async () => {
    before();
    await fromProto(await readModel(await openFile(file), { keepFrom: 1024 }));
  },
};

let startTime = 0;
let startMemory = 0;

function before(): void {
  globalThis.gc?.();
  startMemory = process.memoryUsage().rss;
  startTime = performance.now();
}

if (job !== undefined) {
  await jobs[job]?.();
  const seconds = (performance.now() - startTime) / 1000;
  const peak = process.resourceUsage().maxRSS * 1024;
  console.log(JSON.stringify({ seconds, growth: (peak - startMemory) / 2 ** 20 }));
} else {
  const folder = mkdtempSync(join(tmpdir(), 'hopfcole-bench-'));
  try {
    const path = join(folder, 'large.onnx');
    report('write (memory beside the weights)', () => own('write', path), path);
    report('open whole', () => own('open', path), path);
    report('open, weights left in the file', () => own('skim', path), path);
    const python = process.env.HOPFCOLE_PYTHON ?? '.venv/bin/python';
    if (existsSync(python)) report('Python onnx.load', () => onnxLoad(python, path), path);
    report('hopfcole inspect', () => timed('node', ['dist/src/cli/main.js', 'inspect', path]), path);
    report('hopfcole --help', () => timed('node', ['dist/src/cli/main.js', '--help']));
    report('node -e 0', () => timed('node', ['-e', '0']));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Measured {
  readonly seconds: number;
  /** Megabytes. */
  readonly growth?: number;
}

function report(what: string, measure: () => Measured, path?: string): void {
  const found = Array.from({ length: rounds }, measure).sort((a, b) => a.seconds - b.seconds);
  const middle = found[rounds >> 1];
  if (middle === undefined) return;
  const bytes = path === undefined || !existsSync(path) ? 0 : statSync(path).size / 2 ** 20;
  const memory =
    middle.growth === undefined
      ? ''
      : `  peak growth ${middle.growth.toFixed(0)} MB${bytes > 0 ? `, ${(middle.growth / bytes).toFixed(2)} of the file's ${bytes.toFixed(0)} MB` : ''}`;
  console.log(`${what.padEnd(36)} ${middle.seconds.toFixed(2).padStart(6)} s${memory}`);
}

function own(name: string, path: string): Measured {
  const flags = ['--expose-gc', process.argv[1] ?? '', '--job', name, '--file', path, '--megabytes', String(megabytes)];
  return JSON.parse(output('node', flags)) as Measured;
}

function onnxLoad(python: string, path: string): Measured {
  const program = `import time, resource, json, onnx
m = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
t = time.perf_counter(); model = onnx.load(${JSON.stringify(path)}); t = time.perf_counter() - t
print(json.dumps({'seconds': t, 'growth': (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - m) / 1024}))`;
  return JSON.parse(output(python, ['-c', program])) as Measured;
}

function timed(command: string, args: readonly string[]): Measured {
  const start = performance.now();
  output(command, args);
  return { seconds: (performance.now() - start) / 1000 };
}

function output(command: string, args: readonly string[]): string {
  const done = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 26 });
  if (done.status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${done.stderr}`);
  return done.stdout;
}
