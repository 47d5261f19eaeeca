import { describe, expect, it } from 'vitest';
import { attributeReference } from '../../src/graph/apply.ts';
import { call, defineFunction } from '../../src/graph/define.ts';
import type { FunctionDefinition } from '../../src/graph/function.ts';
import { constant, input } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { toProto } from '../../src/graph/wire/write.ts';
import { hasPython } from '../support/python.ts';
import { errorCode, judged } from './judge.ts';

const domain = 'ai.hopfcole';
const nothing = input('nothing', 'float32', []);

function scaled(): FunctionDefinition {
  return defineFunction({
    domain,
    name: 'Scaled',
    inputs: ['x', 'bias'],
    outputs: ['y'],
    attributes: { slope: { kind: 'float', default: 0.5 }, axis: { kind: 'int' } },
    build: ([x = nothing, bias = nothing]) => [
      op.softmax(op.leakyRelu(op.add(x, bias), { alpha: attributeReference('slope') }), {
        axis: attributeReference('axis'),
      }),
    ],
  });
}

function outer(inner: FunctionDefinition): FunctionDefinition {
  return defineFunction({
    domain,
    name: 'Outer',
    inputs: ['x'],
    outputs: ['p', 'sum'],
    attributes: { axis: { kind: 'int' } },
    build: ([x = nothing]) => {
      const [p = x] = call(inner, [x, x], { slope: 0.25, axis: attributeReference('axis') });
      const positive = op.greater(op.reduceSum(x, undefined, { keepdims: false }), constant(0));
      const [sum = x] = op.if(positive, {
        thenBranch: () => [op.add(p, x)],
        elseBranch: () => [op.sub(p, x)],
      });
      return [p, sum];
    },
  });
}

function overloaded(overload: string, build: (x: Value) => Value): FunctionDefinition {
  return defineFunction({
    domain,
    name: 'Kind',
    overload,
    inputs: ['x'],
    outputs: ['y'],
    build: ([x = nothing]) => [build(x)],
  });
}

const feeds = { x: { dtype: 'float32', shape: [2, 2], data: [1, -2, 3, 0.5] } };

describe('functions', () => {
  it.skipIf(!hasPython)('nest, take attributes and defaults, and have overloads, in ONNX Runtime', () => {
    const x = input('x', 'float32', ['n', 2]);
    const inner = scaled();
    const [p = x, sum = x] = call(outer(inner), [x], { axis: 1 });
    const [columns = x] = call(inner, [x, x], { axis: 0 });
    const [twice = x] = call(
      overloaded('', (v) => op.add(v, v)),
      [x],
    );
    const [square = x] = call(
      overloaded('square', (v) => op.mul(v, v)),
      [x],
    );
    const built = model({ inputs: [x], outputs: { p, sum, columns, twice, square } });
    expect(built.functions.map(({ name, overload }) => name + overload)).toEqual(
      expect.arrayContaining(['Scaled', 'Outer', 'Kind', 'Kindsquare']),
    );
    const [out = {}] = judged([{ model: built, feeds }]);
    const leaky = (v: number, slope: number) => (v < 0 ? slope * v : v);
    const softmax = (a: number, b: number) => Math.exp(a) / (Math.exp(a) + Math.exp(b));
    const d = feeds.x.data;
    const row = (i: number, slope: number) => leaky(2 * (d[i] ?? 0), slope);
    const expected = [
      softmax(row(0, 0.25), row(1, 0.25)),
      softmax(row(1, 0.25), row(0, 0.25)),
      softmax(row(2, 0.25), row(3, 0.25)),
      softmax(row(3, 0.25), row(2, 0.25)),
    ];
    for (const [i, value] of expected.entries()) {
      expect(out.p?.data[i]).toBeCloseTo(value, 6);
      expect(out.sum?.data[i]).toBeCloseTo(value + (d[i] ?? 0), 6);
    }
    expect(out.columns?.data[1]).toBeCloseTo(softmax(row(1, 0.5), row(3, 0.5)), 6);
    expect(out.twice?.data).toEqual([2, -4, 6, 1]);
    expect(out.square?.data).toEqual([1, 4, 9, 0.25]);
  });

  it('are written once, with the imports of their model, after those they call', () => {
    const x = input('x', 'float32', ['n', 2]);
    const f = outer(scaled());
    const [p = x, sum = x] = call(f, [x], { axis: 1 });
    const [again = x] = call(f, [p], { axis: 0 });
    const proto = toProto(model({ inputs: [x], outputs: { p, sum, again } }));
    expect(proto.functions?.map(({ name }) => name)).toEqual(['Scaled', 'Outer']);
    const imports = proto.opsetImport?.map(({ domain, version }) => [domain, Number(version)]);
    expect(imports).toEqual([
      ['', 21],
      [domain, 1],
    ]);
    for (const { opsetImport } of proto.functions ?? [])
      expect(opsetImport?.map(({ domain, version }) => [domain, Number(version)])).toEqual(imports);
    const scaledProto = proto.functions?.[0];
    expect(scaledProto?.attribute).toEqual(['axis']);
    expect(scaledProto?.attributeProto?.map(({ name, f }) => [name, f])).toEqual([['slope', 0.5]]);
    expect(scaledProto?.node?.map(({ opType }) => opType)).toEqual(['Add', 'LeakyRelu', 'Softmax']);
    expect(scaledProto?.node?.[2]?.attribute?.[0]).toMatchObject({ name: 'axis', refAttrName: 'axis', type: 2 });
  });

  it('infer through their body with the types of the call', () => {
    const x = input('x', 'float32', ['n', 2]);
    const f = defineFunction({
      domain,
      name: 'Pairs',
      inputs: ['x'],
      outputs: ['y', 'z'],
      attributes: { axis: { kind: 'int' } },
      build: ([v = nothing]) => [op.concat([v, v], { axis: attributeReference('axis') }), op.transpose(v)],
    });
    const [y, z] = call(f, [x], { axis: 1 });
    expect([y?.type, z?.type]).toEqual([
      { kind: 'tensor', dtype: 'float32', shape: ['n', 4] },
      { kind: 'tensor', dtype: 'float32', shape: [2, 'n'] },
    ]);
    const [wide] = call(f, [input('d', 'float64', [3, 2])], { axis: 0 });
    expect(wide?.type).toEqual({ kind: 'tensor', dtype: 'float64', shape: [6, 2] });
  });

  it('tell the caller what is wrong with a call, in the body too', () => {
    const x = input('x', 'float32', [2]);
    const f = scaled();
    expect(errorCode(() => call(f, [x, x]))).toBe('MISSING_ATTRIBUTE');
    expect(errorCode(() => call(f, [x, x], { axis: 0, angle: 1 }))).toBe('UNKNOWN_ATTRIBUTE');
    expect(errorCode(() => call(f, [x, x], { axis: 'last' }))).toBe('BAD_ATTRIBUTE');
    expect(errorCode(() => call(f, [x, x, x], { axis: 0 }))).toBe('WRONG_ARITY');
    const wide = input('w', 'float32', [5]);
    expect(errorCode(() => call(f, [x, wide], { axis: 0 }))).not.toBe('no error');
  });

  it('have defaults, and leave trailing inputs out', () => {
    const x = input('x', 'float32', [2]);
    const f = defineFunction({
      domain,
      name: 'Maybe',
      inputs: ['x', 'low', 'high'],
      outputs: ['y'],
      build: ([v = nothing, low, high]) => [op.clip(v, low, high)],
    });
    const [y] = call(f, [x, constant(0)]);
    expect(y?.type).toEqual({ kind: 'tensor', dtype: 'float32', shape: [2] });
    expect(y?.source.kind === 'output' && y.source.node.inputs).toHaveLength(2);
  });

  it('refuse bodies that are not closed', () => {
    const x = input('x', 'float32', [2]);
    const define = (build: (inputs: readonly Value[]) => readonly Value[], outputs = ['y']) =>
      errorCode(() => defineFunction({ domain, name: 'Bad', inputs: ['v'], outputs, build }));
    expect(define(([v = nothing]) => [op.add(v, x)])).toBe('VALUE_OUT_OF_SCOPE');
    expect(define(([v = nothing]) => [v, v])).toBe('WRONG_ARITY');
    expect(define(([v = nothing]) => [v], ['v'])).toBe('DUPLICATE_NAME');
    expect(define(([v = nothing]) => [op.elu(v, { alpha: attributeReference('a') })])).toBe('UNKNOWN_ATTRIBUTE');
    expect(define(([v = nothing]) => [op.relu(v)])).toBe('no error');
  });

  it('of one name and overload must be one', () => {
    const x = input('x', 'float32', [2]);
    const [a = x] = call(
      overloaded('', (v) => op.relu(v)),
      [x],
    );
    const [b = x] = call(
      overloaded('', (v) => op.neg(v)),
      [x],
    );
    expect(errorCode(() => model({ inputs: [x], outputs: { a, b } }))).toBe('DUPLICATE_FUNCTION');
    const [c = x] = call(
      overloaded('other', (v) => op.neg(v)),
      [x],
    );
    expect(errorCode(() => model({ inputs: [x], outputs: { a, c }, ir: 9 }))).toBe('BAD_ARGUMENT');
  });

  it('infer in bounded time however they multiply', () => {
    let f = overloaded('0', (v) => op.relu(v));
    for (let level = 1; level < 40; level++) {
      const inner = f;
      f = overloaded(`${level}`, (v) => {
        const [a = v] = call(inner, [v]);
        const [b = v] = call(inner, [a]);
        return op.add(a, b);
      });
    }
    const x = input('x', 'float32', [2]);
    const start = performance.now();
    expect(call(f, [x])).toHaveLength(1);
    expect(performance.now() - start).toBeLessThan(5_000);
  });
});
