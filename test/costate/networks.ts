import { logSumExp } from '../../ops/log-sum-exp.ts';
import { fromNumbers, type Tensor } from '../../src/files/tensor.ts';
import type { Model } from '../../src/graph/graph.ts';
import { input, parameter } from '../../src/graph/make.ts';
import { model } from '../../src/graph/model.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { normal, number32 } from '../ops/run.ts';

/** A small network of one kind, and numbers to feed it. */
export interface Network {
  readonly name: string;
  readonly model: Model;
  readonly feeds: Readonly<Record<string, Tensor>>;
}

let seed = 1;
function weight(name: string, ...shape: readonly number[]): Value {
  const fanIn = shape.length > 1 ? shape.slice(1).reduce((a, b) => a * b, 1) : 4;
  return parameter(name, normal('float32', shape, seed++, 1 / Math.sqrt(fanIn)));
}

function feed(...shape: readonly number[]): Tensor {
  return normal('float32', shape, 1000 + seed++);
}

const axes = (...values: readonly number[]): Value => op.constant({ valueInts: values });

function mlp(): Network {
  const x = input('x', 'float32', ['batch', 8]);
  const hidden = op.relu(op.gemm(x, weight('0.weight', 16, 8), weight('0.bias', 16), { transB: 1 }));
  const y = op.gemm(hidden, weight('2.weight', 3, 16), weight('2.bias', 3), { transB: 1 });
  return { name: 'mlp', model: model({ inputs: [x], outputs: { y } }), feeds: { x: feed(4, 8) } };
}

function cnn(): Network {
  const x = input('x', 'float32', ['batch', 3, 8, 8]);
  const conv = op.conv(x, weight('conv.weight', 6, 3, 3, 3), weight('conv.bias', 6), {
    pads: [1, 1, 1, 1],
    strides: [1, 1],
    dilations: [1, 1],
    kernelShape: [3, 3],
  });
  const [pooled] = op.maxPool(op.relu(conv), { kernelShape: [2, 2], strides: [2, 2] });
  const features = op.flatten(op.globalAveragePool(pooled));
  const y = op.gemm(features, weight('head.weight', 4, 6), weight('head.bias', 4), { transB: 1 });
  return { name: 'cnn', model: model({ inputs: [x], outputs: { y } }), feeds: { x: feed(2, 3, 8, 8) } };
}

function transformer(): Network {
  const [dim, heads, length] = [8, 2, 5];
  const x = input('x', 'float32', ['batch', length, dim]);
  const norm = (value: Value, name: string): Value =>
    op.layerNormalization(value, weight(`${name}.weight`, dim), weight(`${name}.bias`, dim), { axis: -1 })[0];
  const linear = (value: Value, name: string, from: number, to: number): Value =>
    op.add(op.matMul(value, weight(`${name}.weight`, from, to)), weight(`${name}.bias`, to));
  const split = (value: Value): Value =>
    op.transpose(op.reshape(value, axes(0, 0, heads, dim / heads)), { perm: [0, 2, 1, 3] });
  const h = norm(x, 'n1');
  const [q, k, v] = ['q', 'k', 'v'].map((name) => split(linear(h, name, dim, dim))) as [Value, Value, Value];
  const scores = op.mul(op.matMul(q, op.transpose(k, { perm: [0, 1, 3, 2] })), op.constant({ valueFloat: 0.5 }));
  const mixed = op.reshape(op.transpose(op.matMul(op.softmax(scores), v), { perm: [0, 2, 1, 3] }), axes(0, 0, dim));
  const one = op.add(x, linear(mixed, 'out', dim, dim));
  const y = op.add(one, linear(op.gelu(linear(norm(one, 'n2'), 'up', dim, 16)), 'down', 16, dim));
  return { name: 'transformer', model: model({ inputs: [x], outputs: { y } }), feeds: { x: feed(2, length, dim) } };
}

function lstm(): Network {
  const x = input('x', 'float32', ['time', 'batch', 4]);
  const [y] = op.lstm(
    x,
    weight('W', 1, 24, 4),
    weight('R', 1, 24, 6),
    weight('B', 1, 48),
    undefined,
    undefined,
    undefined,
    undefined,
    { hiddenSize: 6 },
  );
  return { name: 'lstm', model: model({ inputs: [x], outputs: { y } }), feeds: { x: feed(5, 2, 4) } };
}

function lse(): Network {
  const x = input('x', 'float32', ['batch', 4]);
  const epsilon = parameter('epsilon', number32(0.6));
  const f = logSumExp(x, weight('W', 3, 7, 4), weight('b', 3, 7), epsilon);
  return { name: 'lse', model: model({ inputs: [x], outputs: { f } }), feeds: { x: feed(3, 4) } };
}

function scan(): Network {
  const x = input('x', 'float32', [6, 2, 4]);
  const w = weight('w', 4, 4);
  const start = op.constantOfShape(axes(2, 4), { value: fromNumbers('float32', [1], [0]) });
  const [last = x, all = x] = op.scan([start], [x], ([state = x], [slice = x]) => {
    const next = op.tanh(op.add(op.matMul(state, w), slice));
    return { carried: [next], scanned: [next] };
  });
  const y = op.add(last, op.reduceSum(all, axes(0), { keepdims: 0 }));
  return { name: 'scan', model: model({ inputs: [x], outputs: { y } }), feeds: { x: feed(6, 2, 4) } };
}

/** One network of each kind, small enough for every runtime. */
export function networks(): readonly Network[] {
  seed = 1;
  return [mlp(), cnn(), transformer(), lstm(), lse(), scan()];
}
