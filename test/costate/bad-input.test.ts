import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Long from 'long';
import { describe, expect, it } from 'vitest';
import { costate as command } from '../../src/cli/commands/costate.ts';
import { asHopfcoleError } from '../../src/cli/output.ts';
import { type CostateOptions, costate } from '../../src/costate/costate.ts';
import { constant, input, makeNode, parameter } from '../../src/graph/make.ts';
import { type ModelSpec, model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import { remake } from '../../src/graph/passes/rewrite.ts';
import type { Value } from '../../src/graph/value.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { encodeModel } from '../../src/onnx/write.ts';
import { normal } from '../ops/run.ts';
import { perform } from '../support/command.ts';

const folder = mkdtempSync(join(tmpdir(), 'hopfcole-bad-'));
const x = input('x', 'float32', ['n', 4]);
const ids = input('ids', 'int64', ['n']);
const w = parameter('w', normal('float32', [4, 4], 1));

/** The node's name, which errors tell. */
function called(value: Value, name: string): Value {
  if (value.source.kind !== 'output') throw new Error('not a node');
  const { node, index } = value.source;
  return remake(node, { name }).outputs[index] ?? value;
}

function unknown(...inputs: readonly Value[]): Value {
  const [y] = makeNode({ opType: 'Mystery', domain: 'example', inputs, outputCount: 1, name: 'mystery_0' }).outputs;
  if (y === undefined) throw new Error('no output');
  return y;
}

const h = called(op.matMul(x, w), 'product');
const best = called(op.argMax(h, { axis: 1, keepdims: 0 }), 'best');
const z = input('z', 'float32', [4]);
const scales = input('scales', 'float32', [4]);
const image = input('image', 'float32', [1, 1, 4, 4]);
const target = input('target', 'float32', [4]);
const gathered = { y: op.gather(w, ids) };
const sum = op.reduceSum(h, undefined, { keepdims: 0 });

type Bad = readonly [what: string, spec: ModelSpec, options: CostateOptions, code: string, line: RegExp];

const bad: readonly Bad[] = [
  [
    'an unknown operator on the path',
    { inputs: [x], outputs: { y: op.add(unknown(h), h) } },
    {},
    'NO_COSTATE_RULE',
    /example::Mystery, on the path x -> product -> mystery_0 .*node 'mystery_0', operator example::Mystery/,
  ],
  [
    'a wrt that is no float',
    { inputs: [ids], outputs: gathered },
    { wrt: ['ids'] },
    'NOT_FLOAT',
    /'ids', got int64\[n\]/,
  ],
  ['a misspelt wrt', { inputs: [x], outputs: { y: h } }, { wrt: ['xx'] }, 'UNKNOWN_NAME', /Did you mean 'x'\?/],
  ['a misspelt of', { inputs: [x], outputs: { score: h } }, { of: ['scores'] }, 'UNKNOWN_NAME', /mean 'score'\?/],
  [
    'an of that is no float',
    { inputs: [x], outputs: { best } },
    { of: ['best'] },
    'NOT_FLOAT',
    /'best', got int64\[n\]/,
  ],
  ['no output that is a float', { inputs: [x], outputs: { best } }, {}, 'NOT_FLOAT', /best is int64\[n\]/],
  [
    'an output that does not depend on it',
    { inputs: [x, z], outputs: { y: h } },
    { wrt: ['z'] },
    'NOT_DIFFERENTIABLE',
    /from 'z' to 'y': 'y' does not depend on it/,
  ],
  [
    'a path that integers cut',
    { inputs: [x], outputs: { y: op.gather(w, best) } },
    { wrt: ['x'] },
    'NOT_DIFFERENTIABLE',
    /from 'x' to 'y': cut off from 'y' by ArgMax 'best', which gives int64 \(path x -> product -> best\)/,
  ],
  [
    'a path that a truth value cuts',
    { inputs: [x], outputs: { y: op.where(called(op.greater(h, constant(0)), 'above'), constant(1), constant(2)) } },
    { wrt: ['x'] },
    'NOT_DIFFERENTIABLE',
    /Greater 'above', which gives bool \(path x -> product -> above\)/,
  ],
  [
    'indices alone',
    { inputs: [x], outputs: { y: op.gather(w, op.topK(h, constant([1n], 'int64'))[1]) } },
    { wrt: ['x'] },
    'NOT_DIFFERENTIABLE',
    /TopK '\w+', which gives int64/,
  ],
  [
    'a cast to integers, and another cut',
    {
      inputs: [x],
      outputs: {
        y: op.add(op.gather(w, best), op.cast(called(op.cast(h, { to: 'int32' }), 'whole'), { to: 'float32' })),
      },
    },
    { wrt: ['x'] },
    'NOT_DIFFERENTIABLE',
    /ArgMax 'best', .*; Cast 'whole', which gives int32 \(path x -> product -> whole\)/,
  ],
  [
    'nothing that has a gradient',
    { inputs: [ids], outputs: gathered },
    {},
    'NOT_DIFFERENTIABLE',
    /int64\[n\] has no derivative/,
  ],
  [
    'a shape that alone matters',
    { inputs: [x], outputs: { y: op.cast(called(op.shape(x), 'sizes'), { to: 'float32' }) } },
    { wrt: ['x'] },
    'NOT_DIFFERENTIABLE',
    /Shape 'sizes': only its shape matters \(path x -> sizes\)/,
  ],
  [
    'an input that the operator has no co-state of',
    { inputs: [image, scales], outputs: { y: op.neg(called(op.resize(image, undefined, op.abs(scales)), 'resized')) } },
    { wrt: ['scales'] },
    'NOT_DIFFERENTIABLE',
    /Resize 'resized' has no co-state of its input 2 \(path scales -> \w+ -> resized\)/,
  ],
  [
    'an input that is called target',
    { inputs: [target], outputs: { y: op.neg(target) } },
    { loss: 'mse' },
    'DUPLICATE_NAME',
    /input must be called 'target'/,
  ],
  [
    'an output that is called loss',
    { inputs: [x], outputs: { loss: h } },
    { loss: 'mse' },
    'DUPLICATE_NAME',
    /called 'loss'/,
  ],
  [
    'an input that is called as a cotangent',
    { inputs: [x, input('cotangent_y', 'float32', [4])], outputs: { y: h } },
    { seed: 'input' },
    'DUPLICATE_NAME',
    /'cotangent_y'/,
  ],
  [
    'an input that is called as a direction',
    { inputs: [x, input('direction_x', 'float32', [4])], outputs: { y: h } },
    { order: 2 },
    'DUPLICATE_NAME',
    /'direction_x'/,
  ],
  [
    'no classes',
    { inputs: [x], outputs: { y: sum } },
    { loss: 'nll' },
    'BAD_ARGUMENT',
    /classes in 'y', got float32\[\]/,
  ],
  [
    'classes of squares',
    { inputs: [x], outputs: { y: h } },
    { loss: 'mse', classAxis: 1 },
    'BAD_ARGUMENT',
    /has no classes/,
  ],
];

function flags({ of, wrt, loss, classAxis, ...rest }: CostateOptions): Record<string, unknown> {
  return {
    ...rest,
    ...(of === undefined ? {} : { of: [...of] }),
    ...(wrt === undefined ? {} : { wrt: [...wrt] }),
    ...(loss === undefined ? {} : { loss }),
    ...(classAxis === undefined ? {} : { 'class-axis': classAxis }),
  };
}

function thrownBy(what: () => unknown): unknown {
  try {
    what();
  } catch (error) {
    return error;
  }
  return new Error('it did not fail');
}

describe('what has no co-state is refused in one line that tells where', () => {
  it.each(bad)('%s', async (_, spec, options, code, line) => {
    const made = model(spec);
    const told = asHopfcoleError(thrownBy(() => costate(made, options)));
    expect([told.code, told.line()]).toEqual([code, expect.stringMatching(line)]);
    const file = join(folder, 'bad.onnx');
    const output = join(folder, 'never.onnx');
    writeFileSync(file, encodeModel(toProto(made)));
    const again: unknown = await perform(command, { model: file, output, ...flags(options) }).catch((error) => error);
    expect([asHopfcoleError(again).code, asHopfcoleError(again).line().includes('\n')]).toEqual([code, false]);
    expect(existsSync(output)).toBe(false);
  });

  it('a cyclic graph', async () => {
    const y = op.add(called(op.relu(x), 'first'), constant(1));
    const proto = toProto(model({ inputs: [x], outputs: { y } }));
    const [relu, ...others] = proto.graph?.node ?? [];
    const cyclic = { ...proto, graph: { ...proto.graph, node: [{ ...relu, input: ['y'] }, ...others] } };
    const file = join(folder, 'cyclic.onnx');
    const output = join(folder, 'never.onnx');
    writeFileSync(file, encodeModel(cyclic));
    const told = asHopfcoleError(await perform(command, { model: file, output }).catch((error: unknown) => error));
    expect(told.code).toBe('GRAPH_CYCLE');
    expect(told.line()).toMatch(/first/);
    expect(existsSync(output)).toBe(false);
  });

  it('a model whose types contradict one another', async () => {
    const proto = toProto(model({ inputs: [x], outputs: { y: called(op.matMul(x, w), 'product') } }));
    const initializer = (proto.graph?.initializer ?? []).map((one) => ({
      ...one,
      dims: [Long.fromInt(2), Long.fromInt(8)],
    }));
    const file = join(folder, 'contradictory.onnx');
    const output = join(folder, 'never.onnx');
    writeFileSync(file, encodeModel({ ...proto, graph: { ...proto.graph, initializer } }));
    const told = asHopfcoleError(await perform(command, { model: file, output }).catch((error: unknown) => error));
    expect(told.line()).toMatch(/contradictory\.onnx, node 'product', operator MatMul/);
    expect(existsSync(output)).toBe(false);
  });
});

describe('of groups', () => {
  const steps = called(op.round(x), 'steps');
  const spec: ModelSpec = {
    inputs: [x, ids, z],
    outputs: { y: op.mul(op.add(h, op.gather(w, ids)), op.cast(best, { to: 'float32' })) },
  };

  it('lists what has no co-state, and why', () => {
    const { gradients, notDifferentiable } = costate(model(spec), { wrt: ['all'] });
    expect(gradients.map(({ wrt }) => wrt)).toEqual(['x', 'w']);
    expect(notDifferentiable).toEqual([
      { name: 'ids', why: 'int64[n] has no derivative' },
      { name: 'z', why: "'y' does not depend on it" },
    ]);
  });

  it('gives zeros where the derivative is zero wherever it exists', () => {
    const { gradients, notDifferentiable, model: made } = costate(model({ inputs: [x], outputs: { y: steps } }), {});
    expect([gradients.map(({ wrt }) => wrt), notDifferentiable]).toEqual([['x'], []]);
    const bar = made.graph.outputs.at(-1)?.value;
    expect(bar?.source.kind === 'output' && bar.source.node.opType).toBe('ConstantOfShape');
  });
});
