import { makeNode } from '../../../graph/make.ts';
import * as op from '../../../graph/op.ts';
import type { Value } from '../../../graph/value.ts';
import { type Rule, type RuleCall, rule } from '../../call.ts';
import { scalarLike } from '../../pieces.ts';
import { throughForward } from '../../through.ts';
import { through } from './activations.ts';

/** Products, with what ONNX Runtime fuses into them. */
export const productRules: Readonly<Record<string, Rule>> = {
  FusedMatMul: through('as MatMul of what it transposes, times alpha', fusedMatMul),
  TransposeMatMul: through('as MatMul of what it transposes, times alpha', fusedMatMul),
  FusedGemm: rule("as Gemm, of g times the activation's slope, taken from y", (call) => {
    const [alpha, beta] = [call.float('activation_alpha', 0), call.float('activation_beta', 0)];
    return beforeActivation(call, [alpha, beta], () =>
      op.gemm(call.x(0), call.x(1), call.maybe(2), {
        alpha: call.float('alpha', 1),
        beta: call.float('beta', 1),
        transA: call.int('transA', 0),
        transB: call.int('transB', 0),
      }),
    );
  }),
  FusedConv: rule("as Conv, of g times the activation's slope, taken from y; the same to the sum Z", (call) => {
    const { attributes, inputs } = call.node;
    const own = new Map([...attributes].filter(([name]) => !name.startsWith('activation')));
    return beforeActivation(call, call.floats('activation_params') ?? [], () => {
      const given = inputs.slice(0, inputs[2] === undefined ? 2 : 3);
      const [product] = makeNode({
        opType: 'Conv',
        version: 11,
        inputs: given,
        attributes: own,
        outputCount: 1,
      }).outputs;
      const z = call.maybe(3);
      return z === undefined || product === undefined ? product : op.add(product, z);
    });
  }),
};

function fusedMatMul(call: RuleCall): Value {
  const side = (index: number, name: 'A' | 'B'): Value => {
    const x = call.x(index);
    const rank = call.rank(x);
    if (rank < 2) return x;
    const order = Array.from({ length: rank }, (_, axis) => axis);
    // The first axis changes places with those of the batch: [m, b1, ..., k] is [b1, ..., m, k].
    if (call.int(`transBatch${name}`, 0) !== 0) order.splice(rank - 2, 0, ...order.splice(0, 1));
    if (call.int(`trans${name}`, 0) !== 0) order.push(...order.splice(rank - 2, 1));
    return order.every((from, to) => from === to) ? x : op.transpose(x, { perm: order });
  };
  const product = op.matMul(side(0, 'A'), side(1, 'B'));
  const alpha = call.float('alpha', 1);
  return alpha === 1 ? product : op.mul(product, scalarLike(product, alpha));
}

/** Bars of what an activation is fused to: its slope is known from its output, so that nothing is computed twice. */
function beforeActivation(call: RuleCall, parameters: readonly number[], forward: () => Value | undefined) {
  const bar = slope(call, call.g(), call.y(), parameters);
  return throughForward(call, () => [forward()], [bar]);
}

function slope(call: RuleCall, g: Value, y: Value, [alpha, beta]: readonly number[]): Value {
  const number = (value: number): Value => scalarLike(g, value);
  const [zero, one] = [number(0), number(1)];
  const positive = (): Value => op.greater(y, zero);
  const inside = (low: number, high: number): Value => op.and(op.greater(y, number(low)), op.less(y, number(high)));
  switch (call.text('activation', '')) {
    case '':
      return g;
    case 'Relu':
      return op.where(positive(), g, zero);
    case 'LeakyRelu':
      return op.where(positive(), g, op.mul(g, number(alpha ?? 0.01)));
    case 'Sigmoid':
      return op.mul(g, op.mul(y, op.sub(one, y)));
    case 'Tanh':
      return op.mul(g, op.sub(one, op.mul(y, y)));
    case 'HardSigmoid':
      return op.where(inside(0, 1), op.mul(g, number(alpha ?? 0.2)), zero);
    case 'Clip':
      return op.where(inside(alpha ?? Number.NEGATIVE_INFINITY, beta ?? Number.POSITIVE_INFINITY), g, zero);
    case 'Elu':
      return op.where(positive(), g, op.mul(g, op.add(y, number(alpha ?? 1))));
    case 'Softplus':
      return op.mul(g, op.sub(one, op.exp(op.neg(y))));
    default:
      throw call.unsupported(`its activation is ${call.text('activation', '').slice(0, 40)}`);
  }
}
