import { fromNumbers } from '../../src/files/tensor.ts';
import { constant } from '../../src/graph/make.ts';
import * as op from '../../src/graph/op.ts';
import { binary, get, kinked, scalar, tensor, unary } from './cases.ts';
import { away, between, type Case, judged, positive, whole } from './judge.ts';

/** x to a constant power; a negative base where whole powers have one. */
function power(exponent: number): Case {
  return unary(
    `Pow with the exponent ${exponent}`,
    (x) => op.pow(x, scalar(exponent, x)),
    `x ** ${exponent}`,
    Number.isInteger(exponent) ? away([3, 4], 3, 0.3) : positive([3, 4], 3),
  );
}

judged('co-states of elementary functions', [
  unary('Identity', (x) => op.identity(op.mul(x, x)), 'x * x'),
  unary('Neg', (x) => op.neg(op.mul(x, x)), '-(x * x)'),
  unary('Abs', op.abs, 'x.abs()', away([3, 4], 1)),
  unary('Abs at 0', op.abs, 'x.abs()', tensor([2], [0, 1]), kinked),
  unary('Reciprocal', op.reciprocal, 'x.reciprocal()', away([3, 4], 1, 0.5)),
  unary('Sqrt', op.sqrt, 'x.sqrt()', positive([3, 4], 1)),
  unary('Exp', op.exp, 'x.exp()'),
  unary('Log', op.log, 'x.log()', positive([3, 4], 1)),
  unary('Sin', op.sin, 'x.sin()'),
  unary('Cos', op.cos, 'x.cos()'),
  unary('Tan', op.tan, 'x.tan()', between([3, 4], 1, -1, 1)),
  unary('Asin', op.asin, 'x.asin()', between([3, 4], 1, -0.8, 0.8)),
  unary('Acos', op.acos, 'x.acos()', between([3, 4], 1, -0.8, 0.8)),
  unary('Atan', op.atan, 'x.atan()'),
  unary('Sinh', op.sinh, 'x.sinh()'),
  unary('Cosh', op.cosh, 'x.cosh()'),
  unary('Tanh', op.tanh, 'x.tanh()'),
  unary('Asinh', op.asinh, 'x.asinh()'),
  unary('Acosh', op.acosh, 'x.acosh()', positive([3, 4], 1, 1.3)),
  unary('Atanh', op.atanh, 'x.atanh()', between([3, 4], 1, -0.8, 0.8)),
  unary('Erf', op.erf, 'torch.erf(x)'),
  unary('Exp of rank 0', op.exp, 'x.exp()', []),
  unary('Tanh of nothing', op.tanh, 'x.tanh()', [0, 3]),
  binary('Add', (a, b) => op.mul(op.add(a, b), a), '(a + b) * a', [2, 3, 4], [3, 1]),
  binary('Sub', (a, b) => op.mul(op.sub(a, b), b), '(a - b) * b', [4], [2, 3, 1]),
  binary('Mul', op.mul, 'a * b', [3, 1], [2, 1, 4]),
  unary('Mul of a value with itself', (x) => op.mul(x, x), 'x * x'),
  binary('Div', op.div, 'a / b', [2, 3, 4], positive([3, 1], 2)),
  binary('Div of rank 0 by a matrix', op.div, 'a / b', [], positive([3, 2], 2)),
  binary('Mul with nothing', op.mul, 'a * b', [1, 3], [0, 1]),
  binary(
    'Mod',
    (a, b) => op.mod(a, b, { fmod: 1 }),
    'torch.fmod(a, b)',
    tensor([2, 2], [5.3, -5.3, 0.4, -7.7]),
    tensor([2, 2], [0.7, 1.1, 3, -2.4]),
  ),
  binary(
    'Mod by one divisor',
    (a, b) => op.mul(op.mod(a, b, { fmod: 1 }), a),
    'torch.fmod(a, b) * a',
    away([3, 2], 4, 2),
    tensor([], [-0.7]),
  ),
  {
    name: 'Sum of four',
    inputs: { a: [2, 3], b: [3], c: [], d: [2, 1] },
    build: (v) => op.sum([op.mul(get(v, 'a'), get(v, 'b')), get(v, 'b'), get(v, 'c'), get(v, 'd')]),
    torch: 'a * b + b + c + d',
  },
  { name: 'Sum of one', inputs: { a: [2, 3] }, build: (v) => op.sum([op.exp(get(v, 'a'))]), torch: 'a.exp()' },
  {
    name: 'Mean of three',
    inputs: { a: [2, 3], b: [1, 3], c: [2, 1] },
    build: (v) => op.exp(op.mean([get(v, 'a'), get(v, 'b'), get(v, 'c')])),
    torch: '((a + b + c) / 3).exp()',
  },
  { name: 'Mean of one', inputs: { a: [2, 3] }, build: (v) => op.mean([op.exp(get(v, 'a'))]), torch: 'a.exp()' },
  ...Object.entries({ round: op.round, floor: op.floor, ceil: op.ceil, sign: op.sign }).map(([name, make]) =>
    unary(
      `${name} passes nothing`,
      (x) => op.mul(make(x), x),
      `torch.${name}(x) * x`,
      tensor([2, 2], [0.3, -1.7, 2.2, -0.1]),
    ),
  ),
  unary(
    'Cast to float32 and back',
    (x) => op.cast(op.cast(op.mul(x, x), { to: 'float32' }), { to: x.dtype ?? 'float32' }),
    '(x * x).float().double()',
    [3, 4],
    { tolerance: { ...kinked.tolerance, torch: 1e-6 } },
  ),
  {
    name: 'CastLike',
    inputs: { x: [3, 4], like: fromNumbers('float32', [1], [0]) },
    build: (v, dtype) => op.cast(op.castLike(op.exp(get(v, 'x')), get(v, 'like')), { to: dtype }),
    torch: 'x.exp().float().double()',
    tolerance: { ...kinked.tolerance, torch: 1e-6 },
  },
]);

judged('co-states of powers', [
  binary('Pow', op.pow, 'a ** b', positive([2, 3], 1), [3]),
  binary('Pow of a broadcast base', op.pow, 'a ** b', positive([3, 1], 1), [2, 1, 4]),
  ...[1, 2, 3, 4, 0.5, -1, -0.5, 1.7, -2].map(power),
  unary('Pow with the exponent 0', (x) => op.add(op.pow(x, scalar(0, x)), op.mul(x, x)), 'x ** 0 + x * x'),
  unary('Pow with the exponent 2 of a greater rank', (x) => op.pow(x, constant([[2]], x.dtype)), 'x[None] ** 2', [3]),
  unary(
    'Pow of 0 to constant powers',
    (x) => op.add(op.pow(x, scalar(2, x)), op.pow(x, scalar(3, x))),
    'x ** 2 + x ** 3',
    [0],
  ),
  unary(
    'Pow of zeros',
    (x) => op.add(op.pow(x, scalar(2, x)), op.pow(x, scalar(3, x))),
    'x ** 2 + x ** 3',
    tensor([2], [0, 1]),
  ),
  unary('Pow of a constant base', (x) => op.pow(scalar(2.5, x), x), '2.5 ** x'),
  unary('Pow of the base 0', (x) => op.add(op.pow(scalar(0, x), x), x), '0 * x + x', positive([3, 4], 2)),
  {
    name: 'Pow with integer exponents',
    inputs: { a: away([2, 4], 2, 0.5), n: whole('int64', [4], [0, 1, 2, -2]) },
    build: (v) => op.pow(get(v, 'a'), get(v, 'n')),
    torch: 'a ** n',
  },
  {
    name: 'Pow of zeros with integer exponents',
    inputs: { a: tensor([4, 1], [0, 0.5, 0, -1]), n: whole('int64', [4], [0, 1, 2, 3]) },
    build: (v) => op.pow(get(v, 'a'), get(v, 'n')),
    // PyTorch's a ** n has NaN for its second derivative where both are 0.
    torch: 'torch.cat([torch.ones_like(a), a, a * a, a * a * a], 1)',
  },
  // PyTorch's second order is NaN at a base 0.
  binary('Pow of zeros', op.pow, 'a ** b', tensor([3, 1], [0, 2, 0]), tensor([3], [0, 1, 2]), {
    ...kinked,
    second: false,
  }),
  binary('Pow with exponents 0', op.pow, 'a ** b', positive([3], 4), tensor([3], [0, 1, 0]), {
    // PyTorch takes the derivative b a^(b-1) for a constant 0 where b = 0, and so misses d/db of it.
    torch: 'torch.exp(b * torch.log(a))',
  }),
  binary('Pow of rank 0', op.pow, 'a ** b', tensor([], [1.3]), tensor([], [0.7])),
  {
    name: 'Pow with a constant vector of exponents',
    inputs: { a: positive([2, 3], 6) },
    build: (v, dtype) => op.pow(get(v, 'a'), constant([0.5, -1.5, 3], dtype)),
    torch: 'a ** torch.tensor([0.5, -1.5, 3.0])',
  },
]);
