import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { programConstants } from '../../src/costate/parameters/constants.ts';
import { laidOut } from '../../src/costate/parameters/layout.ts';
import { untangled } from '../../src/costate/parameters/untangle.ts';
import { fromNumbers, type Tensor, toNumbers } from '../../src/files/tensor.ts';
import type { Model } from '../../src/graph/graph.ts';
import { input, parameter } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import { remake } from '../../src/graph/passes/rewrite.ts';
import type { Value } from '../../src/graph/value.ts';
import { fromProto } from '../../src/graph/wire/read.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { normal } from '../ops/run.ts';

function transposed(tensor: Tensor): Tensor {
  const [rows = 0, columns = 0] = tensor.shape;
  const values = toNumbers(tensor);
  return fromNumbers(
    'float32',
    [columns, rows],
    Array.from({ length: rows * columns }, (_, i) => values[(i % rows) * columns + Math.floor(i / rows)] ?? 0),
  );
}

function node(value: Value, name: string, metadata: Readonly<Record<string, string>> = {}, output?: string): Value {
  if (value.source.kind !== 'output') throw new Error('not a node');
  const made = remake(value.source.node, { name, metadata: new Map(Object.entries(metadata)), outputNames: [output] });
  return made.outputs[value.source.index] ?? value;
}

const call = (text: string) => ({ 'pkg.torch.onnx.fx_node': text });
const words = normal('float32', [7, 4], 1);
const ones = fromNumbers('float32', [4], [1, 1, 1, 1]);

const parametersOf = ({ graph }: Model): string[] => graph.parameters.map(({ name }) => name ?? '').sort();
const operatorsOf = ({ graph }: Model): string[] => graph.nodes.map(({ opType }) => opType);

/** As the TorchScript exporter writes an embedding tied to the output layer, and two norms of equal weights. */
async function script(): Promise<Model> {
  const ids = input('ids', 'int64', ['n']);
  const token = parameter('token.weight', words);
  const n1 = parameter('n1.weight', ones);
  const n2 = node(op.identity(n1), 'Identity_3', {}, 'n2.weight');
  const h = op.mul(op.mul(node(op.gather(token, ids), '/token/Gather'), n1), n2);
  const y = node(op.matMul(h, parameter('onnx::MatMul_9', transposed(words))), '/head/MatMul');
  const made = model({ inputs: [ids], outputs: { y }, producer: { name: 'pytorch', version: '2' } });
  return await fromProto(toProto(made));
}

/** The same network as the exporter of torch.export writes it. */
async function dynamo(): Promise<Model> {
  const ids = input('ids', 'int64', ['n']);
  const token = parameter('token.weight', words);
  const n1 = parameter('n1.weight', ones);
  const gathered = node(
    op.gather(token, ids),
    'node_embedding',
    call('%embedding = aten.embedding(%p_token_weight, %ids)'),
  );
  const one = node(op.mul(gathered, n1), 'node_mul', call('%mul = aten.mul(%embedding, %p_n1_weight)'));
  const two = node(op.mul(one, n1), 'node_mul_1', call('%mul_1 = aten.mul(%mul, %p_n2_weight)'));
  const head = parameter('val_70', transposed(words));
  const y = node(op.matMul(two, head), 'node_linear', call('%linear = aten.linear(%mul_1, %p_token_weight)'));
  const proto = toProto(model({ inputs: [ids], outputs: { y }, producer: { name: 'pytorch', version: '2' } }));
  const signature = ['token.weight', 'n1.weight', 'n2.weight']
    .map((name) => `p_${name.replace('.', '_')}: PARAMETER target='${name}'`)
    .join('\n');
  const { graph } = proto;
  if (!graph) throw new Error('no graph');
  graph.metadataProps = [{ key: 'pkg.torch.export.ExportedProgram.graph_signature', value: signature }];
  const told = [{ key: 'pkg.onnxscript.optimizer.folded_from', value: "['token.weight']" }];
  graph.valueInfo = [...(graph.valueInfo ?? []), { name: 'val_70', metadataProps: told }];
  return await fromProto(proto);
}

describe('parameters that an exporter merged or copied', () => {
  it.each([
    ['TorchScript', script],
    ['torch.export', dynamo],
  ])('are those of the network again in a file of the %s exporter', async (_, make) => {
    const { model: made, changed } = untangled(await make());
    expect(changed).toEqual([]);
    expect(parametersOf(made)).toEqual(['n1.weight', 'n2.weight', 'token.weight']);
    expect(operatorsOf(made).filter((name) => name === 'Transpose')).toHaveLength(1);
    expect(operatorsOf(made)).not.toContain('Identity');
  });

  it('are told where they cannot be taken apart', async () => {
    const x = input('x', 'float32', [4]);
    const bias = parameter('a.bias', ones);
    const one = node(op.add(x, bias), 'node_add', call('%add = aten.add(%x, %p_b_weight, %p_c_weight)'));
    const proto = toProto(model({ inputs: [x], outputs: { y: one }, producer: { name: 'pytorch', version: '2' } }));
    const signature = ['a.bias', 'b.weight', 'c.weight']
      .map((name) => `p_${name.replace('.', '_')}: PARAMETER target='${name}'`)
      .join('\n');
    if (proto.graph)
      proto.graph.metadataProps = [{ key: 'pkg.torch.export.ExportedProgram.graph_signature', value: signature }];
    const { changed } = untangled(await fromProto(proto));
    expect(changed).toMatchObject([{ name: 'a.bias', why: expect.stringContaining('node_add') as string }]);
  });

  it.each<[string, (p: number) => number, boolean]>([
    ['1 - p', (p) => 1 - p, true],
    ['-3 p', (p) => -3 * p, true],
    ['sin(p)', Math.sin, false],
  ])('are told where TorchScript computed %s of one at export', async (_, made, lost) => {
    const x = input('x', 'float32', ['n', 6]);
    const mix = normal('float32', [6], 3);
    const other = parameter('onnx::Mul_12', fromNumbers('float32', [6], Array.from(toNumbers(mix), made)));
    const y = op.add(op.mul(x, parameter('mix', mix)), op.mul(op.neg(x), other));
    const read = await fromProto(
      toProto(model({ inputs: [x], outputs: { y }, producer: { name: 'pytorch', version: '2' } })),
    );
    expect(untangled(read).changed.map(({ name }) => name)).toEqual(lost ? ['mix'] : []);
  });

  it('are left alone in files of others', async () => {
    const read = await script();
    const others = { ...read, producer: { name: 'someone', version: '' } };
    expect(untangled(others).model.graph).toBe(others.graph);
  });
});

it('numbers of the program are no parameters', async () => {
  const read = await dynamo();
  expect([...programConstants(read)]).toEqual([]);
  const two = parameter('val_2', fromNumbers('float32', [], [2]));
  const more = { ...read, graph: { ...read.graph, parameters: [...read.graph.parameters, two] } };
  expect([...programConstants(more)]).toEqual(['val_2']);
  expect([...programConstants({ ...more, graph: { ...more.graph, metadata: new Map() } })]).toEqual([]);
});

describe('laidOut', () => {
  const shapes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 });
  it('finds every transposition', () => {
    fc.assert(
      fc.property(
        shapes.chain((shape) =>
          fc.tuple(fc.constant(shape), fc.shuffledSubarray([...shape.keys()], { minLength: shape.length })),
        ),
        ([shape, perm]) => {
          const count = shape.reduce((a, b) => a * b, 1);
          const from = fromNumbers(
            'float32',
            shape,
            Array.from({ length: count }, (_, i) => i + 1),
          );
          const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
          const to = perm.map((axis) => shape[axis] ?? 1);
          const values = Array.from({ length: count }, (_, flat) => {
            let rest = flat;
            let at = 0;
            for (let axis = to.length - 1; axis >= 0; axis--) {
              at += (rest % (to[axis] ?? 1)) * (strides[perm[axis] ?? 0] ?? 0);
              rest = Math.floor(rest / (to[axis] ?? 1));
            }
            return at + 1;
          });
          expect(laidOut(from, fromNumbers('float32', to, values))).toBeDefined();
          const wrong = values.map((value, i) => (i === 0 ? value + 0.5 : value));
          expect(laidOut(from, fromNumbers('float32', to, wrong))).toBeUndefined();
        },
      ),
    );
  });

  it('finds reshapes and broadcasts', () => {
    const row = fromNumbers('float32', [3], [1, 2, 3]);
    expect(laidOut(row, fromNumbers('float32', [1, 3, 1], [1, 2, 3]))).toEqual({ kind: 'reshape' });
    expect(laidOut(row, fromNumbers('float32', [2, 3], [1, 2, 3, 1, 2, 3]))).toEqual({ kind: 'expand' });
    expect(laidOut(row, fromNumbers('float32', [2, 3], [1, 2, 3, 1, 2, 4]))).toBeUndefined();
    expect(laidOut(row, row)).toEqual({ kind: 'same' });
  });
});
