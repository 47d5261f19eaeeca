/**
 * Forward and backward of four networks, batch 1 and 32, float32, 2 threads: our co-state graph in ONNX Runtime (called from Python, as PyTorch
 * is, and from Node) against PyTorch eager and torch.compile (where a C++ compiler is there): medians of interleaved rounds, ratios within
 * them, and the number of operators beside AOTAutograd's.
 * The transform's own time on graphs of 250 to 4,000 nodes is printed last.
 * From the repository: `npm run bench -- costate [--rounds 7] [--only mlp,lstm] [--no-compile]`.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { openModel } from '../src/cli/model-files.ts';
import { costate } from '../src/costate/costate.ts';
import { tensorOf } from '../src/files/tensor.ts';
import type { Model } from '../src/graph/graph.ts';
import { input, parameter } from '../src/graph/make.ts';
import { model } from '../src/graph/model.ts';
import * as op from '../src/graph/op.ts';
import { everyNode } from '../src/graph/walk.ts';
import { toProto } from '../src/graph/wire/write.ts';
import { encodeModel } from '../src/onnx/write.ts';

const threads = 2;
const python = process.env.HOPFCOLE_PYTHON ?? join(process.cwd(), '.venv/bin/python');
const rounds = Number(option('rounds') ?? 7);
const only = option('only');
const names = ['mlp', 'cnn', 'transformer', 'lstm'].filter((name) => only?.split(',').includes(name) ?? true);
const hows = process.argv.includes('--no-compile') ? ['ort', 'eager'] : ['ort', 'eager', 'compile'];

function option(name: string): string | undefined {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

interface Sizes {
  readonly x: number[];
  readonly target: number[];
  readonly nodes: number;
  readonly coreNodes: number;
}

/** Nodes as ONNX Runtime sees them, constants apart. */
function nodesOf({ graph }: Model): number {
  return [...everyNode(graph)].filter(({ opType }) => opType !== 'Constant').length;
}

const folder = mkdtempSync(join(tmpdir(), 'hopfcole-bench-'));
try {
  await networks();
  transform();
} finally {
  rmSync(folder, { recursive: true });
}

async function networks(): Promise<void> {
  const child = spawn(python, ['bench/costate_torch.py', folder, String(threads), names.join()], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async (): Promise<string> => String((await lines.next()).value);
  while ((await answer()) !== 'ready');
  for (const name of names)
    for (const batch of [1, 32]) {
      const path = join(folder, `${name}-${batch}`);
      const sizes = JSON.parse(readFileSync(`${path}.json`, 'utf8')) as Sizes;
      const { model: forward } = await openModel(`${path}.onnx`);
      const made = costate(forward, { wrt: ['parameters'], loss: 'mse' }).model;
      const bytes = encodeModel(toProto(made));
      writeFileSync(`${path}.costate.onnx`, bytes);
      const ours = await InferenceSession.create(bytes, {
        intraOpNumThreads: threads,
        extra: { session: { intra_op: { allow_spinning: '0' } } },
      });
      const read = (file: string): Float32Array<ArrayBuffer> =>
        Float32Array.from(new Float32Array(Uint8Array.from(readFileSync(file)).buffer));
      const feeds = {
        x: new OrtTensor('float32', read(`${path}.x.bin`), sizes.x),
        target: new OrtTensor('float32', read(`${path}.target.bin`), sizes.target),
      };
      const repeats = name === 'mlp' ? 50 : name === 'lstm' || batch === 1 ? 10 : 3;
      const wanted = ours.outputNames.filter((output) => output === 'loss' || output.startsWith('costate_'));
      const runOurs = async (): Promise<number> => {
        const times: number[] = [];
        for (let i = 0; i < repeats; i++) {
          const start = performance.now();
          await ours.run(feeds, wanted);
          times.push(performance.now() - start);
        }
        return median(times);
      };
      const runTheirs = async (how: string): Promise<number> => {
        child.stdin.write(`${name} ${batch} ${how} ${repeats}\n`);
        return Number(await answer());
      };
      await runOurs();
      const times: Record<string, number[]> = { node: [] };
      for (const how of hows) times[how] = [];
      for (let round = 0; round < rounds; round++) {
        times.node?.push(await runOurs());
        for (const how of hows) times[how]?.push(await runTheirs(how));
      }
      const middle = (how: string): string => `${median(times[how] ?? []).toFixed(3)} ms`;
      const ratio = (how: string): string => {
        const ratios = (times[how] ?? []).map((time, index) => time / (times.ort?.[index] ?? 1));
        return `${how} ${middle(how)} (${median(ratios).toFixed(2)} of ours)`;
      };
      const theirs = hows.slice(1).map(ratio).join(', ');
      const counted = `operators: ours ${nodesOf(made)} (forward ${nodesOf(forward)}), AOTAutograd ${sizes.nodes}, core ATen ${sizes.coreNodes}`;
      console.log(
        `${name} batch ${batch}: ours ${middle('ort')} (called from Node ${middle('node')}), ${theirs}; ${counted}`,
      );
      await ours.release();
    }
  child.stdin.end();
}

/** How the transform's time grows with the graph. */
function transform(): void {
  for (const layers of [50, 200, 800]) {
    const x = input('x', 'float32', ['batch', 64]);
    let y = x;
    for (let layer = 0; layer < layers; layer++) {
      const w = parameter(
        `layers.${layer}.weight`,
        tensorOf('float32', [64, 64], new Float32Array(64 * 64).fill(0.01)),
      );
      const b = parameter(`layers.${layer}.bias`, tensorOf('float32', [64], new Float32Array(64)));
      y = op.add(y, op.tanh(op.add(op.matMul(y, w), b)));
      y = op.mul(y, op.constant({ valueFloat: 0.99 }));
    }
    const forward = model({ inputs: [x], outputs: { y } });
    costate(forward, { wrt: ['all'] });
    const start = performance.now();
    const made = costate(forward, { wrt: ['all'] }).model;
    const seconds = (performance.now() - start) / 1e3;
    console.log(`transform: ${nodesOf(forward)} nodes to ${nodesOf(made)} in ${seconds.toFixed(3)} s`);
  }
}
