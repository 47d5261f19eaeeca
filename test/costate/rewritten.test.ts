import { describe, expect, it } from 'vitest';
import { costate } from '../../src/costate/costate.ts';
import { changedFrom } from '../../src/costate/parameters/compare.ts';
import { HopfcoleError } from '../../src/files/error.ts';
import { type AnyTensor, fromNumbers } from '../../src/files/tensor.ts';
import type { Model } from '../../src/graph/graph.ts';
import { input, parameter } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import { remake } from '../../src/graph/passes/rewrite.ts';
import { fromProto } from '../../src/graph/wire/read.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { normal } from '../ops/run.ts';

const rule = { 'pkg.onnxscript.rewriter.rule_name': 'FuseBatchNormIntoConv, RemoveOptionalBiasFromConv' };
const placeholder = 'pkg.torch.onnx.original_node_name';
const tensors = {
  '0.weight': normal('float32', [4, 3], 1),
  '0.bias': normal('float32', [4], 2),
  '2.weight': normal('float32', [4, 4], 3),
};

/** As torch.export's exporter writes linear layers, a batch normalization folded into the first; with what tells of it, or without. */
async function exported(tells: 'note' | 'call' | 'placeholder' | 'nothing'): Promise<Model> {
  const x = input('x', 'float32', ['n', 3]);
  const [w0, b0, w2] = Object.entries(tensors).map(([name, tensor]) => parameter(name, tensor));
  if (w0 === undefined || b0 === undefined || w2 === undefined) throw new Error('three parameters');
  const first = op.gemm(x, w0, b0, { transB: 1 });
  if (first.source.kind !== 'output') throw new Error('not a node');
  const call =
    tells === 'call'
      ? '%batch_norm = call_function[target=torch.ops.aten.batch_norm.default](args = (%linear, %p_1_weight, %p_1_bias))'
      : '%linear = call_function[target=torch.ops.aten.linear.default](args = (%x, %p_0_weight, %p_0_bias))';
  const metadata = new Map(Object.entries({ ...(tells === 'note' ? rule : {}), 'pkg.torch.onnx.fx_node': call }));
  const [h = first] = remake(first.source.node, { name: 'fused', metadata }).outputs;
  const y = op.matMul(op.mul(h, h), w2);
  const made = model({ inputs: [x], outputs: { y }, producer: { name: 'pytorch', version: '2' } });
  const signature = ['0.weight', '0.bias', ...(tells === 'call' ? ['1.weight', '1.bias'] : []), '2.weight']
    .map((name) => `p_${name.replace('.', '_')}: PARAMETER target='${name}'`)
    .join('\n');
  const key = 'pkg.torch.export.ExportedProgram.graph_signature';
  const proto = toProto({ ...made, graph: { ...made.graph, metadata: new Map([[key, signature]]) } });
  const valueInfo = Object.keys(tensors).map((name) => ({
    name,
    metadataProps: name === '2.weight' ? [{ key: placeholder, value: 'p_2_weight' }] : [],
  }));
  return await fromProto({ ...proto, graph: { ...proto.graph, valueInfo: tells === 'placeholder' ? valueInfo : [] } });
}

const wrtOf = (made: Model, wrt: string) => costate(made, { wrt: [wrt] }).gradients.map((one) => one.wrt);

describe('parameters that an exporter changed under their names', () => {
  it.each(['note', 'call', 'placeholder'] as const)('are told by the %s, and get no co-state', async (what) => {
    const made = await exported(what);
    const { gradients, changed } = costate(made, { wrt: ['parameters'] });
    expect(changed.map(({ name }) => name).sort()).toEqual(['0.bias', '0.weight']);
    expect(gradients.map(({ wrt }) => wrt)).toEqual(['2.weight']);
    const refused = () => costate(made, { wrt: ['0.weight'] });
    expect(refused).toThrow(HopfcoleError);
    expect(refused).toThrow(/0\.weight.*exporter/);
  });

  it('are told by nothing where the file says nothing, but by the checkpoint', async () => {
    const made = await exported('nothing');
    expect(wrtOf(made, 'parameters')).toContain('2.weight');
    const original = {
      ...tensors,
      '0.weight': normal('float32', [4, 3], 9),
      '0.bias': fromNumbers('float32', [5], [1, 2, 3, 4, 5]),
    };
    const weights = new Map<string, AnyTensor>(Object.entries(original));
    const changed = await changedFrom(made, weights);
    expect(changed).toEqual([
      { name: '0.weight', why: "its numbers are not the checkpoint's" },
      { name: '0.bias', why: 'its shape is [4], in the checkpoint [5]' },
    ]);
    expect(costate(made, { wrt: ['all'], changed }).gradients.map(({ wrt }) => wrt)).toEqual(['x', '2.weight']);
  });

  it('are compared through a wrapping module, in the element type of the model', async () => {
    const made = await exported('nothing');
    const double = Object.entries(tensors).map(
      ([name, { shape, bytes }]) =>
        [
          `module.${name}`,
          fromNumbers('float64', shape, new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)),
        ] as const,
    );
    expect(await changedFrom(made, new Map<string, AnyTensor>(double))).toEqual([]);
  });

  it('cannot be compared with a checkpoint of something else', async () => {
    const made = await exported('nothing');
    const other = new Map<string, AnyTensor>([['encoder.weight', normal('float32', [2], 1)]]);
    await expect(changedFrom(made, other)).rejects.toThrow(/'encoder\.weight', the model '0\.weight'/);
  });
});
