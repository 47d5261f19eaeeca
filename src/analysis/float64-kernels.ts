import { fromNumbers } from '../files/tensor.ts';
import type { Model } from '../graph/graph.ts';
import { constant } from '../graph/make.ts';
import * as op from '../graph/op.ts';
import { textOf } from '../graph/passes/constants.ts';
import { levelOpsets } from '../graph/passes/opset/raise.ts';
import { rewriteModel } from '../graph/passes/rewrite.ts';
import type { Node, Value } from '../graph/value.ts';
import { numberOf } from '../reading/arguments.ts';

/**
 * A float64 model in operators that ONNX Runtime's CPU computes in float64: it has no kernels of Softplus, Erf and Gelu, and fuses x * Sigmoid(x) into
 * one it has none of either.
 */
export function withFloat64Kernels(given: Model): Model {
  const rewritten = rewriteModel(given, (node) => {
    const [x] = node.inputs;
    if (node.domain !== '' || x?.dtype !== 'float64') return undefined;
    const made = written(node, x);
    return made === undefined ? undefined : [made];
  });
  return rewritten === given ? given : levelOpsets(rewritten);
}

function written(node: Node, x: Value): Value | undefined {
  switch (node.opType) {
    case 'Sigmoid':
      return op.div(number(1), op.add(number(1), op.exp(op.neg(x))));
    case 'Softplus':
      return op.add(op.relu(x), op.log(op.add(number(1), op.exp(op.neg(op.abs(x))))));
    // ONNX Runtime 1.30 fuses a norm written with Pow into one whose eps it takes to be 1e-5 where it is a float64.
    case 'Pow':
      return numberOf(node.inputs[1]) === 2 ? op.mul(x, x) : undefined;
    case 'Erf':
      return erf(x);
    case 'Gelu':
      return textOf(node.attributes.get('approximate')) === 'tanh' ? tanhGelu(x) : gelu(x);
    default:
      return undefined;
  }
}

function gelu(x: Value): Value {
  return op.mul(op.mul(number(0.5), x), op.add(number(1), erf(op.mul(x, number(Math.SQRT1_2)))));
}

function tanhGelu(x: Value): Value {
  const cubed = op.mul(op.mul(x, x), x);
  const inner = op.mul(number(Math.sqrt(2 / Math.PI)), op.add(x, op.mul(number(0.044715), cubed)));
  return op.mul(op.mul(number(0.5), x), op.add(number(1), op.tanh(inner)));
}

/** Terms of the series that float64 needs up to |x| = 6. */
const terms = 110;

/**
 * erf(x) = 2/sqrt(pi) x exp(-x^2) sum_n (2x^2)^n/(2n + 1)!!: every term is positive, so that nothing cancels. Beyond 6 erf is 1 in float64.
 */
function erf(given: Value): Value {
  const x = op.clip(given, number(-6), number(6));
  const square = op.mul(x, x);
  let sum: Value = number(1);
  for (let n = terms; n > 0; n--) sum = op.add(number(1), op.mul(op.mul(square, number(2 / (2 * n + 1))), sum));
  return op.mul(op.mul(op.mul(number(2 / Math.sqrt(Math.PI)), x), op.exp(op.neg(square))), sum);
}

function number(value: number): Value {
  return constant(fromNumbers('float64', [], [value]));
}
