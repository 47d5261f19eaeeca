import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { check } from '../../src/cli/commands/check.ts';
import { importWeights } from '../../src/cli/commands/import.ts';
import { inspect } from '../../src/cli/commands/inspect.ts';
import { relativeError } from '../../src/cli/relative-error.ts';
import { readArrays, readInputs } from '../../src/cli/tensor-files.ts';
import { elementCount } from '../../src/files/tensor.ts';
import { openSession } from '../../src/runtime/node/open.ts';
import { perform } from '../support/command.ts';
import { generated } from '../support/corpora.ts';
import { hasPython, python } from '../support/python.ts';

interface Network {
  readonly name: string;
  readonly checkpoint: string;
  readonly container: string;
  readonly spec: string;
  readonly input: string;
  readonly expected: string;
  readonly rtol: number;
}

interface Parameter {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: number;
}

/** What PyTorch, safetensors and numpy find in each checkpoint: the names, element types and shapes of its tensors. */
const contents = `
import json, sys, torch, numpy as np
from pathlib import Path
from safetensors import safe_open
folder = Path(sys.argv[1])
def kind(t): return str(t.dtype).removeprefix('torch.')
def tensors(name):
    path = folder / name
    if name.endswith('.npz'):
        return {k: torch.from_numpy(v) for k, v in np.load(path).items()}
    if name.endswith('.safetensors'):
        with safe_open(path, 'pt') as f: return {k: f.get_tensor(k) for k in f.keys()}
    if name.endswith('.json'):
        found = {}
        for shard in sorted(set(json.loads(path.read_text())['weight_map'].values())): found |= tensors(shard)
        return found
    state = torch.load(path, weights_only=True)
    for key in ('state_dict', 'model_state_dict'): state = state.get(key, state)
    return state
print(json.dumps({n: {k: [kind(v), list(v.shape)] for k, v in tensors(n).items()} for n in json.loads(sys.argv[2])}))
`;

const formats: Readonly<Record<string, string>> = {
  pt: 'torch-zip',
  safetensors: 'safetensors',
  npz: 'npz',
  'safetensors.index.json': 'safetensors-sharded',
};

const names: string[] = JSON.parse(
  hasPython
    ? python(`
import sys; sys.path.insert(0, 'fixtures'); import networks, json; print(json.dumps(list(networks.CASES)))`)
    : '[]',
);

describe.skipIf(!hasPython)('checkpoints made by PyTorch', () => {
  let folder = '';
  let cases = new Map<string, Network>();
  let found: Record<string, Record<string, [string, number[]]>> = {};
  const output = mkdtempSync(join(tmpdir(), 'hopfcole-networks-'));
  beforeAll(() => {
    const { folder: made, index } = generated<Network>('fixtures/networks.py');
    folder = made;
    cases = new Map(index.map((network) => [network.name, network]));
    found = JSON.parse(python(contents, [folder, JSON.stringify(index.map(({ checkpoint }) => checkpoint))]));
  });
  const caseOf = (name: string): Network => {
    const network = cases.get(name);
    if (network === undefined) throw new Error(`no case ${name}`);
    return network;
  };

  it.each(names)("%s gives PyTorch's outputs", async (name) => {
    const network = caseOf(name);
    const model = join(output, `${name}.onnx`);
    const told = await perform(importWeights, {
      file: join(folder, network.checkpoint),
      spec: join(folder, network.spec),
      output: model,
    });
    expect(told.json).toMatchObject({ output: model, parameters: { unused: [], missing: [] } });
    const session = await openSession(model, { provider: 'cpu' });
    const { outputs } = await session.run(await readInputs(join(folder, network.input), session.inputs));
    await session.close();
    const expected = await readArrays(join(folder, network.expected));
    expect([...outputs.keys()]).toEqual([...expected.keys()]);
    for (const [key, tensor] of expected) {
      const got = outputs.get(key);
      if (got === undefined) throw new Error(`no output ${key}`);
      expect([got.dtype, got.shape]).toEqual([tensor.dtype, tensor.shape]);
      expect(relativeError(tensor, got)).toBeLessThanOrEqual(network.rtol);
    }
    expect((await perform(check, { file: model })).json.problems).toEqual([]);
    expect((await perform(inspect, { file: model })).json).toMatchObject({ format: 'onnx', problems: [] });
  });

  it.each(names)('%s is described as Python finds it', async (name) => {
    const network = caseOf(name);
    const { json } = await perform(inspect, { file: join(folder, network.checkpoint) });
    const expected = found[network.checkpoint] ?? {};
    expect(json.format).toBe(name === 'mlp-legacy' ? 'torch-legacy' : formats[network.container]);
    expect(json.problems).toEqual([]);
    const parameters = json.parameters as Parameter[];
    // What stands before a module's name in every key (DataParallel's 'module.') may be left out or kept.
    const tails = (keys: readonly string[]) => keys.map((key) => key.replace(/^module\./, '')).sort();
    expect(tails(parameters.map((p) => p.name))).toEqual(tails(Object.keys(expected)));
    for (const parameter of parameters) {
      const [dtype, shape] = expected[parameter.name] ?? expected[`module.${parameter.name}`] ?? ['none', []];
      expect([parameter.name, parameter.dtype, parameter.shape]).toEqual([parameter.name, dtype, shape]);
    }
    expect(json.parameterCount).toBe(parameters.reduce((sum, { shape }) => sum + elementCount(shape), 0));
    expect((await perform(check, { file: join(folder, network.checkpoint) })).json).toMatchObject({ problems: [] });
  });

  it('refuses what the specification does not use, and takes it with --partial', async () => {
    const { checkpoint } = caseOf('lse-stack');
    const spec = JSON.parse(readFileSync(join(folder, caseOf('lse-stack').spec), 'utf8'));
    spec.layers.pop();
    const path = join(folder, 'short.spec.json');
    writeFileSync(path, JSON.stringify(spec));
    const args = { file: join(folder, checkpoint), spec: path, output: join(output, 'short.onnx') };
    await expect(perform(importWeights, args)).rejects.toMatchObject({ code: 'UNUSED_PARAMETERS' });
    const { json } = await perform(importWeights, { ...args, partial: true });
    expect(json).toMatchObject({ parameters: { unused: ['out.weight', 'out.bias'] } });
  });
});
