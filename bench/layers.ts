/**
 * Inference of whole models, batch 1 and 32, float32, 2 threads: our ONNX file against PyTorch eager and against PyTorch's own ONNX export of the
 * same network in the same ONNX Runtime (called from Python, as PyTorch is): medians of interleaved rounds, ratios within them.
 * From the repository: `npm run bench -- layers [--rounds 5] [--only bert,gpt2]`.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { exportOnnx } from '../exporters/onnx/export.ts';
import { openWeights } from '../src/cli/checkpoint-files.ts';
import { importNetwork } from '../src/layers/network.ts';
import { parseSpec } from '../src/layers/spec/spec.ts';

const threads = 2;
const python = process.env.HOPFCOLE_PYTHON ?? join(process.cwd(), '.venv/bin/python');
const rounds = Number(option('rounds') ?? 5);
const only = option('only')?.split(',');

const tokens = [{ name: 'tokens', dtype: 'int64', shape: ['batch', 'time'] }];
const image = [{ name: 'image', shape: ['batch', 3, 64, 64] }];

/** The same networks as specifications. */
const specs: Readonly<Record<string, object>> = {
  mlp: {
    inputs: [{ name: 'x', shape: ['batch', 64] }],
    layers: [{ kind: 'mlp', sizes: [256, 256, 10], activation: 'gelu' }],
  },
  resnet: { inputs: image, layers: [{ kind: 'resnet', layers: [2, 2, 2, 2] }] },
  vit: { inputs: image, layers: [{ kind: 'vit', heads: 3 }] },
  bert: { inputs: tokens, layers: [{ kind: 'bert', heads: 4 }] },
  gpt2: { inputs: tokens, layers: [{ kind: 'gpt2', heads: 4 }] },
  llama: { inputs: tokens, layers: [{ kind: 'llama', heads: 4, keyValueHeads: 2 }] },
  transformer: {
    inputs: [
      { name: 'source', dtype: 'int64', shape: ['batch', 'from'] },
      { name: 'target', dtype: 'int64', shape: ['batch', 'to'] },
    ],
    layers: [{ kind: 'transformer', heads: 4, from: ['source', 'target'] }],
  },
  tagger: { inputs: tokens, layers: [{ kind: 'lstm-tagger' }] },
  s4: { inputs: [{ name: 'x', shape: ['batch', 'time', 4] }], layers: [{ kind: 's4-classifier' }] },
  mamba: { inputs: tokens, layers: [{ kind: 'mamba' }] },
};
const names = Object.keys(specs).filter((name) => only?.includes(name) ?? true);

function option(name: string): string | undefined {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

const folder = mkdtempSync(join(tmpdir(), 'hopfcole-bench-'));
try {
  const prepared = spawnSync(python, ['bench/layers_torch.py', 'prepare', folder, String(threads), names.join()], {
    encoding: 'utf8',
  });
  const lines = prepared.stdout.split('\n');
  for (const line of lines.filter((text) => text.startsWith('#'))) console.log(line);
  const ready = names.filter((name) => lines.includes(name));
  for (const name of ready) {
    const weights = await openWeights(join(folder, `${name}.safetensors`));
    await exportOnnx(importNetwork(parseSpec(specs[name]), weights.tensors).model, join(folder, `${name}.ours.onnx`));
  }
  await time(ready);
} finally {
  rmSync(folder, { recursive: true });
}

async function time(ready: readonly string[]): Promise<void> {
  const child = spawn(python, ['bench/layers_torch.py', 'time', folder, String(threads), ready.join()], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async (): Promise<string> => String((await lines.next()).value);
  await answer();
  const withoutExport = new Set(['s4', 'mamba']);
  for (const name of ready)
    for (const batch of [1, 32]) {
      const repeats = name === 'mlp' ? 100 : batch === 1 ? 15 : 3;
      const times: Record<string, number[]> = { ours: [], eager: [], export: [] };
      const hows = withoutExport.has(name) ? (['ours', 'eager'] as const) : (['ours', 'eager', 'export'] as const);
      for (let round = 0; round < rounds; round++)
        for (const how of hows) {
          child.stdin.write(`${name} ${batch} ${how} ${repeats}\n`);
          times[how]?.push(Number((await answer()).replace(/^different.*/, 'NaN')));
        }
      const ratio = (how: string): string =>
        median((times[how] ?? []).map((value, round) => value / (times.ours?.[round] ?? 1))).toFixed(2);
      const middle = (how: string): string => `${median(times[how] ?? []).toFixed(2)} ms`;
      const exported = `PyTorch's export ${middle('export')} (${ratio('export')} of ours)`;
      const second = withoutExport.has(name) ? 'PyTorch has no export of it' : exported;
      console.log(
        `${name} batch ${batch}: ours ${middle('ours')}, eager ${middle('eager')} (${ratio('eager')} of ours), ${second}`,
      );
    }
  child.stdin.end();
}
