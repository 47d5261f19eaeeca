import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/open.ts';
import { openFile } from '../../src/files/node/file.ts';
import { readNpz } from '../../src/files/npz.ts';
import { type AnyTensor, fromNumbers, load, type Tensor, toNumbers } from '../../src/files/tensor.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { importNetwork } from '../../src/layers/network.ts';
import { parseSpec } from '../../src/layers/spec/spec.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { generate, generateSteps } from '../../src/runtime/generation.ts';
import { openSession } from '../../src/runtime/node/open.ts';
import { candidates, drawn, mostLikely } from '../../src/runtime/sampling.ts';
import type { Session } from '../../src/runtime/session.ts';
import { errorOf } from '../layers/judge.ts';
import { hasPython, pythonFile } from '../support/python.ts';

const folder = mkdtempSync(join(tmpdir(), 'hopfcole-generation-'));
const open: Session[] = [];
let torch: Map<string, Tensor>;

async function loaded(read: ReadonlyMap<string, AnyTensor>): Promise<Map<string, Tensor>> {
  const tensors = new Map<string, Tensor>();
  for (const [name, tensor] of read) tensors.set(name, await load(tensor));
  return tensors;
}

async function weightsOf(name: string): Promise<Map<string, Tensor>> {
  const source = await openFile(join(folder, `${name}.safetensors`));
  return loaded((await openCheckpoint(source)).tensors);
}

async function sessionOf(layer: { readonly kind: string }, checkpoint: string = layer.kind): Promise<Session> {
  const int64 = (name: string, time: string) => ({ name, dtype: 'int64', shape: ['batch', time] });
  const seq2seq = checkpoint === 'seq2seq';
  const inputs = seq2seq ? [int64('source', 'from'), int64('target', 'to')] : [int64('tokens', 'time')];
  const own = seq2seq ? { ...layer, from: ['source', 'target'] } : layer;
  const { model } = importNetwork(parseSpec({ inputs, output: 'logits', layers: [own] }), await weightsOf(checkpoint));
  const session = await openSession(encodeModel(toProto(model)), { provider: 'cpu', home: 'process', threads: 1 });
  open.push(session);
  return session;
}

function rows(name: string): number[][] {
  const tensor = torch.get(name) as Tensor;
  const width = tensor.shape[1] ?? 1;
  const all = Array.from(toNumbers(tensor));
  return Array.from({ length: tensor.shape[0] ?? 0 }, (_, row) => all.slice(row * width, (row + 1) * width));
}

describe.skipIf(!hasPython)('generation', () => {
  beforeAll(async () => {
    pythonFile(join(import.meta.dirname, 'generation.py'), [folder]);
    torch = await loaded(await readNpz(await openFile(join(folder, 'generated.npz'))));
  }, 120_000);
  afterAll(async () => {
    for (const session of open) await session.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const models = ['gpt2', 'llama'] as const;
  it.each(models)(
    '%s: the 200 tokens of PyTorch, with and without a cache',
    async (kind) => {
      const spec = { kind, heads: 4, lastLogits: true };
      for (const session of [await sessionOf({ ...spec, cache: true } as never), await sessionOf(spec)]) {
        const { tokens } = await generate(session, rows(`${kind}.prompts`), { maxTokens: 200 });
        expect(tokens).toEqual(rows(`${kind}.tokens`));
      }
    },
    60_000,
  );

  it.each(models)(
    '%s: prompts of two lengths, padded on the left',
    async (kind) => {
      const [first = [], second = []] = rows(`${kind}.prompts`);
      const spec = { kind, heads: 4, lastLogits: true, cache: true, mask: 'mask' };
      const { tokens } = await generate(await sessionOf(spec as never), [first, second.slice(4)], { maxTokens: 200 });
      expect(tokens).toEqual(rows(`${kind}.padded`));
    },
    60_000,
  );

  it('a sequence to a sequence', async () => {
    const session = await sessionOf(
      { kind: 'transformer', heads: 4, normFirst: true, activation: 'gelu', mask: 'mask' } as never,
      'seq2seq',
    );
    const given = { source: torch.get('seq2seq.source') as Tensor, mask: torch.get('seq2seq.mask') as Tensor };
    const { tokens } = await generate(session, [[1], [1]], { maxTokens: 40, given });
    expect(tokens).toEqual(rows('seq2seq.tokens'));
  }, 60_000);

  it('the probabilities of PyTorch after temperature, top-k and top-p', () => {
    const logits = Float32Array.from(toNumbers(torch.get('sampling.logits') as Tensor));
    const settings = [
      { temperature: 1 },
      { temperature: 0.7, topK: 20 },
      { temperature: 1.3, topP: 0.8 },
      { temperature: 0.9, topK: 30, topP: 0.6 },
      { temperature: 1, topK: 1 },
      { temperature: 1, topP: 0.01 },
    ];
    settings.forEach((setting, index) => {
      const { tokens, probabilities } = candidates(logits, setting);
      const dense = new Float64Array(logits.length);
      tokens.forEach((token, place) => {
        dense[token] = probabilities[place] ?? 0;
      });
      const expected = torch.get(`sampling.${index}`) as Tensor;
      expect([...toNumbers(expected)].filter((p) => p > 0).length).toBe(tokens.length);
      expect(errorOf(fromNumbers('float64', [logits.length], dense), expected)).toBeLessThan(1e-6);
    });
  });

  it('draws tokens as often as their probabilities say, and the same ones for the same seed', async () => {
    const session = await sessionOf({ kind: 'llama', heads: 4, lastLogits: true, cache: true } as never);
    const [prompt = []] = rows('llama.prompts');
    const options = { maxTokens: 1, temperature: 1.5, topK: 5 };
    const many = Array.from({ length: 2000 }, () => prompt);
    const { tokens } = await generate(session, many, { ...options, seed: 4 });
    const logits = toNumbers(torch.get('llama.logits') as Tensor).subarray(0, 97);
    const { tokens: likely, probabilities } = candidates(logits, options);
    const counts = new Map<number, number>();
    for (const [token = -1] of tokens) counts.set(token, (counts.get(token) ?? 0) + 1);
    const chi = [...likely].reduce((sum, token, index) => {
      const expected = 2000 * (probabilities[index] ?? 0);
      return sum + ((counts.get(token) ?? 0) - expected) ** 2 / expected;
    }, 0);
    expect([...counts.keys()].every((token) => likely.includes(token))).toBe(true);
    // chi squared of 4 degrees of freedom is above 23.5 once in ten thousand times; the seed is fixed.
    expect(chi).toBeLessThan(23.5);
    const again = async (seed: number) =>
      (await generate(session, [prompt, prompt], { ...options, maxTokens: 20, seed })).tokens;
    expect(await again(7)).toEqual(await again(7));
    expect(await again(7)).not.toEqual(await again(8));
    const [one, other] = await again(7);
    expect(one).not.toEqual(other);
  }, 60_000);

  it('ends a sequence at its end token, and all of it when every one has ended', async () => {
    const session = await sessionOf({ kind: 'llama', heads: 4, lastLogits: true, cache: true } as never);
    const [[first = [], second = []], [own = [], other = []]] = [rows('llama.prompts'), rows('llama.tokens')];
    const endToken = own[10] ?? 0;
    const upTo = (row: number[]) => (row.includes(endToken) ? row.slice(0, row.indexOf(endToken) + 1) : row);
    const { tokens } = await generate(session, [first, second], { maxTokens: 50, endToken });
    expect(tokens).toEqual([upTo(own.slice(0, 50)), upTo(other.slice(0, 50))]);
    const ends = [endToken, other[3] ?? 0];
    let steps = 0;
    for await (const step of generateSteps(session, [first, second], { maxTokens: 50, endToken: ends })) {
      steps++;
      expect(step.length).toBe(2);
    }
    expect(steps).toBeLessThanOrEqual(11);
  });

  it('says what is wrong', async () => {
    const session = await sessionOf({ kind: 'gpt2', heads: 4, cache: true } as never);
    const run = (prompts: number[][], options: object) => generate(session, prompts, { maxTokens: 4, ...options });
    await expect(run([[]], {})).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
    await expect(run([[1], [1, 2]], {})).rejects.toMatchObject({ code: 'BAD_ARGUMENT', message: /mask/ });
    await expect(run([[1.5]], {})).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
    await expect(run([[1]], { maxTokens: -1 })).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
    await expect(run([[1]], { temperature: -1 })).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
    await expect(run([[1]], { temperature: 1, topK: 0 })).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
    await expect(run([[1]], { temperature: 1, topP: 2 })).rejects.toMatchObject({ code: 'BAD_ARGUMENT' });
    await expect(run([[1]], { names: { tokens: 'ids' } })).rejects.toMatchObject({ hint: /tokens/ });
    await expect(run([[1, 2]], { positions: 4 })).rejects.toMatchObject({ code: 'SHAPE_MISMATCH', message: /beyond/ });
    const long = Array.from({ length: 255 }, () => 1);
    await expect(run([long], {})).rejects.toMatchObject({ code: 'SHAPE_MISMATCH', message: /257 tokens/ });
    await expect(run([[97]], {})).rejects.toMatchObject({ code: 'SHAPE_MISMATCH', message: /vocabulary/ });
    const stopped = AbortSignal.abort();
    await expect(run([[1]], { signal: stopped })).rejects.toMatchObject({ code: 'INTERRUPTED' });
  });

  it('takes no NaN for a token', () => {
    expect(() => mostLikely(Float32Array.of(1, Number.NaN))).toThrow(/NaN/);
    expect(mostLikely(Float32Array.of(1, 3, 3))).toBe(1);
    expect(drawn({ tokens: Uint32Array.of(4, 2), probabilities: Float64Array.of(0.5, 0.5) }, 0.6)).toBe(2);
  });
});
