import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { binary, summedTo } from '../broadcast.ts';
import { type Rule, rule, unary, zero } from '../call.ts';
import { cast, scalarLike } from '../pieces.ts';
import { choiceRules, without } from './choices.ts';
import { powerRules } from './powers.ts';

/** Arithmetic and elementary functions of one number or two. */
export const elementwiseRules: Readonly<Record<string, Rule>> = {
  Identity: unary('g', (g) => g),
  Neg: unary('-g', (g) => op.neg(g)),
  Abs: unary('g sign(x)', (g, x) => op.mul(g, op.sign(x)), '0 at 0'),
  Reciprocal: unary('-g y^2', (g, _, y) => op.neg(op.mul(g, op.mul(y, y)))),
  Sqrt: unary('g / (2 y)', (g, _, y) => op.div(op.mul(g, scalarLike(g, 0.5)), y)),
  Exp: unary('g y', (g, _, y) => op.mul(g, y)),
  Log: unary('g / x', (g, x) => op.div(g, x)),
  Sin: unary('g cos x', (g, x) => op.mul(g, op.cos(x))),
  Cos: unary('-g sin x', (g, x) => op.neg(op.mul(g, op.sin(x)))),
  Tan: unary('g (1 + y^2)', (g, _, y) => op.mul(g, onePlus(op.mul(y, y)))),
  Asin: unary('g / sqrt(1 - x^2)', (g, x) => op.div(g, op.sqrt(oneMinus(op.mul(x, x))))),
  Acos: unary('-g / sqrt(1 - x^2)', (g, x) => op.neg(op.div(g, op.sqrt(oneMinus(op.mul(x, x)))))),
  Atan: unary('g / (1 + x^2)', (g, x) => op.div(g, onePlus(op.mul(x, x)))),
  Sinh: unary('g cosh x', (g, x) => op.mul(g, op.cosh(x))),
  Cosh: unary('g sinh x', (g, x) => op.mul(g, op.sinh(x))),
  Tanh: unary('g (1 - y^2)', (g, _, y) => op.mul(g, oneMinus(op.mul(y, y)))),
  Asinh: unary('g / sqrt(x^2 + 1)', (g, x) => op.div(g, op.sqrt(onePlus(op.mul(x, x))))),
  Acosh: unary('g / sqrt(x^2 - 1)', (g, x) => op.div(g, op.sqrt(op.sub(op.mul(x, x), scalarLike(x, 1))))),
  Atanh: unary('g / (1 - x^2)', (g, x) => op.div(g, oneMinus(op.mul(x, x)))),
  Erf: unary('g 2/sqrt(pi) exp(-x^2)', (g, x) =>
    op.mul(g, op.mul(scalarLike(x, 2 / Math.sqrt(Math.PI)), op.exp(op.neg(op.mul(x, x))))),
  ),
  Add: binary(
    'g; g',
    (g) => g,
    (g) => g,
  ),
  Sub: binary(
    'g; -g',
    (g) => g,
    (g) => op.neg(g),
  ),
  Mul: binary(
    'g b; g a',
    (g, _, b) => op.mul(g, b),
    (g, a) => op.mul(g, a),
  ),
  Div: binary(
    'g / b; -g y / b',
    (g, _, b) => op.div(g, b),
    // g / b is made for the other side as well.
    (g, _, b, y) => op.neg(op.mul(op.div(g, b), y)),
  ),
  Mod: binary(
    'g; -g trunc(a / b)',
    (g) => g,
    (g, a, b, y) => op.neg(op.mul(g, op.round(op.div(op.sub(a, y), b)))),
    'fmod = 1, the only form for floating-point numbers',
  ),
  Sum: rule('g to every input', (call) =>
    call.node.inputs.map((x, index) =>
      call.to(index, () => (x === undefined ? undefined : summedTo(call.g(), x, without(call.node.inputs, index)))),
    ),
  ),
  Mean: rule('g / n to every input', (call) => {
    const { inputs } = call.node;
    const share = op.mul(call.g(), scalarLike(call.g(), 1 / inputs.length));
    return inputs.map((x, index) =>
      call.to(index, () => (x === undefined ? undefined : summedTo(share, x, without(inputs, index)))),
    );
  }),
  Cast: rule('g cast back', (call) => [call.to(0, () => cast(call.g(), call.x(0).dtype ?? 'float32'))], {
    note: 'among floating-point types; a path through integers ends there',
  }),
  CastLike: rule('g cast back', (call) => [call.to(0, () => cast(call.g(), call.x(0).dtype ?? 'float32'))]),
  BitCast: zero('a reinterpretation of bits has no derivative'),
  Round: zero('0'),
  Floor: zero('0'),
  Ceil: zero('0'),
  Sign: zero('0'),
  ...powerRules,
  ...choiceRules,
};

function onePlus(x: Value): Value {
  return op.add(x, scalarLike(x, 1));
}

function oneMinus(x: Value): Value {
  return op.sub(scalarLike(x, 1), x);
}
