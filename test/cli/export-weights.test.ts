import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { exportModel } from '../../src/cli/commands/export.ts';
import { importWeights } from '../../src/cli/commands/import.ts';
import { readArrays } from '../../src/cli/tensor-files.ts';
import { fromNumbers } from '../../src/files/tensor.ts';
import { buildNetwork, importNetwork } from '../../src/layers/network.ts';
import { parseSpec } from '../../src/layers/spec/spec.ts';
import { stateDictOf } from '../../src/layers/state-dict.ts';
import { perform } from '../support/command.ts';
import { hasPython, python } from '../support/python.ts';
import { root } from './process.ts';

const folder = mkdtempSync(join(tmpdir(), 'hopfcole-weights-'));
const digits = (name: string) => join(root, 'fixtures/digits', name);

it.each(['safetensors', 'npz'] as const)(
  'writes the weights of a model as %s under the names they came with',
  async (to) => {
    const model = join(folder, 'digits.onnx');
    await perform(importWeights, { file: digits('digits_lse.pt'), spec: digits('digits_lse.json'), output: model });
    const output = join(folder, `digits.${to}`);
    const { json } = await perform(exportModel, { model, to, output });
    expect(json).toMatchObject({ target: to, files: [output], changed: [] });
    const [written, original] = [await readArrays(output), await readArrays(digits('digits_lse.safetensors'))];
    // The temperature is the layer's own: PyTorch's state dict has none.
    expect([...written.keys()].sort()).toEqual([...original.keys()].sort());
    for (const [name, tensor] of original) expect([name, written.get(name)]).toEqual([name, tensor]);
  },
);

it('converts one container into another', async () => {
  const output = join(folder, 'converted');
  const { json } = await perform(exportModel, { model: digits('digits_lse.pt'), to: 'safetensors', output });
  expect(json).toMatchObject({ files: [join(output, 'digits_lse.safetensors')] });
});

it.skipIf(!hasPython)('is what PyTorch loads', async () => {
  const output = join(folder, 'loaded.safetensors');
  await perform(exportModel, { model: digits('digits_lse.pt'), to: 'safetensors', output });
  const program = `
import sys, torch, safetensors.torch
a, b = safetensors.torch.load_file(sys.argv[1]), torch.load(sys.argv[2], weights_only=True)
print(sorted(a) == sorted(b) and all(torch.equal(a[k], b[k]) for k in a))`;
  expect(python(program, [output, digits('digits_lse.pt')]).trim()).toBe('True');
});

it('gives tied weights under each of their names', () => {
  const spec = parseSpec({
    inputs: [{ name: 'x', shape: ['batch', 4] }],
    layers: [
      { kind: 'linear', name: 'a', out: 4 },
      { kind: 'linear', name: 'b', out: 4 },
      { kind: 'softmax', epsilon: 2 },
    ],
  });
  const fresh = stateDictOf(buildNetwork(spec, 1).model);
  expect([...fresh.keys()]).toEqual(['a.weight', 'a.bias', 'b.weight', 'b.bias']);
  const weight = fromNumbers(
    'float32',
    [4, 4],
    Array.from({ length: 16 }, (_, i) => i),
  );
  const bias = (seed: number) => fromNumbers('float32', [4], [seed, 1, 2, 3]);
  const tensors = new Map([
    ['a.weight', weight],
    ['a.bias', bias(0)],
    ['b.weight', weight],
    ['b.bias', bias(9)],
  ]);
  const { model, changed } = importNetwork(spec, tensors);
  expect(changed).toEqual([{ name: 'b.weight', why: 'tied to a.weight, which the model holds once' }]);
  expect(new Map(stateDictOf(model))).toEqual(tensors);
});

it('takes the dict and the prefix that are named', async () => {
  const nested = join(root, 'fixtures/checkpoints/two-nets.pt');
  const names = async (args: Record<string, unknown>) => {
    const { json } = await perform(exportModel, { to: 'pytorch', output: join(folder, 'some.pt'), ...args });
    return json.parameters;
  };
  await expect(names({ model: nested })).rejects.toMatchObject({ code: 'AMBIGUOUS_CHECKPOINT' });
  expect(await names({ model: nested, key: 'generator' })).toEqual(['a', 'b']);
  const model = join(folder, 'digits.onnx');
  await perform(importWeights, { file: digits('digits_lse.pt'), spec: digits('digits_lse.json'), output: model });
  const all = (await names({ model })) as string[];
  const [first] = all;
  const prefix = first?.slice(0, first.indexOf('.') + 1) ?? '';
  const within = all.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  for (const given of [model, digits('digits_lse.pt')]) expect(await names({ model: given, prefix })).toEqual(within);
  await expect(names({ model, key: 'a' })).rejects.toMatchObject({ code: 'BAD_USAGE' });
  await expect(names({ model, prefix: 'nowhere.' })).rejects.toMatchObject({ code: 'UNKNOWN_PREFIX' });
  await expect(names({ model, to: 'onnx', prefix })).rejects.toMatchObject({ code: 'BAD_USAGE' });
});

it('refuses what belongs to another target', async () => {
  const args = { model: digits('digits_lse.pt'), to: 'npz', output: join(folder, 'x.npz'), opset: 20 };
  await expect(perform(exportModel, args)).rejects.toMatchObject({ code: 'BAD_USAGE' });
});
