/**
 * Greedy generation with a cache, float32: tokens per second of `generate` in this process against a PyTorch loop with its own cache
 * (test/layers/transformer_models.py), medians of interleaved rounds, ratios within them; the tokens are compared.
 * From the repository: `npm run bench -- generation [--rounds 5] [--threads 2] [--tokens 200]`.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { openWeights } from '../src/cli/checkpoint-files.ts';
import { load, type Tensor } from '../src/files/tensor.ts';
import { toProto } from '../src/graph/wire/write.ts';
import { importNetwork } from '../src/layers/network.ts';
import { parseSpec } from '../src/layers/spec/spec.ts';
import { encodeModel } from '../src/onnx/write.ts';
import { generate } from '../src/runtime/generation.ts';
import { openSession } from '../src/runtime/node/open.ts';
import type { Session } from '../src/runtime/session.ts';

const flag = (name: string, usual: number): number => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? usual : Number(process.argv[at + 1]);
};
const threads = flag('threads', 2);
const count = flag('tokens', 200);
const rounds = flag('rounds', 5);
const python = process.env.HOPFCOLE_PYTHON ?? join(process.cwd(), '.venv/bin/python');
const script = 'bench/generation_torch.py';
const prompt = Array.from({ length: 16 }, (_, index) => index + 1);

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

async function opened(kind: string, folder: string): Promise<Session> {
  const { tensors } = await openWeights(join(folder, `${kind}.safetensors`));
  const weights = new Map<string, Tensor>();
  for (const [name, tensor] of tensors) weights.set(name, await load(tensor));
  const inputs = [{ name: 'tokens', dtype: 'int64', shape: ['batch', 'time'] }];
  const layers = [{ kind, heads: 6, cache: true, lastLogits: true }];
  const { model } = importNetwork(parseSpec({ inputs, layers }), weights);
  return openSession(encodeModel(toProto(model)), { provider: 'cpu', home: 'process', threads });
}

const folder = mkdtempSync(join(tmpdir(), 'hopfcole-bench-'));
try {
  spawnSync(python, [script, 'prepare', folder], { stdio: 'inherit' });
  const child = spawn(python, [script, 'time', folder, String(threads)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async (): Promise<string> => String((await lines.next()).value);
  await answer();
  for (const kind of ['gpt2', 'llama']) {
    const session = await opened(kind, folder);
    for (const batch of [1, 8]) {
      const [ours, torch]: [number[], number[]] = [[], []];
      let same = true;
      for (let round = 0; round <= rounds; round++) {
        const { tokens, tokensPerSecond } = await generate(session, Array(batch).fill(prompt), { maxTokens: count });
        child.stdin.write(`${kind} ${batch} ${count}\n`);
        const [seconds, theirs] = (await answer()).split(' ');
        same &&= tokens[0]?.join() === theirs;
        // The first round warms both.
        if (round === 0) continue;
        ours.push(tokensPerSecond);
        torch.push((batch * count) / Number(seconds));
      }
      const ratio = median(ours.map((value, round) => value / (torch[round] ?? 1)));
      console.log(
        `${kind} batch ${batch}: ours ${median(ours).toFixed(0)} tokens/s, PyTorch ${median(torch).toFixed(0)} tokens/s, ratio ${ratio.toFixed(2)}, ${same ? 'the same tokens' : 'OTHER TOKENS'}`,
      );
    }
    await session.close();
  }
  child.stdin.end();
} finally {
  rmSync(folder, { recursive: true });
}
