import { isFloat } from '../../files/dtype.ts';
import { toNumbers } from '../../files/tensor.ts';
import * as op from '../../graph/op.ts';
import { constantTensor } from '../../graph/passes/constants.ts';
import type { Value } from '../../graph/value.ts';
import { binary, summedTo } from '../broadcast.ts';
import { type Rule, rule, unary, zero } from '../call.ts';
import { cast, numbers, scalarLike } from '../pieces.ts';

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
    (g, _, b, y) => op.neg(op.div(op.mul(g, y), b)),
  ),
  Pow: binary(
    'g b a^(b-1); g y log a',
    (g, a, b) => powerToBase(g, a, b),
    (g, a, b, y) => powerToExponent(g, a, b, y),
    'to the base 0 where b = 0, to the exponent 0 where a = 0 and b >= 0, as PyTorch; integer exponents pass nothing',
  ),
  Mod: binary(
    'g; -g trunc(a / b)',
    (g) => g,
    (g, a, b, y) => op.neg(op.mul(g, op.round(op.div(op.sub(a, y), b)))),
    'fmod = 1, the only form for floating-point numbers',
  ),
  Sum: rule('g to every input', (call) =>
    call.node.inputs.map((x, index) =>
      call.to(index, () => (x === undefined ? undefined : summedTo(call.g(), x, others(call.node.inputs, index)))),
    ),
  ),
  Mean: rule('g / n to every input', (call) => {
    const { inputs } = call.node;
    const share = op.mul(call.g(), scalarLike(call.g(), 1 / inputs.length));
    return inputs.map((x, index) =>
      call.to(index, () => (x === undefined ? undefined : summedTo(share, x, others(inputs, index)))),
    );
  }),
  Max: extreme('the greatest'),
  Min: extreme('the least'),
  Where: rule('g where the condition holds; g where it does not', (call) => {
    const [g, condition, a, b] = [call.g(), call.x(0), call.x(1), call.x(2)];
    const nothing = scalarLike(g, 0);
    return [
      undefined,
      call.to(1, () => summedTo(op.where(condition, g, nothing), a, [condition, b])),
      call.to(2, () => summedTo(op.where(condition, nothing, g), b, [condition, a])),
    ];
  }),
  Clip: rule(
    'g where min <= x <= max; to min and max g where they hold x back',
    (call) => {
      const [g, x, low, high] = [call.g(), call.x(0), call.maybe(1), call.maybe(2)];
      const nothing = scalarLike(g, 0);
      const above = low === undefined ? undefined : op.greaterOrEqual(x, low);
      const below = high === undefined ? undefined : op.lessOrEqual(x, high);
      const inside = above === undefined || below === undefined ? (above ?? below) : op.and(above, below);
      // min above max gives max everywhere, and all of g goes there.
      const under =
        low === undefined
          ? undefined
          : high === undefined
            ? op.less(x, low)
            : op.and(op.less(x, low), op.lessOrEqual(low, high));
      return [
        call.to(0, () => (inside === undefined ? g : op.where(inside, g, nothing))),
        call.to(1, () =>
          under === undefined || low === undefined ? undefined : summedTo(op.where(under, g, nothing), low),
        ),
        call.to(2, () => {
          if (high === undefined) return undefined;
          const over = op.greater(x, high);
          const held = low === undefined ? over : op.or(over, op.greater(low, high));
          return summedTo(op.where(held, g, nothing), high);
        }),
      ];
    },
    { note: 'passes at both bounds, as clamp does' },
  ),
  Cast: rule('g cast back', (call) => [call.to(0, () => cast(call.g(), call.x(0).dtype ?? 'float32'))], {
    note: 'among floating-point types; a path through integers ends there',
  }),
  CastLike: rule('g cast back', (call) => [call.to(0, () => cast(call.g(), call.x(0).dtype ?? 'float32'))]),
  BitCast: zero('a reinterpretation of bits has no derivative'),
  Round: zero('0'),
  Floor: zero('0'),
  Ceil: zero('0'),
  Sign: zero('0'),
};

function onePlus(x: Value): Value {
  return op.add(x, scalarLike(x, 1));
}

function oneMinus(x: Value): Value {
  return op.sub(scalarLike(x, 1), x);
}

function others(inputs: readonly (Value | undefined)[], index: number): Value[] {
  return inputs.filter((value, at): value is Value => value !== undefined && at !== index);
}

/** g b a^(b-1), by fewer operators where the exponent is a number that is known. */
function powerToBase(g: Value, a: Value, b: Value): Value {
  const exponent = singleNumber(b);
  if (exponent === 1) return g;
  if (exponent === 2) return op.mul(g, op.mul(a, scalarLike(a, 2)));
  if (exponent !== undefined) {
    if (exponent === 0) return op.mul(g, scalarLike(a, 0));
    const power = exponent === 3 ? op.mul(a, a) : op.pow(a, scalarLike(a, exponent - 1));
    return op.mul(g, op.mul(power, scalarLike(a, exponent)));
  }
  const real = cast(b, a.dtype ?? 'float32');
  const slope = op.mul(real, op.pow(a, op.sub(real, scalarLike(a, 1))));
  return op.mul(g, op.where(op.equal(real, scalarLike(a, 0)), scalarLike(a, 0), slope));
}

function powerToExponent(g: Value, a: Value, b: Value, y: Value): Value | undefined {
  if (b.dtype !== undefined && !isFloat(b.dtype)) return undefined;
  const nothing = scalarLike(a, 0);
  const zeroBase = op.equal(a, nothing);
  // log is asked of 1 where it is not used, so that no infinity meets a zero there, nor in the next derivative.
  const log = op.log(op.where(zeroBase, scalarLike(a, 1), a));
  const settled = op.and(zeroBase, op.greaterOrEqual(b, scalarLike(b, 0)));
  const bar = op.mul(g, op.mul(y, log));
  return cast(op.where(settled, nothing, bar), b.dtype ?? 'float32');
}

function singleNumber(x: Value): number | undefined {
  const tensor = constantTensor(x);
  return tensor !== undefined && tensor.shape.every((dim) => dim === 1) && tensor.dtype !== 'string'
    ? toNumbers(tensor)[0]
    : undefined;
}

/** Max and Min of any number of inputs: those that attain it share g evenly, as PyTorch's maximum. */
function extreme(which: string): Rule {
  return rule(
    `g to the inputs that attain ${which}, shared evenly`,
    (call) => {
      const { inputs } = call.node;
      const [g, y] = [call.g(), call.y()];
      if (inputs.length === 1) return [g];
      const hits = inputs.map((x) => (x === undefined ? undefined : numbers(op.equal(x, y), g)));
      const present = hits.filter((hit) => hit !== undefined);
      const count = present.reduce((sum, hit) => op.add(sum, hit));
      const share = op.div(g, count);
      return inputs.map((x, index) => {
        const hit = hits[index];
        return call.to(index, () =>
          x === undefined || hit === undefined ? undefined : summedTo(op.mul(share, hit), x, others(inputs, index)),
        );
      });
    },
    { note: 'ties are shared evenly' },
  );
}
