import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gibbsAttention, logSumExp } from '../../ops/index.ts';
import { verifyModel } from '../../src/analysis/verify.ts';
import { inspectModel } from '../../src/cli/inspect-model.ts';
import { openFile } from '../../src/files/node/file.ts';
import { fileFolder } from '../../src/files/node/folder.ts';
import { fromNumbers } from '../../src/files/tensor.ts';
import type { Model } from '../../src/graph/graph.ts';
import { constant, input } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import { inlineFunctions } from '../../src/graph/passes/inline.ts';
import { fromProto } from '../../src/graph/wire/read.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { fresh } from '../../src/layers/module.ts';
import { readingKey } from '../../src/layers/reading.ts';
import { readModel } from '../../src/onnx/read.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { sitesOf } from '../../src/reading/sites.ts';
import { failing, network, open, weights } from '../analysis/networks.ts';
import { hasPython, pythonFile } from '../support/python.ts';

const shown = (made: Model) => sitesOf(made).map(({ name, kind }) => `${name} ${kind}`);

describe('layers that say what they are', () => {
  it('are sites with their equation, before and after a file', async () => {
    const made = network(
      [5],
      [
        { kind: 'linear', out: 4, name: 'first' },
        { kind: 'softplus', name: 'act', epsilon: 0.3 },
        { kind: 'lse', name: 'classes', units: 3, atoms: 6, epsilon: 0.25 },
        { kind: 'softmax', name: 'head' },
      ],
    );
    const expected = [
      { name: 'act', kind: 'softplus', status: 'exact', epsilon: 0.3, atoms: 2, dim: 1, viscosity: 0.3, step: null },
      { name: 'classes', kind: 'lse', status: 'exact', epsilon: 0.25, atoms: 6, dim: 4, heads: 3, viscosity: 0.25 },
      { name: 'head', kind: 'softmax-head', status: 'exact', epsilon: 1, atoms: 3, viscosity: 1 },
    ];
    expect(sitesOf(made)).toMatchObject(expected);
    const bytes = encodeModel(toProto(made));
    const folder = mkdtempSync(join(tmpdir(), 'hopfcole-sites-'));
    try {
      const path = join(folder, 'model.onnx');
      writeFileSync(path, bytes);
      const back = await fromProto(await readModel(await openFile(path)), fileFolder(folder));
      expect(sitesOf(back)).toMatchObject(expected);
      const { json, text } = await inspectModel(path, await openFile(path));
      expect(json).toMatchObject({
        sites: [
          { equation: expect.stringContaining('0.3 log(exp(z/0.3) + 1)') as string },
          { discretisation: 'none: the layer is the solution', architecture: 'lse' },
          { hamiltonian: '|p|^2', where: expect.stringContaining('GibbsWeights') as string },
        ],
      });
      const told = text.join('\n');
      for (const words of ['u_t + |grad u|^2 = 0.25 Lap u', 'exact; discretisation: none', 'viscosity', 'Hamiltonian'])
        expect(told).toContain(words);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('keep the operators that they are made of to themselves', () => {
    // Softplus at another eps than 1 is written out with Relu.
    expect(shown(network([3], [{ kind: 'softplus', name: 'act', epsilon: 0.5 }]))).toEqual(['act softplus']);
  });

  it('are the same sites where calls were replaced by their bodies', () => {
    const made = network(
      [4],
      [
        { kind: 'lse', name: 'a', atoms: 4, units: 2, epsilon: 0.3 },
        { kind: 'hopfield', name: 'memory', count: 3 },
        { kind: 'softmax', name: 'head' },
      ],
    );
    const inlined = sitesOf(inlineFunctions(made));
    expect(inlined.map(({ name, kind }) => `${name} ${kind}`)).toEqual(shown(made));
    expect(inlined[0]).toMatchObject({ status: 'exact', epsilon: 0.3, viscosity: 0.3 });
  });

  it('tell the temperature that the file holds, not the one they were built with', () => {
    const root = fresh();
    const x = input('x', 'float32', ['batch', 3]);
    const f = logSumExp(x, weights('W', [4, 3]), weights('b', [4]), constant(fromNumbers('float32', [], [0.7])));
    const said = root.at('layer').mark(f, 'lse', { viscosity: 0.1 });
    expect(sitesOf(model({ inputs: [x], outputs: { f: said } }))).toMatchObject([
      { epsilon: 0.7, viscosity: 0.7, equation: expect.stringContaining('= 0.7 Lap u') as string },
    ]);
  });

  it.each(['{', '{}', '[1]', '{"kind":"nonsense","name":"a"}', 'null'])(
    'are not believed where they say %s',
    (text) => {
      const x = input('x', 'float32', ['batch', 3]);
      const made = model({ inputs: [x], outputs: { y: op.relu(x) } });
      const marked = {
        ...made,
        graph: {
          ...made.graph,
          nodes: made.graph.nodes.map((own) => ({ ...own, metadata: new Map([[readingKey, text]]) })),
        },
      };
      expect(sitesOf(marked)).toMatchObject([{ kind: 'relu', status: 'exact' }]);
    },
  );
});

describe('operators of foreign files', () => {
  const x = input('x', 'float32', ['batch', 'time', 8]);
  const built = (make: () => ReturnType<typeof op.relu>) => sitesOf(model({ inputs: [x], outputs: { y: make() } }));

  it('are layers by themselves', () => {
    const axis = constant(fromNumbers('int64', [1], [-1]));
    expect(built(() => op.relu(x))).toMatchObject([{ kind: 'relu', atoms: 2, viscosity: 0 }]);
    expect(built(() => op.softplus(x))).toMatchObject([{ kind: 'softplus', epsilon: 1 }]);
    expect(built(() => op.reduceLogSumExp(x, axis))).toMatchObject([{ kind: 'lse', atoms: 8, epsilon: 1 }]);
    expect(built(() => op.gelu(x))).toMatchObject([{ kind: 'activation', status: 'open' }]);
    expect(built(() => op.layerNormalization(x, weights('s', [8]))[0] ?? x)).toMatchObject([{ kind: 'norm', dim: 8 }]);
    expect(built(() => op.softmax(x))).toMatchObject([{ kind: 'softmax-head', atoms: 8, epsilon: 1 }]);
    // Not the last operator before an output.
    expect(built(() => op.sin(op.softmax(x)))).toEqual([]);
  });

  it('read attention through scales and masks, and its temperature where the graph says it', () => {
    const q = input('q', 'float32', ['batch', 2, 'time', 4]);
    const keys = op.transpose(q, { perm: [0, 1, 3, 2] });
    const scale = (value: number) => constant(fromNumbers('float32', [], [value]));
    const mask = weights('mask', [5, 5]);
    const of = (weighed: ReturnType<typeof op.relu>) =>
      sitesOf(model({ inputs: [q], outputs: { y: op.sin(op.matMul(weighed, q)) } }));
    const z = op.matMul(q, keys);
    expect(of(op.softmax(op.div(z, scale(2))))).toMatchObject([{ kind: 'attention', epsilon: 2, heads: 2, dim: 4 }]);
    expect(of(op.softmax(op.add(op.mul(z, scale(0.5)), mask)))).toMatchObject([{ kind: 'attention', epsilon: 2 }]);
    expect(of(op.softmax(op.add(mask, z)))).toMatchObject([{ kind: 'attention', epsilon: 1 }]);
    expect(of(op.softmax(op.matMul(op.mul(q, scale(0.5)), keys)))).toMatchObject([{ epsilon: 2 }]);
    const computed = op.sqrt(op.cast(op.squeeze(op.shape(q, { start: 3, end: 4 })), { to: 'float32' }));
    expect(of(op.softmax(op.div(z, computed)))).toMatchObject([{ kind: 'attention', epsilon: null }]);
    // Weights that do not come from a product of queries and keys.
    expect(of(op.softmax(weights('z', [5, 5])))).toEqual([]);
  });

  it('of ours have the kinds they had', () => {
    const q = input('q', 'float32', ['batch', 2, 'time', 4]);
    const epsilon = constant(fromNumbers('float32', [], [2]));
    const made = model({ inputs: [q], outputs: { y: gibbsAttention(q, q, q, epsilon) } });
    expect(sitesOf(made)).toMatchObject([
      {
        kind: 'attention',
        status: 'exact',
        epsilon: 2,
        dim: 4,
        heads: 2,
        equation: expect.stringContaining('/2)') as string,
      },
    ]);
  });
});

describe.skipIf(!hasPython)("files of PyTorch's exporters", () => {
  const folder = mkdtempSync(join(tmpdir(), 'hopfcole-torch-'));
  beforeAll(() => {
    pythonFile(join(import.meta.dirname, 'sites.py'), [folder]);
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const blocks = ['blocks.0 residual', 'blocks.1 residual', 'blocks.2 residual'];

  it.each<[string, string[]]>([
    ['residual.traced', ['/Relu relu', ...blocks, '/Softmax softmax-head']],
    ['residual.dynamo', ['node_relu relu', ...blocks, 'node_softmax softmax-head']],
    ['attention.traced', ['norm norm', '/MatMul_1 attention']],
    ['attention.dynamo', ['norm norm', 'node_scaled_dot_product_attention attention']],
    ['recurrent.traced', ['lstm lstm', 'gru gru', 'rnn rnn']],
    // What dynamo unrolls it leaves no trace of.
    ['recurrent.dynamo', ['lstm lstm', 'gru gru']],
    ['picture.traced', ['pool max', '/Softplus softplus', '/ReduceLogSumExp lse']],
    ['picture.dynamo', ['node_gelu activation', 'pool max', 'n3 softplus', 'node_logsumexp lse']],
  ])('%s: sites under their modules, which hold', async (name, expected) => {
    const path = join(folder, `${name}.onnx`);
    const made = await fromProto(await readModel(await openFile(path)), fileFolder(folder));
    expect(shown(made)).toEqual(expected);
    expect(failing(await verifyModel(made, open))).toEqual([]);
  });
});
