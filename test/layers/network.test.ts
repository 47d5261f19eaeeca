import { describe, expect, it } from 'vitest';
import { HopfcoleError } from '../../src/files/error.ts';
import { fromNumbers, type Tensor, toNumbers } from '../../src/files/tensor.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { buildNetwork, importNetwork } from '../../src/layers/network.ts';
import { parseSpec, specJsonSchema } from '../../src/layers/spec/spec.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { openSession } from '../../src/runtime/node/open.ts';

const spec = (layers: unknown[], more: object = {}) =>
  parseSpec({ inputs: [{ name: 'x', shape: ['batch', 3] }], layers, ...more });

function refusal(make: () => unknown): HopfcoleError {
  try {
    make();
  } catch (error) {
    if (error instanceof HopfcoleError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

const tensor = (shape: number[], seed = 1) =>
  fromNumbers(
    'float32',
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(seed + i)),
  );

describe('a specification', () => {
  it.each<[unknown, string, string]>([
    [{}, '$.inputs', 'got nothing'],
    [{ inputs: [{ name: 'x', shape: ['b', 3] }], layers: [] }, '$.layers', 'got []'],
    [{ inputs: [{ name: 'x', shape: ['b', 3] }], layers: [{ kind: 'lze' }] }, '$.layers[0].kind', "Did you mean 'lse'"],
    [
      { inputs: [{ name: 'x', shape: ['b', 3] }], layers: [{ kind: 'lse', epsilom: 1 }] },
      '$.layers[0]',
      "Did you mean 'epsilon'",
    ],
    [
      { inputs: [{ name: 'x', shape: ['b', 3] }], layers: [{ kind: 'lse', epsilon: 0 }] },
      '$.layers[0].epsilon',
      'got 0',
    ],
    [
      { inputs: [{ name: 'x', shape: ['b', 3] }], layers: [{ kind: 'lse', atoms: 1.5 }] },
      '$.layers[0].atoms',
      'got 1.5',
    ],
    [{ inputs: [{ name: 'x', dtype: 'int8', shape: [3] }], layers: [{ kind: 'relu' }] }, '$.inputs[0].dtype', '"int8"'],
  ])('%j is refused at %s', (document, path, words) => {
    const error = refusal(() => parseSpec(document, 'spec.json'));
    expect(error.code).toBe('BAD_SPEC');
    expect(error.line()).toContain(path);
    expect(error.line()).toContain(words);
  });

  it('publishes a JSON Schema of every layer kind', () => {
    const text = JSON.stringify(specJsonSchema());
    for (const kind of ['linear', 'lse', 'relu', 'softmax']) expect(text).toContain(`"const":"${kind}"`);
  });
});

describe('a network', () => {
  it('names both layers that do not compose', () => {
    const bad = spec([
      { kind: 'linear', name: 'a', out: 4 },
      { kind: 'lse', name: 'b', dim: 5, atoms: 2 },
    ]);
    const error = refusal(() => buildNetwork(bad, 0));
    expect(error.line()).toMatch(/layer 'b' \(lse\) expects 5 .* layer 'a' \(linear\) gives 4/);
  });

  it('lists everything missing and misshapen at once', () => {
    const wanted = spec([
      { kind: 'linear', name: 'a', out: 4 },
      { kind: 'relu' },
      { kind: 'linear', name: 'c', out: 2 },
    ]);
    const tensors = new Map([
      ['a.weight', tensor([4, 7])],
      ['a.bias', tensor([4])],
      ['c.weight', tensor([2, 4])],
    ]);
    const { message } = refusal(() => importNetwork(wanted, tensors));
    expect(message).toContain('missing: c.bias');
    expect(message).toContain('a.weight expected [4, 3], got [4, 7]');
  });

  it('draws missing parameters where partial is said, and tells them', () => {
    const wanted = spec([{ kind: 'linear', name: 'a', out: 4 }]);
    const { parameters } = importNetwork(wanted, new Map([['a.weight', tensor([4, 3])]]), {}, undefined, true);
    expect(parameters).toEqual({ used: ['a.weight'], unused: [], missing: ['a.bias'] });
  });

  it('has the same bytes for the same seed, and others for another', () => {
    const wanted = spec([
      { kind: 'linear', name: 'a', out: 4 },
      { kind: 'lse', name: 'b', atoms: 5, units: 2 },
    ]);
    const bytes = (seed: number) => encodeModel(toProto(buildNetwork(wanted, seed).model));
    expect(bytes(7)).toEqual(bytes(7));
    expect(bytes(7)).not.toEqual(bytes(8));
  });

  it('draws in PyTorch ranges: linear uniform in 1/sqrt(fan in)', () => {
    const wanted = parseSpec({
      inputs: [{ name: 'x', shape: ['batch', 400] }],
      layers: [{ kind: 'linear', name: 'a', out: 300 }],
    });
    const weight = buildNetwork(wanted, 3).model.graph.parameters.find(({ name }) => name === 'a.weight');
    const source = weight?.source;
    const values =
      source?.kind === 'parameter' && 'bytes' in source.tensor ? toNumbers(source.tensor) : new Float64Array(0);
    const bound = 1 / Math.sqrt(400);
    const variance = values.reduce((sum, v) => sum + v * v, 0) / values.length;
    expect(values.length).toBe(120_000);
    expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(bound);
    expect(Math.sqrt(variance)).toBeCloseTo(bound / Math.sqrt(3), 3);
  });

  it('computes what its layers say: linear, ReLU, LSE bank, softmax at a temperature', async () => {
    const wanted = spec([
      { kind: 'linear', name: 'a', out: 4 },
      { kind: 'relu' },
      { kind: 'lse', name: 'b', epsilon: { parameter: 'b.log_epsilon', transform: 'exp' } },
      { kind: 'softmax', epsilon: 2 },
    ]);
    const tensors = new Map<string, Tensor>([
      ['a.weight', tensor([4, 3], 1)],
      ['a.bias', tensor([4], 2)],
      ['b.weight', tensor([2, 5, 4], 3)],
      ['b.bias', tensor([2, 5], 4)],
      ['b.log_epsilon', fromNumbers('float32', [1], [-0.7])],
    ]);
    const { model, parameters } = importNetwork(wanted, tensors);
    expect(parameters.unused).toEqual([]);
    const session = await openSession(encodeModel(toProto(model)), { provider: 'cpu', home: 'process' });
    const x = [0.3, -1.2, 0.8];
    const { outputs } = await session.run({ x: fromNumbers('float32', [1, 3], x) });
    await session.close();
    const got = [...outputs.values()].map((output) => [...toNumbers(output)])[0] ?? [];
    const value = (name: string) => toNumbers(tensors.get(name) ?? tensor([0]));
    const [aw, ab, bw, bb] = ['a.weight', 'a.bias', 'b.weight', 'b.bias'].map(value) as [
      Float64Array,
      Float64Array,
      Float64Array,
      Float64Array,
    ];
    const hidden = Array.from(ab, (bias, i) =>
      Math.max(
        0,
        x.reduce((s, v, k) => s + v * (aw[i * 3 + k] ?? 0), bias),
      ),
    );
    const eps = Math.exp(-0.7);
    const f = [0, 1].map((unit) => {
      const z = Array.from({ length: 5 }, (_, j) =>
        hidden.reduce((s, v, k) => s + v * (bw[(unit * 5 + j) * 4 + k] ?? 0), bb[unit * 5 + j] ?? 0),
      );
      return eps * Math.log(z.reduce((s, v) => s + Math.exp(v / eps), 0));
    });
    const total = f.reduce((s, v) => s + Math.exp(v / 2), 0);
    f.forEach((v, i) => {
      expect(got[i]).toBeCloseTo(Math.exp(v / 2) / total, 5);
    });
  });
});

describe('names of a specification', () => {
  const input = { name: 'x', shape: ['batch', 3] };
  it.each<[object, string, string]>([
    [{ inputs: [input, input], layers: [{ kind: 'relu' }] }, '$.inputs[1].name', "two inputs are called 'x'"],
    [
      { inputs: [input], layers: [{ kind: 'relu' }], outputs: { output: 'x' } },
      '$.outputs.output',
      'last layer already',
    ],
    [{ inputs: [input], layers: [{ kind: 'relu' }], outputs: { y: 'nothing' } }, '$.outputs.y', 'nothing before it'],
    [
      { inputs: [{ ...input, dtype: 'int64' }], layers: [{ kind: 'gpt2', hidden: 8, heads: 2, layers: 1 }] },
      '$.layers[0]',
      'Add "vocabulary"',
    ],
  ])('%j is refused at %s', (document, path, words) => {
    const line = refusal(() => buildNetwork(parseSpec(document), 0)).line();
    expect(line).toContain(path);
    expect(line).toContain(words);
  });
});
