import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { away, between, type Case, judged, positive, type Values } from './judge.ts';

function get(v: Values, name: string): Value {
  const value = v[name];
  if (value === undefined) throw new Error(`no ${name}`);
  return value;
}

const x = (v: Values): Value => get(v, 'x');
const any = [3, 4];

function unary(name: string, build: (x: Value) => Value, torch: string, input: Case['inputs'][string] = any): Case {
  return { name, inputs: { x: input }, build: (v) => build(x(v)), torch };
}

function binary(
  name: string,
  build: (a: Value, b: Value) => Value,
  torch: string,
  a: Case['inputs'][string],
  b: Case['inputs'][string],
): Case {
  return { name, inputs: { a, b }, build: (v) => build(get(v, 'a'), get(v, 'b')), torch };
}

judged('co-states of elementary functions', [
  unary('Identity', (x) => op.identity(op.mul(x, x)), 'x * x'),
  unary('Neg', (x) => op.neg(op.mul(x, x)), '-(x * x)'),
  unary('Abs', op.abs, 'x.abs()', away(any, 1)),
  unary('Reciprocal', op.reciprocal, 'x.reciprocal()', away(any, 1, 0.5)),
  unary('Sqrt', op.sqrt, 'x.sqrt()', positive(any, 1)),
  unary('Exp', op.exp, 'x.exp()'),
  unary('Log', op.log, 'x.log()', positive(any, 1)),
  unary('Sin', op.sin, 'x.sin()'),
  unary('Cos', op.cos, 'x.cos()'),
  unary('Tan', op.tan, 'x.tan()', between(any, 1, -1, 1)),
  unary('Asin', op.asin, 'x.asin()', between(any, 1, -0.8, 0.8)),
  unary('Acos', op.acos, 'x.acos()', between(any, 1, -0.8, 0.8)),
  unary('Atan', op.atan, 'x.atan()'),
  unary('Sinh', op.sinh, 'x.sinh()'),
  unary('Cosh', op.cosh, 'x.cosh()'),
  unary('Tanh', op.tanh, 'x.tanh()'),
  unary('Asinh', op.asinh, 'x.asinh()'),
  unary('Acosh', op.acosh, 'x.acosh()', positive(any, 1, 1.3)),
  unary('Atanh', op.atanh, 'x.atanh()', between(any, 1, -0.8, 0.8)),
  unary('Erf', op.erf, 'torch.erf(x)'),
  binary('Add', (a, b) => op.mul(op.add(a, b), a), '(a + b) * a', [2, 3, 4], [3, 1]),
  binary('Sub', (a, b) => op.mul(op.sub(a, b), b), '(a - b) * b', [4], [2, 3, 1]),
  binary('Mul', op.mul, 'a * b', [3, 1], [2, 1, 4]),
  binary('Div', op.div, 'a / b', [2, 3, 4], positive([3, 1], 2)),
  binary('Pow', op.pow, 'a ** b', positive([2, 3], 1), [3]),
  binary('Max', (a, b) => op.max([a, b]), 'torch.maximum(a, b)', [2, 3], [3]),
  binary('Min', (a, b) => op.min([a, b]), 'torch.minimum(a, b)', [2, 3], [2, 1]),
]);
