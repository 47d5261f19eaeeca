/**
 * A program (.pt2) into ONNX: our command line against `torch.onnx.export(dynamo=True)` on the same file, each timed as a process of its own; then both files in the
 * same ONNX Runtime: nodes after its optimiser, latency at batch 8, 2 threads, medians of interleaved rounds.
 * From the repository, after `npm run build`: `npm run bench -- programs [--only bert,gpt2]`.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const python = process.env.HOPFCOLE_PYTHON ?? join(process.cwd(), '.venv/bin/python');
const main = join(process.cwd(), 'dist/src/cli/main.js');
const every = ['mlp', 'resnet', 'vit', 'bert', 'gpt2', 'llama', 'encoder', 'tagger'];
const at = process.argv.indexOf('--only');
const names = at < 0 ? every : (process.argv[at + 1] ?? '').split(',');

/** Wall-clock seconds of a process, the least of some runs. */
function seconds(command: string, words: readonly string[], runs: number): number {
  let least = Number.POSITIVE_INFINITY;
  for (let run = 0; run < runs; run++) {
    const begun = performance.now();
    const done = spawnSync(command, words, { encoding: 'utf8' });
    if (done.status !== 0) throw new Error(`${words.join(' ')}: ${done.stderr.slice(-500)}`);
    least = Math.min(least, (performance.now() - begun) / 1000);
  }
  return least;
}

function torch(mode: string, folder: string, which: string): string {
  const done = spawnSync(python, ['bench/programs_torch.py', mode, folder, which], { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(done.stderr.slice(-2000));
  return done.stdout;
}

const folder = mkdtempSync(join(tmpdir(), 'hopfcole-programs-'));
try {
  const lines = torch('prepare', folder, names.join()).split('\n');
  for (const line of lines.filter((text) => text.startsWith('#'))) console.log(line);
  const ready = names.filter((name) => lines.includes(name));
  console.log(
    'network    import, s: ours  PyTorch  times faster | nodes: ours  PyTorch | latency, ms: ours  PyTorch  ratio | difference',
  );
  for (const name of ready) {
    const file = (ending: string) => join(folder, `${name}.${ending}`);
    const ours = seconds(process.execPath, [main, 'import', file('pt2'), '-o', file('ours.onnx')], 5);
    const theirs = seconds(python, ['bench/programs_torch.py', 'export', folder, name], 2);
    const [, a = '', b = '', mine = '', other = '', ratio = '', error = ''] = torch('compare', folder, name)
      .trim()
      .split(' ');
    const cells = [
      name.padEnd(10),
      ours.toFixed(2).padStart(16),
      theirs.toFixed(1).padStart(8),
      (theirs / ours).toFixed(1).padStart(13),
      `| ${a.padStart(10)}`,
      b.padStart(8),
      `| ${mine.padStart(16)}`,
      other.padStart(8),
      ratio.padStart(6),
      `| ${error}`,
    ];
    console.log(cells.join(' '));
  }
} finally {
  rmSync(folder, { recursive: true });
}
