import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import type { Call } from '../lower/call.ts';
import type { Lowering, Rules } from '../lower/rule.ts';

/** One tensor in, one out, the same element type. */
const unary =
  (maker: (x: Value) => Value): Lowering =>
  (call) =>
    maker(call.tensor('self'));

/** Two operands, tensors or numbers, in the element type that PyTorch computes in. */
const binary =
  (maker: (a: Value, b: Value) => Value): Lowering =>
  (call) => {
    const [a, b] = call.together('self', 'other') as [Value, Value];
    return maker(a, b);
  };

/** `self + alpha * other`. */
const sum =
  (maker: (a: Value, b: Value) => Value): Lowering =>
  (call) => {
    const [a, b] = call.together('self', 'other') as [Value, Value];
    return maker(a, scaled(call, b));
  };

function scaled(call: Call, x: Value): Value {
  const alpha = call.scalar('alpha', 1);
  return alpha === 1 ? x : op.mul(x, call.number('alpha', x.dtype ?? 'float32'));
}

export const elementwiseRules: Rules = {
  'aten.relu.default': unary(op.relu),
  'aten.tanh.default': unary(op.tanh),
  'aten.sigmoid.default': unary(op.sigmoid),
  'aten.exp.default': unary(op.exp),
  'aten.add.Tensor': sum(op.add),
  'aten.sub.Tensor': sum(op.sub),
  'aten.mul.Tensor': binary(op.mul),
  'aten.div.Tensor': (call) => {
    const dtype = call.outDType();
    return op.div(call.tensorOrScalar('self', dtype), call.tensorOrScalar('other', dtype));
  },
  'aten.clone.default': (call) => call.tensor('self'),
};
