import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { fromNumbers } from '../../src/files/tensor.ts';
import * as op13 from '../../src/graph/generated/opset13.ts';
import type { Model } from '../../src/graph/graph.ts';
import { constant, input, parameter } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import { moduleKey } from '../../src/graph/module-path.ts';
import * as op from '../../src/graph/op.ts';
import { holdsAll, mergeCasts } from '../../src/graph/passes/clean/casts.ts';
import { cleanModel, countNodes } from '../../src/graph/passes/clean/clean.ts';
import { constantsToInitializers } from '../../src/graph/passes/clean/constants.ts';
import { shareInitializers } from '../../src/graph/passes/clean/duplicates.ts';
import { withFixedInputs, withInputShapes } from '../../src/graph/passes/clean/inputs.ts';
import { mergeMoves } from '../../src/graph/passes/clean/moves.ts';
import { removeNoOps } from '../../src/graph/passes/clean/no-ops.ts';
import { dropUnusedOutputs } from '../../src/graph/passes/clean/outputs.ts';
import type { Pass } from '../../src/graph/passes/clean/program.ts';
import { nameScopes } from '../../src/graph/passes/clean/scopes.ts';
import { fixTargets } from '../../src/graph/passes/clean/shapes.ts';
import { removeDead } from '../../src/graph/passes/dead.ts';
import { foldConstants } from '../../src/graph/passes/fold/fold.ts';
import { remake, rewriteGraph } from '../../src/graph/passes/rewrite.ts';
import { listedConstants } from '../../src/graph/program-constants.ts';
import { validate } from '../../src/graph/validate/validate.ts';
import type { Value } from '../../src/graph/value.ts';
import { everyNode } from '../../src/graph/walk.ts';
import { fromProto } from '../../src/graph/wire/read.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { cleanExport } from '../../src/torch/onnx/clean.ts';
import { hasPython } from '../support/python.ts';
import { errorCode, type Feed, judged } from './judge.ts';
import { modelOf, steps } from './random-models.ts';

const ints = (...values: number[]): Value => constant(fromNumbers('int64', [values.length], values));
const x = (shape: readonly (number | string)[] = [2, 3]): Value => input('x', 'float32', shape);
const weight = (name: string, ...values: number[]): Value =>
  parameter(name, fromNumbers('float32', [values.length], values));
const of = (inputs: readonly Value[], y: Value, opset = 21): Model => model({ inputs, outputs: { y }, opset });
const operators = (one: Model): string[] => [...everyNode(one.graph)].map(({ opType }) => opType);
const feed: Feed = { dtype: 'float32', shape: [2, 3], data: [1, -2, 3, 0.5, -0.25, 7] };

/** Passes by themselves: what is there before, and which operators are after (and nothing that is dead). */
interface Case {
  readonly what: string;
  readonly pass: Pass;
  readonly build: (x: Value) => Value;
  readonly left: readonly string[];
  readonly shape?: readonly (number | string)[];
}

const cases: readonly Case[] = [
  { what: 'Identity', pass: removeNoOps, build: (v) => op.relu(op.identity(v)), left: ['Relu'] },
  { what: 'Dropout that does not train', pass: removeNoOps, build: (v) => op.relu(op.dropout(v)[0]), left: ['Relu'] },
  {
    what: 'Dropout that is told not to train',
    pass: removeNoOps,
    build: (v) => op.relu(op.dropout(v, constant(0.5), constant(false))[0]),
    left: ['Relu'],
  },
  {
    what: 'Dropout whose mask is read',
    pass: removeNoOps,
    build: (v) => {
      const [y, mask] = op.dropout(v);
      return op.where(mask as Value, y, op.neg(y));
    },
    left: ['Dropout', 'Neg', 'Where'],
  },
  {
    what: 'Cast to the type it has',
    pass: removeNoOps,
    build: (v) => op.relu(op.cast(v, { to: 'float32' })),
    left: ['Relu'],
  },
  {
    what: 'Transpose in order',
    pass: removeNoOps,
    build: (v) => op.relu(op.transpose(v, { perm: [0, 1] })),
    left: ['Relu'],
  },
  {
    what: 'Transpose that moves',
    pass: removeNoOps,
    build: (v) => op.transpose(v, { perm: [1, 0] }),
    left: ['Transpose'],
  },
  {
    what: 'Reshape to its own shape',
    pass: removeNoOps,
    build: (v) => op.relu(op.reshape(v, ints(2, -1))),
    left: ['Relu'],
  },
  { what: 'Reshape with a zero', pass: removeNoOps, build: (v) => op.relu(op.reshape(v, ints(0, 3))), left: ['Relu'] },
  { what: 'Reshape to another', pass: removeNoOps, build: (v) => op.reshape(v, ints(3, 2)), left: ['Reshape'] },
  { what: 'Expand to what it is', pass: removeNoOps, build: (v) => op.relu(op.expand(v, ints(1, 3))), left: ['Relu'] },
  { what: 'Expand to more', pass: removeNoOps, build: (v) => op.expand(v, ints(2, 2, 3)), left: ['Expand'] },
  {
    what: 'Slice of everything',
    pass: removeNoOps,
    build: (v) => op.relu(op.slice(v, ints(0), ints(Number.MAX_SAFE_INTEGER), ints(1))),
    left: ['Relu'],
  },
  { what: 'Slice of a part', pass: removeNoOps, build: (v) => op.slice(v, ints(0), ints(2), ints(1)), left: ['Slice'] },
  {
    what: 'Slice backwards',
    pass: removeNoOps,
    build: (v) => op.slice(v, ints(-1), ints(-9), ints(1), ints(-1)),
    left: ['Slice'],
  },
  { what: 'Pad by nothing', pass: removeNoOps, build: (v) => op.relu(op.pad(v, ints(0, 0, 0, 0))), left: ['Relu'] },
  { what: 'Concat of one', pass: removeNoOps, build: (v) => op.relu(op.concat([v], { axis: 0 })), left: ['Relu'] },
  {
    what: 'a product with one',
    pass: removeNoOps,
    build: (v) => op.relu(op.mul(constant(1), op.div(v, constant(1)))),
    left: ['Relu'],
  },
  {
    what: 'a product with one that broadcasts',
    pass: removeNoOps,
    build: (v) => op.mul(v, constant([[[1]]])),
    left: ['Mul'],
  },
  {
    what: 'a product with a parameter that is one',
    pass: removeNoOps,
    build: (v) => op.mul(v, weight('scale', 1)),
    left: ['Mul'],
  },
  { what: 'a quotient by two', pass: removeNoOps, build: (v) => op.div(v, constant(2)), left: ['Div'] },
  {
    what: 'Cast there and back without loss',
    pass: mergeCasts,
    build: (v) => op.relu(op.cast(op.cast(v, { to: 'float64' }), { to: 'float32' })),
    left: ['Relu'],
  },
  {
    what: 'Cast there and back with loss',
    pass: mergeCasts,
    build: (v) => op.cast(op.cast(v, { to: 'float16' }), { to: 'float32' }),
    left: ['Cast', 'Cast'],
  },
  {
    what: 'Cast of a Cast',
    pass: mergeCasts,
    build: (v) => op.cast(op.cast(op.greater(v, constant(0)), { to: 'int32' }), { to: 'float32' }),
    left: ['Greater', 'Cast'],
  },
  {
    what: 'Transpose and its inverse',
    pass: mergeMoves,
    build: (v) => op.relu(op.transpose(op.transpose(v, { perm: [1, 0] }))),
    left: ['Relu'],
  },
  {
    what: 'Transpose after Transpose',
    pass: mergeMoves,
    build: (v) => op.transpose(op.transpose(op.unsqueeze(v, ints(0)), { perm: [1, 2, 0] }), { perm: [0, 2, 1] }),
    left: ['Unsqueeze', 'Transpose'],
  },
  {
    what: 'Reshape after what only shapes',
    pass: mergeMoves,
    build: (v) => op.reshape(op.unsqueeze(op.reshape(v, ints(3, 2)), ints(0)), ints(-1)),
    left: ['Reshape'],
  },
  {
    what: 'Reshape that copies a dimension of a Reshape',
    pass: mergeMoves,
    build: (v) => op.reshape(op.reshape(v, ints(3, 2)), ints(0, 1, -1)),
    left: ['Reshape', 'Reshape'],
  },
  {
    what: 'Squeeze of an Unsqueeze',
    pass: mergeMoves,
    build: (v) => op.relu(op.squeeze(op.unsqueeze(v, ints(-1)), ints(2))),
    left: ['Relu'],
  },
  {
    what: 'Squeeze of other axes than were added',
    pass: mergeMoves,
    build: (v) => op.squeeze(op.unsqueeze(op.slice(v, ints(0), ints(1), ints(0)), ints(2)), ints(0)),
    left: ['Slice', 'Unsqueeze', 'Squeeze'],
  },
  {
    what: 'a target made of the batch and constants',
    pass: fixTargets,
    build: (v) => {
      const batch = op.gather(op.shape(v), constant([0], 'int64'));
      return op.reshape(v, op.concat([batch, ints(3, 1)], { axis: 0 }));
    },
    left: ['Reshape'],
    shape: ['batch', 3],
  },
  {
    what: 'a target of two unknown dimensions, one in its place',
    pass: fixTargets,
    build: (v) => {
      const shape = op.shape(v);
      const [batch, time] = [op.gather(shape, constant([0], 'int64')), op.gather(shape, constant([1], 'int64'))];
      return op.reshape(v, op.concat([batch, ints(1), time], { axis: 0 }));
    },
    left: ['Reshape'],
    shape: ['batch', 'time'],
  },
  {
    what: 'shape arithmetic of known dimensions',
    pass: (one) => foldConstants(one, { parameters: false }),
    build: (v) => op.reshape(v, op.concat([op.gather(op.shape(v), constant([1], 'int64')), ints(-1)], { axis: 0 })),
    left: ['Reshape'],
  },
];

describe('passes of the cleaning, each by itself', () => {
  const built = cases.map(({ what, pass, build, left, shape }) => {
    const given = x(shape);
    const before = of([given], build(given));
    return { what, before, after: removeDead(pass(before)), left };
  });

  it.each(built)('$what', ({ after, left, before }) => {
    expect(operators(after)).toEqual(left);
    if (left.length === countNodes(before)) expect(after).toBe(before);
  });

  describe.skipIf(!hasPython)('in ONNX Runtime', () => {
    let outputs: ReturnType<typeof judged> = [];
    beforeAll(() => {
      const models = built.flatMap(({ before, after }) => [before, after]);
      outputs = judged(models.map((one) => ({ model: one, feeds: { x: feed } })));
    }, 120_000);

    it.each(built.map(({ what }, index) => [what, index] as const))('%s: the same bits', (_, index) => {
      expect(outputs[2 * index + 1]).toEqual(outputs[2 * index]);
    });
  });

  it('knows which types hold which', () => {
    expect(holdsAll('int8', 'float16')).toBe(false);
    expect(holdsAll('int16', 'float32')).toBe(true);
    expect(holdsAll('int64', 'float64')).toBe(false);
    expect(holdsAll('uint8', 'int16')).toBe(true);
    expect(holdsAll('int8', 'uint64')).toBe(false);
    expect(holdsAll('bfloat16', 'float16')).toBe(false);
    expect(holdsAll('bfloat16', 'float32')).toBe(true);
    expect(holdsAll('float32', 'string')).toBe(false);
  });

  it('takes Constant nodes for initializers of the same name', () => {
    const given = x();
    const before = of([given], op.add(given, op.constant({ valueFloat: 2 })));
    const after = constantsToInitializers(before);
    expect(operators(after)).toEqual(['Add']);
    expect(toProto(after).graph?.initializer).toHaveLength(1);
  });

  it('does not ask for outputs that nothing reads', async () => {
    const given = input('x', 'float32', [1, 1, 4, 4]);
    const [pooled] = op.maxPool(given, { kernelShape: [2, 2] });
    const built = of([given], pooled as Value);
    // As an exporter writes it: every output has a name.
    const asked = rewriteGraph(built.graph, (node) =>
      remake(node, { outputCount: 2, outputNames: ['y', 'indices'], infer: true }).outputs.slice(0, 2),
    );
    const before = await fromProto(toProto({ ...built, graph: asked }));
    expect(toProto(before).graph?.node?.[0]?.output).toEqual(['y', 'indices']);
    expect(toProto(dropUnusedOutputs(before)).graph?.node?.[0]?.output).toEqual(['y']);
  });

  it('holds equal constants once, and parameters apart unless they may be shared', () => {
    const given = x();
    const table = () => constant([1, 2, 3]);
    const y = op.add(op.mul(op.add(given, table()), weight('a', 4, 5, 6)), op.sub(table(), weight('b', 4, 5, 6)));
    const count = (one: Model) => toProto(one).graph?.initializer?.length;
    const before = of([given], y);
    expect([count(before), count(shareInitializers(before))]).toEqual([4, 3]);
    const tied = shareInitializers(before, { parameters: () => true });
    expect([count(tied), tied.graph.parameters.map(({ name }) => name)]).toEqual([2, ['a']]);
  });

  it.each([
    ['/encoder/layer.0/attention/self/MatMul', {}, 'pytorch', 'encoder.layer.0.attention.self'],
    ['node_linear', { 'pkg.torch.onnx.name_scopes': "['', 'enc', 'enc.fc', 'linear']" }, 'pytorch', 'enc.fc'],
    ['sequential/dense/MatMul', {}, 'tf2onnx', 'sequential.dense'],
    ['MatMul_3', {}, 'pytorch', undefined],
  ])('names the module of %s', (name, metadata, producer, path) => {
    const given = x();
    const traced = { ...metadata, 'pkg.torch.onnx.stack_trace': 'File "/home/somebody/net.py"' };
    const built = of([given], op.relu(given));
    const graph = rewriteGraph(
      built.graph,
      (node) => remake(node, { name, metadata: new Map(Object.entries(traced)) }).outputs,
    );
    const [node] = nameScopes({ ...built, graph, producer: { name: producer, version: '' } }).graph.nodes;
    expect(node?.metadata.get(moduleKey)).toBe(path);
    expect(JSON.stringify([...(node?.metadata ?? [])])).not.toContain('somebody');
  });
});

describe('the cleaning as a whole', () => {
  it('leaves nothing behind of what exporters write around one operator', () => {
    const given = x(['batch', 6]);
    const sizes = op13.shape(given);
    const batch = op13.gather(sizes, op13.constant({ valueInt: 0 }));
    const target = op13.concat([op13.unsqueeze(batch, ints(0)), op13.constant({ valueInts: [2, 3] })], { axis: 0 });
    const y = op13.identity(op13.cast(op13.reshape(given, target), { to: 'float32' }));
    const { model: cleaned, steps } = cleanModel(of([given], y, 13));
    expect(operators(cleaned)).toEqual(['Reshape']);
    expect(cleaned.opsets.get('')).toBe(21);
    expect(steps.map(({ pass }) => pass)).toContain('fix targets of Reshape');
    expect(cleanModel(cleaned).model).toBe(cleaned);
  });

  it('never makes a constant much larger than what it is made of', () => {
    const given = input('x', 'float32', [1]);
    const large = op.constantOfShape(ints(512, 512), { value: fromNumbers('float32', [1], [3]) });
    const small = op.constantOfShape(ints(4), { value: fromNumbers('float32', [1], [3]) });
    const { model: cleaned } = cleanModel(
      of([given], op.mul(op.add(given, large), op.reduceSum(op.add(small, given)))),
    );
    expect(operators(cleaned).filter((type) => type === 'ConstantOfShape')).toHaveLength(1);
  });

  it('folds no parameter, and says which are gone', () => {
    const given = x();
    const spare = weight('spare', 1, 2, 3);
    const y = op.mul(given, op.neg(weight('w', 1, 2, 3)));
    const built = of([given], y);
    const before = { ...built, graph: { ...built.graph, parameters: [...built.graph.parameters, spare] } };
    const { model: cleaned, steps } = cleanModel(before);
    expect(operators(cleaned)).toEqual(['Neg', 'Mul']);
    expect(steps.flatMap(({ gone }) => gone)).toEqual(['spare']);
  });

  it('lists the numbers of the program, which are initializers beside the parameters, and knows them again', async () => {
    const given = x();
    const y = op.mul(op.add(given, weight('bias', 1, 2, 3)), op.constant({ valueFloat: 0.5 }));
    const { model: cleaned } = cleanModel(of([given], y));
    const read = await fromProto(toProto(cleaned));
    expect(read.graph.parameters).toHaveLength(2);
    expect([...listedConstants(read)]).toEqual(
      read.graph.parameters.map(({ name }) => name).filter((name) => name !== 'bias'),
    );
    expect(cleanModel(read).steps).toEqual([]);
    expect([...listedConstants({ ...read, metadata: new Map([['hopfcole.constants', '{']]) })]).toEqual([]);
  });

  it('stays at an opset that cannot be raised to, unless it is asked for', () => {
    const given = x();
    const built = of([given], op13.relu(given), 13);
    expect(cleanModel(built, { opset: 17 }).model.opsets.get('')).toBe(17);
    expect(() => cleanModel(built, { opset: 99 })).toThrow(/opset/);
  });
});

describe('models of random steps', () => {
  it('are valid when they are clean, and cleaning again changes nothing', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        const { model: cleaned } = cleanModel(modelOf(list));
        expect((await validate(toProto(cleaned))).filter(({ severity }) => severity === 'error')).toEqual([]);
        expect(countNodes(cleanModel(cleaned).model)).toBe(countNodes(cleaned));
      }),
      { numRuns: 60 },
    );
  });
});

describe('what a file says of itself is not believed further than it can be checked', () => {
  const texts = fc.oneof(
    fc.string(),
    fc.constantFrom(
      "['",
      "['', 'a', 'b']",
      '%fc : call_function[target=torch.ops.aten.linear.default](args = (%x, %p_w, %p_b)',
      '{"',
    ),
  );
  it('whatever stands in metadata and names, the model stays valid', async () => {
    await fc.assert(
      fc.asyncProperty(texts, texts, texts, texts, async (signature, call, scopes, name) => {
        const given = x();
        const y = op.add(
          op.matMul(given, parameter(`onnx::MatMul_1`, fromNumbers('float32', [3, 2], [1, 2, 3, 4, 5, 6]))),
          weight('b', 1, 2),
        );
        const built = of([given], y);
        const metadata = new Map([
          ['pkg.torch.onnx.fx_node', call],
          ['pkg.torch.onnx.name_scopes', scopes],
          ['pkg.onnxscript.rewriter.rule_name', `RemoveOptionalBias${call}`],
        ]);
        const graph = rewriteGraph(built.graph, (node) => remake(node, { name, metadata }).outputs);
        const told = new Map([
          [
            'pkg.torch.export.ExportedProgram.graph_signature',
            `p_w: PARAMETER target='${signature}'\np_b: PARAMETER target='b'`,
          ],
          ['hopfcole.constants', signature],
        ]);
        const { model: cleaned } = await cleanExport({
          ...built,
          graph,
          metadata: told,
          producer: { name: 'pytorch', version: '2' },
        });
        expect((await validate(toProto(cleaned))).filter(({ severity }) => severity === 'error')).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });

  it('shapes and values of inputs that cannot be are refused', () => {
    const given = x([2, 'n']);
    const built = of([given], op.relu(given));
    const shaped = (name: string, ...dims: (number | string)[]) => withInputShapes(built, new Map([[name, dims]]));
    expect(shaped('x', 2, 5).graph.inputs[0]?.shape).toEqual([2, 5]);
    expect(errorCode(() => shaped('z', 2, 5))).toBe('UNKNOWN_NAME');
    expect(errorCode(() => shaped('x', 3, 5))).toBe('SHAPE_MISMATCH');
    expect(errorCode(() => shaped('x', 2))).toBe('SHAPE_MISMATCH');
    const fixed = (dtype: 'float32' | 'int64', shape: number[]) =>
      withFixedInputs(built, new Map([['x', fromNumbers(dtype, shape, dtype === 'int64' ? [1n, 2n] : [1, 2])]]));
    expect(fixed('float32', [2, 1]).graph.inputs).toEqual([]);
    expect(errorCode(() => fixed('int64', [2, 1]))).toBe('DTYPE_MISMATCH');
    expect(errorCode(() => fixed('float32', [1, 2]))).toBe('SHAPE_MISMATCH');
  });
});
