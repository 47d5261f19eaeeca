import { describe, expect, it } from 'vitest';
import { fromNumbers } from '../../src/files/tensor.ts';
import { call, defineFunction } from '../../src/graph/define.ts';
import * as opset13 from '../../src/graph/generated/opset13.ts';
import type { Model } from '../../src/graph/graph.ts';
import { constant, input, parameter } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { hasPython } from '../support/python.ts';
import { bytesOf, errorCode, judged } from './judge.ts';

const weights = Array.from({ length: 12 }, (_, i) => (i - 6) / 8);
const weight = fromNumbers('float32', [4, 3], weights);
const w = () => parameter('w', weight);
const feed = { dtype: 'float32', shape: [2, 4], data: [0.5, -1, 2, 0.25, -0.75, 1.5, -2, 1] };

function numbers(result: { data: number[] } | undefined): number[] {
  return result?.data ?? [];
}

/** x [2, 4] times w [4, 3]. */
function product(x: readonly number[]): number[] {
  const rows: number[] = [];
  for (let i = 0; i < 2; i++)
    for (let j = 0; j < 3; j++)
      rows.push([0, 1, 2, 3].reduce((sum, k) => sum + (x[i * 4 + k] ?? 0) * (weights[k * 3 + j] ?? 0), 0));
  return rows;
}

function network(): Model {
  const x = input('x', 'float32', ['batch', 4]);
  const h = op.matMul(x, w());
  const [top, at] = op.topK(h, constant([2n]));
  const [left, right] = op.split(x, constant([1n, 3n]), { axis: 1 });
  const outputs: Record<string, Value> = {
    h,
    relu: op.relu(h),
    top,
    at,
    max: op.reduceMax(h, constant([-1n]), { keepdims: false }),
    joined: op.concat([right ?? x, left ?? x], { axis: 1 }),
    cast: op.cast(op.greater(h, constant(0)), { to: 'int32' }),
    same: x,
    again: h,
    weight: w(),
    where: op.where(op.less(x, constant(0)), op.neg(x), x),
    normal: op.layerNormalization(x, constant([1, 1, 1, 1]), undefined, { axis: -1 })[0],
    drop: op.dropout(x)[0],
    sum: op.einsum([x, x], { equation: 'bi,bi->b' }),
  };
  return model({ inputs: [x], outputs, metadata: { made: 'by a test' } });
}

describe('model', () => {
  it.skipIf(!hasPython)('makes what checker, ONNX Runtime and onnx-proto take, with the right numbers', () => {
    const [out = {}] = judged([{ model: network(), feeds: { x: feed } }]);
    const h = product(feed.data);
    const close = (got: number[], expected: number[]) =>
      got.forEach((value, i) => {
        expect(value).toBeCloseTo(expected[i] ?? Number.NaN, 5);
      });
    expect(Object.keys(out)).toEqual(network().graph.outputs.map(({ name }) => name));
    close(numbers(out.h), h);
    close(numbers(out.again), h);
    close(
      numbers(out.relu),
      h.map((v) => Math.max(v, 0)),
    );
    close(numbers(out.max), [Math.max(...h.slice(0, 3)), Math.max(...h.slice(3))]);
    close(
      numbers(out.cast),
      h.map((v) => (v > 0 ? 1 : 0)),
    );
    close(numbers(out.same), feed.data);
    close(numbers(out.weight), weights);
    close(numbers(out.where), feed.data.map(Math.abs));
    close(numbers(out.joined), [-1, 2, 0.25, 0.5, 1.5, -2, 1, -0.75]);
    close(numbers(out.sum), [
      feed.data.slice(0, 4).reduce((s, v) => s + v * v, 0),
      feed.data.slice(4).reduce((s, v) => s + v * v, 0),
    ]);
  });

  it.skipIf(!hasPython)('makes models of every opset from 13 to 24', async () => {
    const cases: { model: Model; feeds: { x: typeof feed } }[] = [];
    for (let opset = 13; opset <= 24; opset++) {
      const ops: typeof opset13 = await import(`../../src/graph/generated/opset${opset}.ts`);
      const x = input('x', 'float32', ['batch', 4]);
      const h = ops.relu(ops.add(ops.matMul(x, w()), constant([1, 2, 3])));
      const flat = ops.reshape(ops.cast(h, { to: 'float64' }), constant([-1n]));
      const chosen = ops.if(ops.greater(ops.size(x), constant(0n)), {
        thenBranch: () => [ops.softmax(h, { axis: -1 })],
        elseBranch: () => [h],
      });
      const outputs = { flat, chosen: chosen[0] ?? h };
      cases.push({ model: model({ inputs: [x], outputs, opset }), feeds: { x: feed } });
    }
    const [first, ...others] = judged(cases);
    const expected = product(feed.data).map((v, i) => Math.max(v + (i % 3) + 1, 0));
    expect(first?.flat?.shape).toEqual([6]);
    for (const [i, value] of (first?.flat?.data ?? []).entries())
      expect(value).toBeCloseTo(expected[i] ?? Number.NaN, 5);
    for (const other of others) expect(other).toEqual(first);
    expect(others).toHaveLength(11);
  });

  it('gives the same bytes when the same thing is built again', () => {
    expect(Buffer.compare(bytesOf(network()), bytesOf(network()))).toBe(0);
    const once = network();
    expect(Buffer.compare(bytesOf(once), bytesOf(once))).toBe(0);
  });

  it('names outputs as asked, and leaves out optional outputs that nothing reads', () => {
    const proto = toProto(network());
    const nodes = proto.graph?.node ?? [];
    expect(proto.graph?.output?.map(({ name }) => name)).toContain('again');
    expect(nodes.filter(({ opType }) => opType === 'Identity').map(({ output }) => output)).toEqual([
      ['same'],
      ['again'],
      ['weight'],
    ]);
    expect(nodes.find(({ opType }) => opType === 'Dropout')?.output).toEqual(['drop']);
    expect(nodes.find(({ opType }) => opType === 'LayerNormalization')?.output).toEqual(['normal']);
    const x = input('x', 'float32', ['n', 3, 8, 8]);
    const indices = op.maxPool(x, { kernelShape: [2, 2] })[1];
    const pool = toProto(model({ inputs: [x], outputs: { indices } })).graph?.node?.[0];
    expect(pool?.output).toEqual(['maxpool_0', 'indices']);
  });

  it('keeps one of two parameters that are the same tensor under one name', () => {
    const x = input('x', 'float32', [2, 4]);
    const tensor = fromNumbers('float32', [4], [1, 2, 3, 4]);
    const y = op.add(op.mul(x, parameter('s', tensor)), parameter('s', tensor));
    const { graph } = model({ inputs: [x], outputs: { y } });
    expect(graph.parameters.map(({ name }) => name)).toEqual(['s']);
    expect(toProto(model({ inputs: [x], outputs: { y } })).graph?.initializer).toHaveLength(1);
  });

  it('finds nothing but what the outputs reach, in order', () => {
    const x = input('x', 'float32', [2]);
    op.relu(x);
    const a = op.exp(x);
    const { graph } = model({ inputs: [x], outputs: { y: op.add(op.log(a), a) } });
    expect(graph.nodes.map(({ opType }) => opType)).toEqual(['Exp', 'Log', 'Add']);
  });

  it('takes graphs as deep as they come', () => {
    const x = input('x', 'float32', [2]);
    let y = x;
    for (let i = 0; i < 100_000; i++) y = op.relu(y);
    const deep = model({ inputs: [x], outputs: { y } });
    expect(deep.graph.nodes).toHaveLength(100_000);
    expect(toProto(deep).graph?.node?.at(-1)?.output).toEqual(['y']);
  });

  it('writes initializers as inputs too where the IR is older than 4', () => {
    const x = input('x', 'float32', [2, 4]);
    const y = opset13.matMul(x, w());
    const proto = toProto(model({ inputs: [x], outputs: { y }, opset: 13, ir: 3 }));
    expect(proto.graph?.input?.map(({ name }) => name)).toEqual(['x', 'w']);
  });

  it('refuses what cannot be a model', () => {
    const x = input('x', 'float32', [2]);
    const other = input('other', 'float32', [2]);
    const one = fromNumbers('float32', [1], [1]);
    const sum = op.add(parameter('p', one), parameter('p', fromNumbers('float32', [1], [2])));
    expect(errorCode(() => model({ inputs: [x], outputs: { y: op.add(x, other) } }))).toBe('UNLISTED_INPUT');
    expect(errorCode(() => model({ inputs: [x], outputs: { y: sum } }))).toBe('DUPLICATE_NAME');
    expect(errorCode(() => model({ inputs: [x], outputs: { x: op.relu(x) } }))).toBe('DUPLICATE_NAME');
    expect(errorCode(() => model({ inputs: [x, input('x', 'float32')], outputs: { y: x } }))).toBe('DUPLICATE_NAME');
    expect(errorCode(() => model({ inputs: [op.relu(x)], outputs: { y: x } }))).toBe('BAD_ARGUMENT');
    expect(errorCode(() => model({ inputs: [x], outputs: {} }))).toBe('BAD_ARGUMENT');
    expect(errorCode(() => model({ inputs: [x], outputs: { y: opset13.relu(x) } }))).toBe('OPSET_MISMATCH');
    expect(errorCode(() => model({ inputs: [x], outputs: { y: op.gelu(x) }, opset: 19 }))).toBe('OPSET_MISMATCH');
    const f = defineFunction({
      domain: 'd',
      name: 'F',
      inputs: ['x'],
      outputs: ['y'],
      build: ([v]) => [op.relu(v ?? x)],
    });
    expect(errorCode(() => model({ inputs: [x], outputs: { y: call(f, [x])[0] ?? x }, ir: 7 }))).toBe('BAD_ARGUMENT');
  });

  it('says which input is not listed', () => {
    const x = input('x', 'float32', [2]);
    expect(() => model({ inputs: [], outputs: { y: op.relu(x) } })).toThrow(/not listed: x/);
  });
});
