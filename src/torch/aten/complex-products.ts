import { ints } from '../../../ops/precision.ts';
import { isValue } from '../../graph/apply.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import { Complex, type Tensorial } from '../lower/item.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { rankOf } from '../lower/sizes.ts';
import { conjugate, plus, product } from './complex-numbers.ts';
import { explicit } from './contractions.ts';
import { like } from './kernels.ts';

function factor(call: Call, name: string): Tensorial {
  return inResult(call, call.content(name));
}

function inResult(call: Call, content: Tensorial): Tensorial {
  const dtype = call.outDType();
  if (isValue(content)) return cast(content, dtype);
  return new Complex(cast(content.real, dtype), cast(content.imaginary, dtype));
}

const of =
  (first: string, second: string, prepare: (a: Tensorial) => Tensorial = (a) => a): Lowering =>
  (call) =>
    product(prepare(factor(call, first)), factor(call, second), op.matMul);

/** beta self + alpha a b */
const added =
  (first: string, second: string): Lowering =>
  (call) => {
    const made = product(factor(call, first), factor(call, second), op.matMul);
    const [alpha, beta] = [call.float('alpha', 1), call.float('beta', 1)];
    const scaled = (x: Tensorial, by: number) => (by === 1 ? x : product(x, like(isValue(x) ? x : x.real, by)));
    return plus(scaled(factor(call, 'self'), beta), scaled(made, alpha));
  };

/** Products of complex matrices, as four real ones; of a complex and a real one, as two. */
export const complexProductRules: Rules = {
  'aten.mm.default': of('self', 'mat2'),
  'aten.bmm.default': of('self', 'mat2'),
  'aten.matmul.default': of('self', 'other'),
  'aten.mv.default': of('self', 'vec'),
  'aten.dot.default': of('self', 'tensor'),
  'aten.vdot.default': of('self', 'other', conjugate),
  'aten.addmm.default': added('mat1', 'mat2'),
  'aten.baddbmm.default': added('batch1', 'batch2'),
  'aten.outer.default': (call) => {
    const a = factor(call, 'self');
    const column = (x: Value) => op.unsqueeze(x, ints(1));
    const tall = isValue(a) ? column(a) : new Complex(column(a.real), column(a.imaginary));
    return product(tall, factor(call, 'vec2'));
  },
  'aten.linear.default': (call) => {
    const weight = factor(call, 'weight');
    const turn = (x: Value) => (rankOf(x) === 2 ? op.transpose(x, { perm: [1, 0] }) : x);
    const turned = isValue(weight) ? turn(weight) : new Complex(turn(weight.real), turn(weight.imaginary));
    const made = product(factor(call, 'input'), turned, op.matMul);
    return call.has('bias') ? plus(made, factor(call, 'bias')) : made;
  },
  'aten.einsum.default': (call) => {
    call.ignore('path');
    const operands = call.contents('tensors').map((content) => inResult(call, content));
    const equation = explicit(call, call.text('equation'), operands);
    return multilinear(operands, (values) => op.einsum(values, { equation }));
  },
};

/** A product that is linear in each of many operands: the sum over their parts, i for each imaginary one. */
function multilinear(operands: readonly Tensorial[], by: (values: readonly Value[]) => Value): Tensorial {
  const sums: [Value | undefined, Value | undefined] = [undefined, undefined];
  const add = (values: readonly Value[], turns: number): void => {
    const place = turns % 2 === 0 ? 0 : 1;
    const [made, before] = [by(values), sums[place]];
    const minus = turns % 4 >= 2;
    sums[place] = before === undefined ? (minus ? op.neg(made) : made) : (minus ? op.sub : op.add)(before, made);
  };
  const walk = (place: number, values: readonly Value[], turns: number): void => {
    const operand = operands[place];
    if (operand === undefined) add(values, turns);
    else if (isValue(operand)) walk(place + 1, [...values, operand], turns);
    else {
      walk(place + 1, [...values, operand.real], turns);
      walk(place + 1, [...values, operand.imaginary], turns + 1);
    }
  };
  walk(0, [], 0);
  const [real, imaginary] = sums as [Value, Value | undefined];
  return imaginary === undefined ? real : new Complex(real, imaginary);
}
