import fc from 'fast-check';
import { fromNumbers } from '../../src/files/tensor.ts';
import { attributeReference } from '../../src/graph/apply.ts';
import { call, defineFunction } from '../../src/graph/define.ts';
import type { Model } from '../../src/graph/graph.ts';
import { constant, input, parameter } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';

/** One step of a model: what it does, and which of the values there are it reads (counted back from the newest). */
export interface Step {
  readonly kind: (typeof kinds)[number];
  readonly a: number;
  readonly b: number;
}

/** Every value is float32[2, 3] with elements that stay small, so that any step fits any other. */
const kinds = [
  ...['relu', 'neg', 'tanh', 'add', 'sub', 'mul', 'maximum', 'softmax', 'dead', 'again', 'literal', 'folded'],
  ...['reshape', 'slice', 'topK', 'function', 'nested', 'if', 'known-if', 'loop', 'parameter'],
] as const;

export const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.record({ kind: fc.constantFrom(...kinds), a: fc.nat(40), b: fc.nat(40) }),
  { minLength: 1, maxLength: 14 },
);

const nothing = input('nothing', 'float32', []);

const scaled = defineFunction({
  domain: 'test',
  name: 'Scaled',
  inputs: ['x', 'bias'],
  outputs: ['y', 'negative'],
  attributes: { slope: { kind: 'float', default: 0.5 } },
  build: ([x = nothing, bias = nothing]) => {
    const y = op.leakyRelu(op.tanh(op.add(x, bias)), { alpha: attributeReference('slope') });
    return [y, op.neg(y)];
  },
});

const nested = defineFunction({
  domain: 'test',
  name: 'Nested',
  inputs: ['x'],
  outputs: ['y'],
  build: ([x = nothing]) => {
    const [y = x, negative = x] = call(scaled, [x, x], { slope: 0.25 });
    const positive = op.greater(op.reduceSum(x, undefined, { keepdims: false }), constant(0));
    return op.if(positive, { thenBranch: () => [op.add(y, x)], elseBranch: () => [op.sub(negative, x)] });
  },
});

/** The model of a list of steps. Equal lists give equal models. */
export function modelOf(list: readonly Step[]): Model {
  const x = input('x', 'float32', [2, 3]);
  const y = input('y', 'float32', ['rows', 3]);
  const weights = [0.5, -0.75, 1.25].map((value, i) => parameter(`w${i}`, fromNumbers('float32', [1, 1], [value])));
  const pool: Value[] = [x, y];
  list.forEach(({ kind, a: first, b: second }, index) => {
    const [a, b] = [pool.at(-1 - (first % pool.length)) ?? x, pool.at(-1 - (second % pool.length)) ?? x];
    pool.push(made(kind, a, b, weights[index % weights.length] ?? x));
  });
  const last = pool.at(-1) ?? x;
  return model({
    inputs: [x, y],
    outputs: { last, same: last, middle: pool[Math.floor(pool.length / 2)] ?? x, given: x },
  });
}

function made(kind: Step['kind'], a: Value, b: Value, weight: Value): Value {
  switch (kind) {
    case 'relu':
      return op.relu(a);
    case 'neg':
      return op.neg(a);
    case 'tanh':
      return op.tanh(a);
    case 'add':
      return op.add(a, b);
    case 'sub':
      return op.sub(a, b);
    case 'mul':
      return op.tanh(op.mul(a, b));
    case 'maximum':
      return op.max([a, b]);
    case 'softmax':
      return op.softmax(a, { axis: -1 });
    case 'dead':
      op.exp(a);
      return a;
    case 'again':
      return op.add(op.mul(op.tanh(a), op.tanh(b)), op.mul(op.tanh(a), op.tanh(b)));
    case 'literal':
      return op.add(a, constant([0.5, -1, 2]));
    case 'folded':
      return op.sub(a, op.add(constant([[1], [2]]), op.mul(constant([1, 2, 3]), constant(0.25))));
    case 'reshape': {
      const size = op.shape(b);
      const flat = op.reshape(a, op.unsqueeze(op.reduceProd(size, undefined, { keepdims: false }), constant([0n])));
      return op.reshape(flat, op.concat([constant([2n]), op.slice(size, constant([1n]), constant([2n]))], { axis: 0 }));
    }
    case 'slice': {
      const half = (from: bigint, to: bigint) => op.slice(a, constant([from]), constant([to]), constant([1n]));
      return op.concat([half(1n, 3n), half(0n, 1n)], { axis: 1 });
    }
    case 'topK':
      return op.topK(a, constant([3n]))[0];
    case 'function':
      return call(scaled, [a, b])[1] ?? a;
    case 'nested':
      return op.tanh(call(nested, [a])[0] ?? a);
    case 'if': {
      const positive = op.greater(op.reduceSum(a, undefined, { keepdims: false }), constant(0));
      const branches = {
        thenBranch: () => [op.add(a, op.tanh(b))],
        elseBranch: () => op.if(positive, { thenBranch: () => [a], elseBranch: () => [op.sub(op.tanh(b), a)] }),
      };
      return op.if(positive, branches)[0] ?? a;
    }
    case 'known-if': {
      const known = op.less(op.size(constant([1, 2])), constant(3n));
      return op.if(known, { thenBranch: () => [op.neg(a)], elseBranch: () => [b] })[0] ?? a;
    }
    case 'loop': {
      const body = (_: Value, __: Value, state: Value = a) => ({ carried: [op.tanh(op.add(state, op.relu(b)))] });
      return op.loop(constant(3n), undefined, [a], body)[0] ?? a;
    }
    case 'parameter':
      return op.mul(op.tanh(a), weight);
  }
}
