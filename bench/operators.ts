/**
 * LogSumExp, CoState, Solution and Attribution against PyTorch and ONNX Runtime's plain Softmax graph, float32, 2 threads: medians of
 * interleaved runs, ratios within them, processor time (which other work on the machine disturbs less), and how far memory grows above that of the
 * loaded session while it runs.
 * From the repository, on Linux: `npm run bench -- operators [--rounds 7] [--size 256x262144x64] [--only 'Solution|sdpa']`.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { attribution, coState, logSumExp, solution } from '../ops/index.ts';
import { tensorOf } from '../src/files/tensor.ts';
import { input, parameter } from '../src/graph/make.ts';
import { model } from '../src/graph/model.ts';
import * as op from '../src/graph/op.ts';
import type { Value } from '../src/graph/value.ts';
import { toProto } from '../src/graph/wire/write.ts';
import { encodeModel } from '../src/onnx/write.ts';

const threads = 2;
const python = process.env.HOPFCOLE_PYTHON ?? join(process.cwd(), '.venv/bin/python');
const sizes: readonly (readonly [number, number, number])[] = [
  [1024, 1024, 64],
  [1024, 16384, 64],
  [256, 262144, 64],
  [64, 1048576, 32],
];

/** Milliseconds. */
interface Timing {
  readonly wall: number;
  readonly cpu: number;
}

interface Contender {
  readonly name: string;
  /** Which of f, p it gives. */
  readonly gives: 'f' | 'p' | 'fp' | 'attribution';
  readonly ours: boolean;
  readonly run: () => Promise<Timing>;
  /** How far memory grew above that before the first run, in MB, cold and warm together. */
  readonly growth?: number;
}

function option(name: string): string | undefined {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
}

function gaussian(count: number, seed: number): Float32Array<ArrayBuffer> {
  let state = seed;
  const uniform = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return Float32Array.from(
    { length: count },
    () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
  );
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

function memory(field: 'VmHWM' | 'VmRSS'): number {
  const line = readFileSync('/proc/self/status', 'utf8').match(new RegExp(`${field}:\\s+(\\d+)`));
  return Number(line?.[1] ?? 0) / 1024;
}

type Build = (x: Value, w: Value, b: Value, epsilon: Value) => Readonly<Record<string, Value>>;

const plainLogits = (x: Value, w: Value, b: Value, e: Value): Value => op.div(op.gemm(x, w, b, { transB: 1 }), e);
const plainF = (z: Value, e: Value): Value =>
  op.mul(e, op.reduceLogSumExp(z, op.constant({ valueInts: [1] }), { keepdims: 0 }));

const builds: Readonly<Record<string, readonly [gives: Contender['gives'], ours: boolean, build: Build]>> = {
  LogSumExp: ['f', true, (x, w, b, e) => ({ F: logSumExp(x, w, b, e) })],
  CoState: ['p', true, (x, w, b, e) => ({ P: coState(x, w, b, e) })],
  Solution: [
    'fp',
    true,
    (x, w, b, e) => {
      const [F, P] = solution(x, w, b, e);
      return { F, P };
    },
  ],
  Attribution: [
    'attribution',
    true,
    (x, w, b, e) => {
      const k = op.constant({ valueInt: 8 });
      const { f, costate, entropy, weights, indices, rest } = attribution(x, w, b, e, k);
      return { f, costate, entropy, weights, indices, rest };
    },
  ],
  'ORT plain f': ['f', false, (x, w, b, e) => ({ F: plainF(plainLogits(x, w, b, e), e) })],
  'ORT plain p': ['p', false, (x, w, b, e) => ({ P: op.matMul(op.softmax(plainLogits(x, w, b, e)), w) })],
  'ORT plain fp': [
    'fp',
    false,
    (x, w, b, e) => {
      const z = plainLogits(x, w, b, e);
      return { F: plainF(z, e), P: op.matMul(op.softmax(z), w) };
    },
  ],
};

async function session(folder: string, name: string, build: Build, sizesOf: Data): Promise<InferenceSession> {
  const { B, N, d, W, b } = sizesOf;
  const x = input('X', 'float32', [B, d]);
  const epsilon = input('epsilon', 'float32', []);
  const weights = parameter('W', tensorOf('float32', [N, d], W));
  const bias = parameter('b', tensorOf('float32', [N], b));
  const path = join(folder, `${name}.onnx`);
  writeFileSync(path, encodeModel(toProto(model({ inputs: [x, epsilon], outputs: build(x, weights, bias, epsilon) }))));
  return await InferenceSession.create(path, {
    intraOpNumThreads: threads,
    extra: { session: { disable_prepacking: '1', intra_op: { allow_spinning: '0' } } },
  });
}

interface Data {
  readonly B: number;
  readonly N: number;
  readonly d: number;
  readonly X: Float32Array<ArrayBuffer>;
  readonly W: Float32Array<ArrayBuffer>;
  readonly b: Float32Array<ArrayBuffer>;
}

async function ourSide(folder: string, data: Data): Promise<Contender[]> {
  const feeds = {
    X: new OrtTensor('float32', data.X, [data.B, data.d]),
    epsilon: new OrtTensor('float32', Float32Array.of(1), []),
  };
  const contenders: Contender[] = [];
  for (const [name, [gives, ours, build]] of Object.entries(builds)) {
    if (!only.test(name)) continue;
    const made = await session(folder, name, build, data);
    const run = async (): Promise<Timing> => {
      const start = performance.now();
      const before = process.cpuUsage();
      await made.run(feeds);
      const { user, system } = process.cpuUsage(before);
      return { wall: performance.now() - start, cpu: (user + system) / 1e3 };
    };
    // Before anything has run, so that memory which ONNX Runtime's arena keeps from run to run counts too.
    writeFileSync('/proc/self/clear_refs', '5');
    const before = memory('VmRSS');
    await run();
    await run();
    const growth = memory('VmHWM') - before;
    contenders.push({ name, gives, ours, run, growth });
  }
  return contenders;
}

function torchSide(folder: string, { B, N, d }: Data): { contenders: Contender[]; close: () => void } {
  const known = ['f dense', 'f chunked', 'fp dense', 'fp autograd', 'fp chunked', 'p sdpa', 'p sdpa without b'];
  const methods = known.filter((method) => only.test(`torch ${method}`));
  if (methods.length === 0) return { contenders: [], close: () => {} };
  const script = join(process.cwd(), 'bench/operators_torch.py');
  const child = spawn(python, [script, folder, ...[B, N, d, threads].map(String)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const contenders = methods.map((method): Contender => {
    const run = async (): Promise<Timing> => {
      child.stdin.write(`${method}\n`);
      const answer = await lines.next();
      const [wall = Number.NaN, cpu = Number.NaN] = String(answer.value).split(' ').map(Number);
      return { wall, cpu };
    };
    const [gives] = method.split(' ');
    return { name: `torch ${method}`, gives: gives === 'f' ? 'f' : gives === 'p' ? 'p' : 'fp', ours: false, run };
  });
  return { contenders, close: () => child.stdin.end() };
}

async function compare([B, N, d]: readonly [number, number, number], rounds: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'hopfcole-bench-'));
  try {
    const data: Data = { B, N, d, X: gaussian(B * d, 1), W: gaussian(N * d, 2), b: gaussian(N, 3) };
    for (const name of ['X', 'W', 'b'] as const) writeFileSync(join(folder, `${name}.bin`), data[name]);
    const ours = await ourSide(folder, data);
    const torch = torchSide(folder, data);
    // Both sides warm up before anything is timed.
    const contenders = [...ours, ...torch.contenders];
    for (const contender of contenders) await contender.run();
    const times = new Map(contenders.map(({ name }) => [name, [] as Timing[]]));
    for (let round = 0; round < rounds; round++)
      for (const { name, run } of contenders) times.get(name)?.push(await run());
    torch.close();
    report([B, N, d], contenders, times);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function report(
  [B, N, d]: readonly [number, number, number],
  contenders: readonly Contender[],
  times: ReadonlyMap<string, readonly Timing[]>,
): void {
  console.log(`\nB=${B} N=${N} d=${d}`);
  // What gives f and p gives either; SDPA without b computes something less, and is listed only.
  const rival = (gives: Contender['gives']): string[] =>
    contenders
      .filter(
        (one) =>
          !one.ours &&
          one.name !== 'torch p sdpa without b' &&
          (one.gives === gives || (gives === 'p' && one.gives === 'fp')),
      )
      .map(({ name }) => name);
  const walls = (name: string): number[] => (times.get(name) ?? []).map(({ wall }) => wall);
  const cpus = (name: string): number[] => (times.get(name) ?? []).map(({ cpu }) => cpu);
  for (const { name, gives, ours, growth } of contenders) {
    const against = (of: (name: string) => number[], what: string): string => {
      const best = (ours ? rival(gives) : []).toSorted((a, b) => median(of(a)) - median(of(b)))[0];
      if (best === undefined) return '';
      const ratios = of(name).map((time, round) => (of(best)[round] ?? Number.NaN) / time);
      return `  ${median(ratios).toFixed(2)}x ${what} of ${best}`;
    };
    const mine = `${median(walls(name)).toFixed(1).padStart(8)} ms (min ${Math.min(...walls(name)).toFixed(1)})`;
    const cpu = `${median(cpus(name)).toFixed(1).padStart(8)} ms cpu`;
    const grown = growth === undefined ? '' : `  +${growth.toFixed(1)} MB`;
    console.log(`  ${name.padEnd(24)} ${mine} ${cpu}${grown}${against(walls, 'time')}${against(cpus, 'cpu')}`);
  }
}

const only = new RegExp(option('only') ?? '.');
const rounds = Number(option('rounds') ?? 7);
const chosen = option('size')?.split('x').map(Number);
for (const size of sizes)
  if (chosen === undefined || size.every((value, axis) => value === chosen[axis])) await compare(size, rounds);
