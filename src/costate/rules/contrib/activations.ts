import * as op from '../../../graph/op.ts';
import type { Value } from '../../../graph/value.ts';
import { type Rule, type RuleCall, rule } from '../../call.ts';
import { scalarLike } from '../../pieces.ts';
import { throughForward } from '../../through.ts';

/** Activations, some with what ONNX Runtime fuses before them. */
export const activationRules: Readonly<Record<string, Rule>> = {
  Gelu: through('as Gelu', (call) => op.gelu(call.x(0))),
  BiasGelu: through('as Gelu of a + b', (call) => op.gelu(op.add(call.x(0), call.x(1)))),
  FastGelu: through('as Gelu by tanh of x + bias', (call) =>
    op.gelu(biased(call.x(0), call.maybe(1)), { approximate: 'tanh' }),
  ),
  QuickGelu: through('through x sigmoid(alpha x)', (call) => swish(call.x(0), call.float('alpha', 1.702))),
  BiasSoftmax: through('as Softmax of data + bias', (call) => {
    const axis = call.int('axis', 1);
    const [data, bias] = [call.x(0), call.x(1)];
    if (call.int('is_inner_broadcast', 0) !== 0 || axis !== call.rank(data) - 1)
      throw call.unsupported(
        'its bias is spread along other axes than the first, or more than one axis is its softmax',
      );
    return op.softmax(op.add(data, bias));
  }),
};

/** A rule through the operator as others compute it. */
export function through(says: string, forward: (call: RuleCall) => Value, note?: string): Rule {
  return rule(says, (call) => throughForward(call, () => [forward(call)]), note === undefined ? {} : { note });
}

function biased(x: Value, bias: Value | undefined): Value {
  return bias === undefined ? x : op.add(x, bias);
}

function swish(x: Value, alpha: number): Value {
  return op.mul(x, op.sigmoid(alpha === 1 ? x : op.mul(x, scalarLike(x, alpha))));
}
