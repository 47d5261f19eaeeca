import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/checkpoint/open.ts';
import { exportModel } from '../../src/cli/commands/export.ts';
import type { DType } from '../../src/files/dtype.ts';
import { openFile } from '../../src/files/node/file.ts';
import { load } from '../../src/files/tensor.ts';
import { file, join as joined, parts } from '../checkpoint/gguf-file.ts';
import { perform } from '../support/command.ts';
import { hasPython, pythonFile } from '../support/python.ts';

const folder = mkdtempSync(join(tmpdir(), 'hopfcole-containers-'));
const script = join(import.meta.dirname, 'containers.py');

const sources: Readonly<Record<string, string>> = {
  pt: 'in.pt',
  legacy: 'in.bin',
  safetensors: 'in.safetensors',
  sharded: 'sharded/model.safetensors.index.json',
  folder: 'sharded',
  npz: 'in.npz',
  gguf: 'in.gguf',
  onnx: 'in.onnx',
};
const targets = { safetensors: 'safetensors', pytorch: 'pt', npz: 'npz' } as const;
const outputs = Object.keys(sources).flatMap((source) => Object.values(targets).map((ending) => `${source}.${ending}`));

/** ggml's numbers for the types it has. */
const ggml: Partial<Record<DType, number>> = {
  float32: 0,
  float16: 1,
  int8: 24,
  int32: 26,
  int64: 27,
  float64: 28,
  bfloat16: 30,
};

/** The weights of in.pt as a .gguf, but for the types it lacks. */
async function writeGguf(): Promise<void> {
  const { header, tensor } = parts();
  const entries: Uint8Array[] = [];
  const data: Uint8Array[] = [];
  let at = 0;
  for (const [name, { dtype, shape, bytes }] of await loaded('in.pt')) {
    const type = ggml[dtype];
    if (type === undefined) continue;
    entries.push(tensor(name, [...shape].reverse(), type, at));
    const padded = new Uint8Array(Math.ceil(bytes.byteLength / 32) * 32);
    padded.set(bytes);
    data.push(padded);
    at += padded.byteLength;
  }
  writeFileSync(join(folder, 'in.gguf'), file(joined(header(entries.length, 0), ...entries), joined(...data)));
}

async function loaded(name: string) {
  const { tensors } = await openCheckpoint(await openFile(join(folder, name)));
  return Promise.all([...tensors].map(async ([key, tensor]) => [key, await load(tensor)] as const));
}

describe.skipIf(!hasPython)('containers convert into one another', () => {
  let wrong: Readonly<Record<string, readonly string[]>>;
  let tied: boolean;
  const changed: Record<string, unknown> = {};

  beforeAll(async () => {
    pythonFile(script, ['make', folder]);
    await writeGguf();
    mkdirSync(join(folder, 'out'));
    for (const [source, name] of Object.entries(sources))
      for (const [to, ending] of Object.entries(targets)) {
        const output = join(folder, 'out', `${source}.${ending}`);
        const { json } = await perform(exportModel, { model: join(folder, name), to, output });
        changed[`${source}.${ending}`] = json.changed;
        expect(json).toMatchObject({ target: to, files: [output] });
      }
    await perform(exportModel, {
      model: join(folder, 'tied.safetensors'),
      to: 'pytorch',
      output: join(folder, 'tied.pt'),
    });
    ({ wrong, tied } = JSON.parse(pythonFile(script, ['check', folder])));
  }, 120_000);

  it.each(outputs)('%s: names, order, types and values, as PyTorch loads them', (name) => {
    expect(wrong[name]).toEqual([]);
  });

  it('with names of tied weights that save_model dropped', () => {
    expect(tied).toBe(true);
  });

  it('and what a container lacks is said', () => {
    const brain = { name: 'blocks.0.brain', why: expect.stringMatching(/no bfloat16: written as float32/) };
    for (const name of outputs)
      expect([name, changed[name]]).toEqual([name, name.endsWith('.npz') && name !== 'npz.npz' ? [brain] : []]);
  });

  it('under the usual ending in a folder, and under any that PyTorch users give', async () => {
    const output = join(folder, 'folder');
    const { json } = await perform(exportModel, { model: join(folder, 'in.npz'), to: 'pytorch', output });
    expect(json).toMatchObject({
      files: [join(output, 'in.pt')],
      start: `model.load_state_dict(torch.load('${join(output, 'in.pt')}', weights_only=True))`,
    });
    const from = async (model: string) =>
      (await perform(exportModel, { model: join(folder, model), to: 'npz', output })).json.files;
    cpSync(join(folder, 'sharded'), join(folder, 'model-v1.5'), { recursive: true });
    expect(await from('model-v1.5')).toEqual([join(output, 'model-v1.5.npz')]);
    expect(await from('sharded/model.safetensors.index.json')).toEqual([join(output, 'model.npz')]);
    for (const name of ['w.pth', 'w.bin', 'w.ckpt', 'W.PT']) {
      const named = join(folder, name);
      await perform(exportModel, { model: join(folder, 'in.npz'), to: 'pytorch', output: named });
      expect(readFileSync(named).subarray(0, 4).toString('latin1')).toBe('PK\x03\x04');
    }
  });

  it('refuses damaged weights that it only meets on the way, and leaves nothing', async () => {
    const bytes = readFileSync(join(folder, 'in.pt'));
    const [, tensor] = (await loaded('in.pt')).find(([name]) => name === 'blocks.1.bytes') ?? [];
    const at = bytes.indexOf(tensor?.bytes ?? '');
    expect(at).toBeGreaterThan(0);
    bytes[at + 100] = 0;
    const model = join(folder, 'damaged.pt');
    writeFileSync(model, bytes);
    const before = readdirSync(folder);
    for (const [to, ending] of Object.entries(targets)) {
      const done = perform(exportModel, { model, to, output: join(folder, `never.${ending}`) });
      await expect(done).rejects.toMatchObject({ code: 'BAD_ZIP' });
    }
    expect(readdirSync(folder)).toEqual(before);
  });
});
