import { copyFileSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openWeights } from '../../src/cli/checkpoint-files.ts';
import type { Command } from '../../src/cli/command.ts';
import { check } from '../../src/cli/commands/check.ts';
import { exportModel } from '../../src/cli/commands/export.ts';
import { importWeights } from '../../src/cli/commands/import.ts';
import { inspect } from '../../src/cli/commands/inspect.ts';
import { run } from '../../src/cli/commands/run.ts';
import { perform } from '../support/command.ts';

const fixtures = resolve(import.meta.dirname, '../../fixtures');
const container = (name: string) => join(fixtures, 'containers', name);
const names = (json: Readonly<Record<string, unknown>>) =>
  (json.parameters as { name: string }[]).map(({ name }) => name);
const fails = async (command: Command, args: Record<string, unknown>) =>
  perform(command, args).then(
    () => undefined,
    (error) => error,
  );

describe('the flags that choose', () => {
  it('take a dict by --key, and by its older name --select', async () => {
    for (const flag of ['key', 'select'])
      expect(names((await perform(inspect, { file: container('keys.pt'), [flag]: 'b' })).json)).toEqual(['w']);
  });

  it('keep the names of a prefix, with or without its dot', async () => {
    for (const prefix of ['model.', 'model'])
      expect(names((await perform(inspect, { file: container('prefixes.pt'), prefix })).json)).toEqual([
        'weight',
        'bias',
      ]);
  });

  it('hold in check and import as well', async () => {
    expect((await perform(check, { file: container('yolo-two.pt'), key: 'ema' })).json).toMatchObject({
      format: 'torch-zip',
    });
    const spec = join(mkdtempSync(join(tmpdir(), 'hopfcole-')), 'spec.json');
    writeFileSync(
      spec,
      JSON.stringify({
        name: 'one',
        inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', 2] }],
        layers: [{ kind: 'linear', name: 'net', in: 2, out: 3 }],
      }),
    );
    const output = join(resolve(spec, '..'), 'one.onnx');
    const args = { file: container('lightning.ckpt'), spec, output, key: 'state_dict', prefix: 'model', partial: true };
    const outcome = await fails(importWeights, args);
    expect(outcome?.line?.() ?? '').not.toMatch(/AMBIGUOUS|PREFIX/);
  });

  it('say what there is where they fit nothing', async () => {
    const none = await fails(inspect, { file: container('keys.pt'), key: 'c' });
    expect(none).toMatchObject({ code: 'NO_TENSORS', hint: expect.stringContaining('"a", "b"') });
    const prefix = await fails(check, { file: container('prefixes.pt'), prefix: 'nets.' });
    expect(prefix).toMatchObject({ code: 'UNKNOWN_PREFIX', hint: expect.stringContaining('"model.", "loss."') });
    const flat = await fails(inspect, { file: container('extra.safetensors'), key: 'x' });
    expect(flat).toMatchObject({ code: 'NO_TENSORS' });
  });
});

describe('inspect and check', () => {
  it('say what was changed, and what code the file names', async () => {
    const { json, text } = await perform(inspect, { file: container('module.pt') });
    expect(json.code).toContain('container_classes.Resnet');
    expect(text.join('\n')).toMatch(
      /names code, none of which was loaded or run here \(\d+\): .*container_classes\.Resnet/,
    );
    const quantised = await perform(check, { file: container('quantised.pt') });
    expect(quantised.json.changed).toContainEqual({ name: 'wide', why: expect.stringContaining('float32') });
    expect((await perform(check, { file: container('legacy-views.pt') })).json).toMatchObject({
      format: 'torch-legacy',
      parameters: 6,
      code: [],
    });
  });

  it('describe what is there of a file that is only partly read; check refuses it', async () => {
    const { json, text } = await perform(inspect, { file: container('odd.pt') });
    expect(text).toContainEqual(expect.stringMatching(/^problem UNSUPPORTED_TENSOR "bits": it is a tensor of bits8/));
    expect(names(json)).toEqual(['good']);
    expect(json.problems).toHaveLength(6);
    expect(await fails(check, { file: container('odd.pt') })).toMatchObject({ code: 'UNSUPPORTED_TENSOR' });
  });

  it('refuse the graph of a TorchScript archive and say what to save', async () => {
    const error = await fails(run, { model: container('script.pt'), input: 'x.npz', output: 'y.npz' });
    expect(error).toMatchObject({ code: 'UNSUPPORTED_FORMAT', hint: expect.stringContaining('torch.export.save') });
  });
});

describe('a folder in place of a file', () => {
  const folder = (...files: readonly [from: string, to: string][]) => {
    const path = mkdtempSync(join(tmpdir(), 'hopfcole-'));
    for (const [from, to] of files) copyFileSync(join(fixtures, from), join(path, to));
    return path;
  };

  it('is its safetensors before its .bin, its index before its file', async () => {
    const bin: [string, string] = ['containers/keys.pt', 'pytorch_model.bin'];
    const whole: [string, string] = ['checkpoints/names.safetensors', 'model.safetensors'];
    const index: [string, string][] = [
      ['checkpoints/model.safetensors.index.json', 'model.safetensors.index.json'],
      ['checkpoints/model-00001-of-00002.safetensors', 'model-00001-of-00002.safetensors'],
      ['checkpoints/model-00002-of-00002.safetensors', 'model-00002-of-00002.safetensors'],
    ];
    expect((await openWeights(folder(bin), { select: 'a' })).format).toBe('torch-zip');
    expect((await openWeights(folder(bin, whole))).format).toBe('safetensors');
    expect((await openWeights(folder(bin, whole, ...index))).format).toBe('safetensors-sharded');
    const shards = folder(
      ['containers/pytorch_model.bin.index.json', 'pytorch_model.bin.index.json'],
      ['containers/pytorch_model-00001-of-00002.bin', 'pytorch_model-00001-of-00002.bin'],
      ['containers/pytorch_model-00002-of-00002.bin', 'pytorch_model-00002-of-00002.bin'],
      bin,
    );
    expect((await perform(check, { file: shards })).json).toMatchObject({ format: 'torch-sharded', parameters: 3 });
    expect((await perform(inspect, { file: shards })).json).toMatchObject({ format: 'torch-sharded' });
    const output = join(shards, 'all.safetensors');
    await perform(exportModel, { model: shards, to: 'safetensors', output });
    expect((await openWeights(output)).tensors.size).toBe(3);
  });

  it('with no weights is refused; so are links out of it', async () => {
    const empty = folder();
    mkdirSync(join(empty, 'model.safetensors'));
    expect(await fails(check, { file: empty })).toMatchObject({ code: 'NOT_A_FILE' });
    const links = folder(['containers/pytorch_model.bin.index.json', 'pytorch_model.bin.index.json']);
    for (const shard of ['pytorch_model-00001-of-00002.bin', 'pytorch_model-00002-of-00002.bin'])
      symlinkSync(container(shard), join(links, shard));
    expect(await fails(check, { file: links })).toMatchObject({ code: 'PATH_OUTSIDE_MODEL' });
  });
});
