import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HopfcoleError } from '../../src/files/error.ts';
import { memorySink } from '../../src/files/sink.ts';
import { memorySource } from '../../src/files/source.ts';
import { fromNumbers, isStored, toNumbers } from '../../src/files/tensor.ts';
import { constant, input, parameter } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import { toLong } from '../../src/graph/wire/integers.ts';
import { fromProto } from '../../src/graph/wire/read.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import type { ModelInit, onnx } from '../../src/onnx/messages.ts';
import { readModel } from '../../src/onnx/read.ts';
import { encodeModel, writeModel } from '../../src/onnx/write.ts';
import { type CorpusRecord, readRecords, writeRecords } from '../onnx/records.ts';
import { hasPython, pythonFile } from '../support/python.ts';
import { bytesOf } from './judge.ts';

const read = async (bytes: Uint8Array, name = 'model') => fromProto(await readModel(memorySource(bytes, name)));

describe.skipIf(!hasPython)('a model that was read', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hopfcole-graph-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const corpus = join(import.meta.dirname, '../onnx/corpus.py');

  async function throughGraph(records: readonly CorpusRecord[]): Promise<CorpusRecord[]> {
    const ours: CorpusRecord[] = [];
    for (const record of records) ours.push({ ...record, bytes: bytesOf(await read(record.bytes, record.name)) });
    return ours;
  }

  const theirs = join(folder, 'theirs.bin');
  let models: CorpusRecord[] = [];
  beforeAll(() => {
    pythonFile(corpus, ['dump', theirs]);
    models = readRecords(theirs).filter(({ kind }) => kind === 'M');
    writeRecords(theirs, models);
  });

  it('is written back equal by Python, the whole backend corpus', { timeout: 300_000 }, async () => {
    const ours = join(folder, 'ours.bin');
    expect(models.length).toBeGreaterThan(1900);
    writeRecords(ours, await throughGraph(models));
    expect(pythonFile(corpus, ['compare', theirs, ours])).toMatch(/^\d+ compared, 0 differ/);
  });

  it('is written back equal with everything a message can hold', async () => {
    const [theirs, ours] = [join(folder, 'odd.bin'), join(folder, 'odd-ours.bin')];
    pythonFile(join(import.meta.dirname, 'odd_models.py'), [theirs]);
    const models = readRecords(theirs);
    const written = await throughGraph(models);
    writeRecords(ours, written);
    expect(pythonFile(corpus, ['compare', theirs, ours])).toMatch(/^13 compared, 0 differ/);
    for (const { name, bytes } of models) {
      const again = written.find((record) => record.name === name);
      expect(Buffer.compare(bytes, again?.bytes ?? new Uint8Array(0)), name).toBe(0);
    }
  });

  it('has what the file says, as the IR says it', async () => {
    const path = join(folder, 'odd.bin');
    pythonFile(join(import.meta.dirname, 'odd_models.py'), [path]);
    const models = new Map(readRecords(path).map(({ name, bytes }) => [name, bytes]));
    const named = (name: string) => read(models.get(name) ?? new Uint8Array(0), name);
    const documented = await named('documented');
    expect(documented.modelVersion).toBe(2n ** 60n);
    expect(documented.graph.nodes[0]).toMatchObject({ name: 'r', doc: 'a relu', metadata: new Map([['k', 'v']]) });
    const weights = await named('initializers');
    expect(weights.graph.inputs.map(({ name }) => name)).toEqual(['x']);
    expect(weights.graph.parameters.map(({ name, source }) => [name, 'overridable' in source])).toEqual([
      ['dead', false],
      ['w', true],
      ['t', false],
    ]);
    expect(weights.graph.nodes).toHaveLength(4);
    const half = weights.graph.parameters[2]?.source;
    expect(half?.kind === 'parameter' && 'bytes' in half.tensor && [...toNumbers(half.tensor)]).toEqual([1.5, -2]);
    const sparse = (await named('sparse')).graph.parameters[0]?.source;
    expect(sparse?.kind === 'parameter' && 'bytes' in sparse.tensor && [...toNumbers(sparse.tensor)]).toEqual([
      0, 3, 4, 0,
    ]);
    const functions = await named('functions');
    expect(functions.graph.nodes[0]?.callee).toBe(functions.functions[0]);
    expect(functions.functions[0]?.body.nodes[1]?.callee).toBe(functions.functions[1]);
    expect(functions.graph.outputs[0]?.value.dtype).toBe('float32');
    const spelled = await named('spelled');
    expect([spelled.opsets.get(''), spelled.graph.nodes[0]?.domain]).toEqual([21, '']);
    const old = await named('old');
    expect(old.graph.nodes.map(({ version }) => version)).toEqual([1, 1]);
    const typeless = await named('typeless');
    expect(typeless.graph.nodes.at(-1)?.attributes.get('alpha')).toEqual({ kind: 'float', value: 0.5 });
    const siblings = await named('siblings');
    for (const node of siblings.graph.nodes)
      for (const attribute of node.attributes.values())
        expect(attribute.kind === 'graph' && attribute.value.nodes[0]?.inputs[0]).toBe(siblings.graph.inputs[1]);
  });
});

function proto(nodes: onnx.NodeProto.$Properties[], more: onnx.GraphProto.$Properties = {}): ModelInit {
  const graph = { name: 'g', input: [{ name: 'x' }], output: [{ name: 'y' }], node: nodes, ...more };
  return { irVersion: toLong(10), opsetImport: [{ domain: '', version: toLong(21) }], graph };
}

const relu = (from: string, to: string) => ({ opType: 'Relu', input: [from], output: [to] });

describe('a broken model', () => {
  async function errorOf(broken: ModelInit): Promise<HopfcoleError> {
    try {
      await fromProto(broken);
    } catch (error) {
      if (error instanceof HopfcoleError) return error;
      throw error;
    }
    throw new Error('expected an error');
  }

  it.each<[string, string, ModelInit]>([
    ['no graph', 'NOT_ONNX', { irVersion: toLong(10) }],
    ['a name that nothing defines', 'UNDEFINED_NAME', proto([relu('nowhere', 'y')])],
    ['an output that nothing defines', 'UNDEFINED_NAME', proto([relu('x', 'z')])],
    ['nodes out of order', 'UNSORTED_NODES', proto([relu('h', 'y'), relu('x', 'h')])],
    ['a cycle', 'GRAPH_CYCLE', proto([relu('b', 'a'), relu('a', 'b'), relu('b', 'y')])],
    ['a node that needs itself', 'GRAPH_CYCLE', proto([relu('y', 'y')])],
    ['one name twice', 'DUPLICATE_NAME', proto([relu('x', 'y'), relu('x', 'y')])],
    ['an output named as an input', 'DUPLICATE_NAME', proto([relu('x', 'x'), relu('x', 'y')])],
    ['an input twice', 'DUPLICATE_NAME', proto([relu('x', 'y')], { input: [{ name: 'x' }, { name: 'x' }] })],
    [
      'a function twice',
      'DUPLICATE_FUNCTION',
      { ...proto([relu('x', 'y')]), functions: [0, 1].map(() => ({ name: 'F', domain: 'd', output: [] })) },
    ],
    [
      'an attribute twice',
      'DUPLICATE_NAME',
      proto([
        {
          ...relu('x', 'y'),
          attribute: [
            { name: 'a', type: 1 },
            { name: 'a', type: 1 },
          ],
        },
      ]),
    ],
    [
      'a graph attribute with no graph',
      'BAD_ATTRIBUTE',
      proto([{ ...relu('x', 'y'), attribute: [{ name: 'a', type: 5 }] }]),
    ],
    [
      'a subgraph that uses a value from beside it',
      'UNDEFINED_NAME',
      proto([
        {
          opType: 'If',
          input: ['x'],
          output: ['y'],
          attribute: ['then_branch', 'else_branch'].map((name, i) => ({
            name,
            type: 5,
            g: {
              name,
              node: [relu(i === 0 ? 'x' : 'inner', i === 0 ? 'inner' : 'o')],
              output: [{ name: i === 0 ? 'inner' : 'o' }],
            },
          })),
        },
      ]),
    ],
    [
      'a tensor of the wrong length',
      'BAD_TENSOR',
      proto([relu('x', 'y')], { initializer: [{ name: 'w', dims: [], dataType: 1, rawData: new Uint8Array(3) }] }),
    ],
  ])('with %s is an error', async (_, code, broken) => {
    const error = await errorOf(broken);
    expect(error.code).toBe(code);
    expect(error.line()).not.toContain('\n');
  });

  it('whose functions call themselves is an error, however long the chain', async () => {
    const chain = (count: number, last: string) =>
      Array.from({ length: count }, (_, i) => ({
        name: `F${i}`,
        domain: 'd',
        input: ['a'],
        output: ['b'],
        node: [
          {
            opType: i + 1 < count ? `F${i + 1}` : last,
            domain: i + 1 < count || last === 'F0' ? 'd' : '',
            input: ['a'],
            output: ['b'],
          },
        ],
        opsetImport: [{ domain: '', version: toLong(21) }],
      }));
    const call = { opType: 'F0', domain: 'd', input: ['x'], output: ['y'] };
    const made = (functions: onnx.FunctionProto.$Properties[]) => ({ ...proto([call]), functions });
    expect((await errorOf(made(chain(5000, 'F0')))).code).toBe('RECURSIVE_FUNCTION');
    expect((await fromProto(made(chain(5000, 'Relu')))).functions).toHaveLength(5000);
  });

  it('that only inference finds wrong is read, with the problem told', async () => {
    const wrong = proto([{ opType: 'MatMul', input: ['x', 'x'], output: ['y'] }], {
      input: [
        {
          name: 'x',
          type: { tensorType: { elemType: 1, shape: { dim: [2, 3].map((size) => ({ dimValue: toLong(size) })) } } },
        },
      ],
    });
    const { problems = [], graph } = await fromProto(wrong);
    expect(graph.nodes).toHaveLength(1);
    expect(problems.map(({ where }) => where.operator)).toEqual(['MatMul']);
  });
});

describe('reading and writing', () => {
  it('is linear in the number of nodes', async () => {
    const x = input('x', 'float32', ['n', 4]);
    const w = parameter('w', fromNumbers('float32', [4], [1, 2, 3, 4]));
    let y = x;
    for (let i = 0; i < 20_000; i++) y = op.relu(op.add(y, w));
    const bytes = bytesOf(model({ inputs: [x], outputs: { y } }));
    const start = performance.now();
    const again = await read(bytes);
    expect(again.graph.nodes).toHaveLength(40_000);
    expect(again.graph.outputs[0]?.value.shape).toEqual(['n', 4]);
    expect(Buffer.compare(bytesOf(again), bytes)).toBe(0);
    expect(performance.now() - start).toBeLessThan(30_000);
  });

  it('leaves weights where they are', async () => {
    const x = input('x', 'float32', ['n', 4]);
    const w = parameter('w', fromNumbers('float32', [4, 40_000], new Float32Array(160_000)));
    const bytes = bytesOf(model({ inputs: [x], outputs: { y: op.matMul(x, w) } }));
    const { source } = (await read(bytes)).graph.parameters[0] ?? x;
    expect(source.kind === 'parameter' && 'bytes' in source.tensor && source.tensor.bytes.buffer === bytes.buffer).toBe(
      true,
    );
  });

  it('leaves weights in their file, and writes them from there, renamed or not', async () => {
    const x = input('x', 'float32', ['n', 4]);
    const w = parameter('w', fromNumbers('float32', [4, 4], new Float32Array(16).fill(2)));
    const bytes = bytesOf(model({ inputs: [x], outputs: { y: op.matMul(x, w) } }));
    const again = await fromProto(await readModel(memorySource(bytes), { keepFrom: 16 }));
    const [stored] = again.graph.parameters;
    const { source } = stored ?? x;
    if (source.kind !== 'parameter') throw new Error('expected a parameter');
    expect(isStored(source.tensor)).toBe(true);
    const sink = memorySink();
    await writeModel(toProto(again), sink);
    expect(Buffer.compare(sink.bytes(), bytes)).toBe(0);
    const moved = memorySink();
    await writeModel(
      toProto(model({ inputs: [x], outputs: { y: op.matMul(x, parameter('v', source.tensor)) } })),
      moved,
    );
    const weight = (await read(moved.bytes())).graph.parameters[0];
    expect([weight?.name, weight?.source.kind === 'parameter' && source.tensor.shape]).toEqual(['v', [4, 4]]);
    const tensor = weight?.source.kind === 'parameter' ? weight.source.tensor : undefined;
    expect(tensor !== undefined && 'bytes' in tensor && [...toNumbers(tensor)]).toEqual(new Array(16).fill(2));
  });

  it('drops what a changed graph no longer holds to', async () => {
    const x = input('x', 'float32', ['n', 2]);
    const h = op.relu(x);
    const message = toProto(model({ inputs: [x], outputs: { y: op.neg(h) } }));
    message.graph = { ...message.graph, valueInfo: [{ name: 'relu_0', type: { tensorType: { elemType: 1 } } }] };
    const before = await fromProto(message);
    expect(toProto(before).graph?.valueInfo).toHaveLength(1);
    const [relu] = before.graph.nodes;
    const changed = { ...before, graph: { ...before.graph, nodes: relu === undefined ? [] : [relu], outputs: [] } };
    expect(toProto(changed).graph?.valueInfo).toHaveLength(1);
    const input0 = before.graph.inputs[0] ?? x;
    const bare = { ...before.graph, nodes: [], outputs: [{ name: 'y', value: input0 }] };
    expect(toProto({ ...before, graph: bare }).graph?.valueInfo).toHaveLength(0);
    expect(toProto({ ...before, graph: bare }).graph?.node?.map(({ opType }) => opType)).toEqual(['Identity']);
  });

  it('believes a free axis of the inputs rather than the size of the example declared for it further in', async () => {
    const x = input('x', 'float32', ['n', 2]);
    const message = toProto(model({ inputs: [x], outputs: { y: op.neg(op.relu(x)) } }));
    const dim = [{ dimValue: toLong(5) }, { dimValue: toLong(2) }];
    const type = { tensorType: { elemType: 1, shape: { dim } } };
    message.graph = { ...message.graph, valueInfo: [{ name: 'relu_0', type }] };
    const { graph } = await fromProto(message);
    expect(graph.nodes.map(({ outputs }) => outputs[0]?.shape)).toEqual([
      ['n', 2],
      ['n', 2],
    ]);
  });

  it('renames what would collide', async () => {
    const x = input('x', 'float32', [2]);
    const once = await fromProto(toProto(model({ inputs: [x], outputs: { y: op.relu(op.add(x, constant(1))) } })));
    const [add, last] = once.graph.nodes;
    const value = last?.outputs[0];
    if (add === undefined || last === undefined || value === undefined) throw new Error('expected two nodes');
    const twice = op.neg(value);
    const graph = {
      ...once.graph,
      nodes: [add, last, ...(twice.source.kind === 'output' ? [twice.source.node] : [])],
      outputs: [{ name: 'y', value: twice }],
    };
    const written = toProto({ ...once, graph }).graph;
    const outputs = written?.node?.flatMap(({ output }) => output ?? []) ?? [];
    expect(new Set(outputs).size).toBe(outputs.length);
    expect(outputs.at(-1)).toBe('y');
    expect(encodeModel(toProto({ ...once, graph })).byteLength).toBeGreaterThan(0);
  });
});
