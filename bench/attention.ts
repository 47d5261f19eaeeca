/**
 * Attention, 12 heads of 64, float32: our ONNX file against PyTorch's own ONNX export of scaled_dot_product_attention in the same ONNX Runtime, and its
 * co-state against PyTorch's backward. Medians and least of interleaved rounds: with one thread of the processor's time, which other work on the machine
 * does not disturb, with more of the clock's.
 * From the repository: `npm run bench -- attention [--threads 1] [--rounds 11] [--only plain,keys]`.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportOnnx } from '../exporters/onnx/export.ts';
import { costate } from '../src/costate/costate.ts';
import type { Model } from '../src/graph/graph.ts';
import { input } from '../src/graph/make.ts';
import { model } from '../src/graph/model.ts';
import { attend } from '../src/layers/attention.ts';
import { fresh } from '../src/layers/module.ts';

const python = process.env.HOPFCOLE_PYTHON ?? join(process.cwd(), '.venv/bin/python');
const [heads, dim] = [12, 64];
/** As bench/attention_torch.py names them. */
const all = ['plain', 'causal', 'bool', 'keys', 'number', 'grouped'] as const;
const kinds = all.filter((kind) => option('only', all.join()).split(',').includes(kind));

function option(name: string, otherwise: string): string {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : (process.argv[at + 1] ?? otherwise);
}

function attention(kind: (typeof all)[number]): Model {
  const keyValueHeads = kind === 'grouped' ? 4 : heads;
  const of = (name: string, count: number) => input(name, 'float32', ['batch', 'time', count * dim]);
  const [q, k, v] = [of('q', heads), of('k', keyValueHeads), of('v', keyValueHeads)];
  const mask =
    kind === 'keys'
      ? input('mask', 'bool', ['batch', 1, 1, 'time'])
      : kind === 'bool' || kind === 'number'
        ? input('mask', kind === 'bool' ? 'bool' : 'float32', ['time', 'time'])
        : undefined;
  const { output } = attend(fresh().at('attention'), q, k, v, {
    heads,
    keyValueHeads,
    mask,
    causal: kind === 'causal',
  });
  return model({ inputs: [q, k, v, ...(mask === undefined ? [] : [mask])], outputs: { output } });
}

const folder = mkdtempSync(join(tmpdir(), 'hopfcole-bench-'));
try {
  for (const kind of kinds) {
    await exportOnnx(attention(kind), join(folder, `ours_${kind}.onnx`));
    const back = costate(attention(kind), { wrt: ['q', 'k', 'v'], seed: 'input' });
    await exportOnnx(back.model, join(folder, `costate_${kind}.onnx`));
  }
  const flags = [folder, option('threads', '1'), option('rounds', '11'), kinds.join()];
  process.exitCode = spawnSync(python, ['bench/attention_torch.py', ...flags], { stdio: 'inherit' }).status ?? 1;
} finally {
  rmSync(folder, { recursive: true });
}
