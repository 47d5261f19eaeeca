import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { check } from '../../src/cli/commands/check.ts';
import { importWeights } from '../../src/cli/commands/import.ts';
import { openModel, saveModel } from '../../src/cli/model-files.ts';
import { relativeError } from '../../src/cli/relative-error.ts';
import { readArrays } from '../../src/cli/tensor-files.ts';
import { costate } from '../../src/costate/costate.ts';
import { HopfcoleError } from '../../src/files/error.ts';
import type { Tensor } from '../../src/files/tensor.ts';
import { openSession } from '../../src/runtime/node/open.ts';
import { perform } from '../support/command.ts';
import { hasPython, python } from '../support/python.ts';

/** Files of exporters that the tests' Python does not have, with what their frameworks gave: see fixtures/exporters.py. */
const fixtures = join(import.meta.dirname, '../../fixtures/exporters');
const folder = mkdtempSync(join(tmpdir(), 'hopfcole-exporters-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

interface Fixture {
  readonly name: string;
  /** What is differentiated: an output, and by which names. */
  readonly of?: string;
  readonly seed?: 'input';
  /** Nodes after cleaning, at most. */
  readonly nodes: number;
  /** Parameters that the cleaned file holds under the names their authors gave. */
  readonly restored: readonly string[];
}

const scope = 'model.layers.0.self_attn';
const all: readonly Fixture[] = [
  {
    name: 'torch-2.1-script',
    of: 'y',
    seed: 'input',
    nodes: 84,
    restored: ['head.weight', 'block.linear1.weight', 'time.weight_ih_l0', 'time.bias_hh_l0', 'block.norm2.weight'],
  },
  { name: 'torch-2.1-dynamo', of: '_softmax', seed: 'input', nodes: 38, restored: ['up.weight', 'norm.bias'] },
  { name: 'tf2onnx-keras', of: 'probabilities', seed: 'input', nodes: 9, restored: [] },
  {
    name: 'optimum-merged',
    of: 'logits',
    nodes: 25,
    restored: ['model.embed.weight', ...['q', 'k', 'v'].map((key) => `${scope}.${key}_proj.weight`)],
  },
  { name: 'sklearn-mlp', nodes: 12, restored: [] },
  { name: 'sklearn-forest', nodes: 1, restored: [] },
  { name: 'sklearn-logistic', nodes: 5, restored: [] },
];

async function arraysOf(name: string, kind: string): Promise<ReadonlyMap<string, Tensor>> {
  const arrays = await readArrays(join(fixtures, `${name}.npz`));
  return new Map(
    [...arrays].flatMap(([key, tensor]) => (key.startsWith(`${kind}:`) ? [[key.slice(kind.length + 1), tensor]] : [])),
  );
}

async function run(file: string, name: string): Promise<ReadonlyMap<string, Tensor>> {
  const session = await openSession(file, { provider: 'cpu' });
  const given = await arraysOf(name, 'in');
  const feeds = Object.fromEntries([...session.inputs].map((input) => [input.name, given.get(input.name) as Tensor]));
  const { outputs } = await session.run(feeds);
  await session.close();
  return outputs;
}

async function imported(name: string, clean: boolean) {
  const output = join(folder, `${name}${clean ? '.clean' : ''}.onnx`);
  const { json } = await perform(importWeights, { file: join(fixtures, `${name}.onnx`), output, clean });
  return { output, json };
}

describe.each(all.map((fixture) => [fixture.name, fixture] as const))('%s', (name, fixture) => {
  it('is imported message for message, and sound', async () => {
    const { output, json } = await imported(name, false);
    expect(json.unchanged).toBe(true);
    expect((await perform(check, { file: output })).json).toMatchObject({ format: 'onnx', problems: [] });
  });

  it('is cleaned into a sound model, its parameters under their names', async () => {
    const { output, json } = await imported(name, true);
    expect((await perform(check, { file: output })).json).toMatchObject({ problems: [] });
    expect((json.cleaned as { nodes: { after: number } }).nodes.after).toBeLessThanOrEqual(fixture.nodes);
    expect((json.parameters as { used: string[] }).used).toEqual(expect.arrayContaining([...fixture.restored]));
  });

  // A sequence of maps is nothing that ONNX Runtime gives to JavaScript.
  it.skipIf(name === 'sklearn-logistic')('gives the outputs of its framework, clean or not', async () => {
    const expected = [...(await arraysOf(name, 'out')).values()];
    for (const clean of [false, true]) {
      const outputs = [...(await run((await imported(name, clean)).output, name)).values()];
      for (const [index, tensor] of expected.entries()) {
        const got = outputs[index];
        expect(got?.shape).toEqual(tensor.shape);
        if (got !== undefined) expect(relativeError(tensor, got)).toBeLessThan(2e-6);
      }
    }
  });

  it.skipIf(fixture.of === undefined)("has its framework's gradients once it is clean", async () => {
    const { output } = await imported(name, true);
    const { model, folder: home } = await openModel(output);
    const expected = await arraysOf(name, 'gradient');
    const held = new Set([...model.graph.inputs, ...model.graph.parameters].map((value) => value.name ?? ''));
    const wrt = [...expected.keys()].filter((key) => held.has(key));
    expect(wrt).toEqual(expect.arrayContaining([...fixture.restored]));
    const graph = costate(model, {
      wrt,
      of: [fixture.of ?? ''],
      ...(fixture.seed === undefined ? {} : { seed: fixture.seed }),
    });
    const file = join(folder, `${name}.costate.onnx`);
    await saveModel(graph.model, file, {}, home);
    const outputs = await run(file, name);
    for (const key of wrt) {
      const [want, got] = [expected.get(key), outputs.get(`costate_${key}`)];
      expect(got?.shape, key).toEqual(want?.shape);
      // What a softmax does not see of the keys' bias is rounding alone.
      if (want !== undefined && got !== undefined && !key.endsWith('in_proj_bias'))
        expect(relativeError(want, got), key).toBeLessThan(1e-3);
    }
  });
});

it('unfolds the batch normalisation of a file by its checkpoint, and differentiates by every parameter', async () => {
  const name = 'torch-2.1-script';
  const output = join(folder, `${name}.unfolded.onnx`);
  const weights = join(fixtures, `${name}.pt`);
  const { json } = await perform(importWeights, { file: join(fixtures, `${name}.onnx`), output, clean: true, weights });
  expect(json.changed).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ name: 'stem.0.weight', why: expect.stringContaining('stem.1') }),
      expect.objectContaining({ name: 'stem.1.running_var' }),
    ]),
  );
  expect((json.changed as { name: string }[]).filter((one) => one.name.startsWith('onnx::'))).toEqual([]);
  const [y] = (await run(output, name)).values();
  const [expected] = (await arraysOf(name, 'out')).values();
  expect(relativeError(expected as Tensor, y as Tensor)).toBeLessThan(2e-6);
  const { model, folder: home } = await openModel(output);
  const gradients = await arraysOf(name, 'gradient');
  const graph = costate(model, { wrt: [...gradients.keys()], of: ['y'], seed: 'input' });
  const file = join(folder, `${name}.unfolded.costate.onnx`);
  await saveModel(graph.model, file, {}, home);
  const found = await run(file, name);
  for (const [key, want] of gradients)
    if (!key.endsWith('in_proj_bias'))
      expect(relativeError(want, found.get(`costate_${key}`) as Tensor), key).toBeLessThan(1e-3);
});

it("refuses another network's checkpoint", async () => {
  const file = join(fixtures, 'torch-2.1-dynamo.onnx');
  const args = { file, output: join(folder, 'none.onnx'), clean: true, weights: join(fixtures, 'torch-2.1-script.pt') };
  await expect(perform(importWeights, args)).rejects.toMatchObject({ code: 'UNMATCHED_WEIGHTS' });
});

describe('what cannot be imported leaves nothing behind', () => {
  const whole = readFileSync(join(fixtures, 'torch-2.1-script.onnx'));
  const refused = async (bytes: Uint8Array, args: Record<string, unknown> = {}): Promise<string> => {
    const [file, output] = [join(folder, 'given.onnx'), join(folder, 'never.onnx')];
    writeFileSync(file, bytes);
    const error = await perform(importWeights, { file, output, clean: true, ...args }).catch(
      (thrown: unknown) => thrown,
    );
    expect(existsSync(output)).toBe(false);
    return error instanceof HopfcoleError ? error.code : String(error);
  };

  it('a file that ends too early, at any place', async () => {
    for (const part of [0.1, 0.35, 0.6, 0.85, 0.999])
      expect(await refused(whole.subarray(0, Math.floor(whole.length * part)))).toMatch(/^[A-Z_]+$/);
  });

  it.each([
    [{ shape: 'x=3,y' }, 'SHAPE_MISMATCH'],
    [{ shape: 'x' }, 'BAD_USAGE'],
    [{ shape: 'x=1,-2' }, 'BAD_USAGE'],
    [{ shape: 'z=1' }, 'UNKNOWN_NAME'],
    [{ fix: 'x=one' }, 'BAD_USAGE'],
    [{ fix: 'z=1' }, 'UNKNOWN_NAME'],
    [{ fix: 'x=1' }, 'SHAPE_MISMATCH'],
    [{ opset: 99 }, 'UNSUPPORTED_OPSET'],
  ])('%o', async (args, code) => {
    expect(await refused(whole, args)).toBe(code);
  });
});

it('puts weights that lie beside a model into it, and says that it is not the same message', async () => {
  const file = join(fixtures, '../runtime/external.onnx');
  const output = join(folder, 'whole.onnx');
  const { json } = await perform(importWeights, { file, output });
  expect(json.unchanged).toBe(false);
  expect((await openModel(output)).proto?.graph?.initializer?.flatMap(({ externalData }) => externalData)).toEqual([]);
});

it('refuses to differentiate a forest of scikit-learn, by the name of its operator', async () => {
  const { model } = await openModel(join(fixtures, 'sklearn-forest.onnx'));
  expect(() => costate(model, { wrt: ['X'], of: ['probabilities'] })).toThrow(/TreeEnsembleClassifier/);
});

it.skipIf(!hasPython)('keeps the maps of a classifier as they were', async () => {
  const { output } = await imported('sklearn-logistic', true);
  const program = `
import sys, numpy as np, onnxruntime as ort
given = np.load(sys.argv[1])
label, maps = ort.InferenceSession(sys.argv[2]).run(None, {'X': given['in:X']})
found = np.array([[row[key] for key in sorted(row)] for row in maps])
assert (label == given['out:label']).all()
print(np.abs(found - given['out:probabilities']).max())
`;
  expect(Number(python(program, [join(fixtures, 'sklearn-logistic.npz'), output]))).toBeLessThan(1e-6);
});
