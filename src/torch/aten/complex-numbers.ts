import { ints } from '../../../ops/precision.ts';
import { isValue } from '../../graph/apply.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { Complex, type Tensorial } from '../lower/item.ts';
import { atan2 } from './arithmetic.ts';
import { like, times } from './kernels.ts';

/** Arithmetic on pairs of real and imaginary parts; a real number among them is a Value, for which half of it falls away. */
export function plus(a: Tensorial, b: Tensorial): Tensorial {
  if (isValue(a) && isValue(b)) return op.add(a, b);
  const real = op.add(realOf(a), realOf(b));
  if (isValue(a)) return new Complex(real, spread(imaginaryOf(b), a));
  if (isValue(b)) return new Complex(real, spread(a.imaginary, b));
  return new Complex(real, op.add(a.imaginary, b.imaginary));
}

export function negated(a: Tensorial): Tensorial {
  return isValue(a) ? op.neg(a) : new Complex(op.neg(a.real), op.neg(a.imaginary));
}

export function minus(a: Tensorial, b: Tensorial): Tensorial {
  if (isValue(a) || isValue(b)) return plus(a, negated(b));
  return new Complex(op.sub(a.real, b.real), op.sub(a.imaginary, b.imaginary));
}

/** Any product that is linear in both: of numbers, of matrices. */
export function product(a: Tensorial, b: Tensorial, by: (a: Value, b: Value) => Value = op.mul): Tensorial {
  if (isValue(a)) return isValue(b) ? by(a, b) : new Complex(by(a, b.real), by(a, b.imaginary));
  if (isValue(b)) return new Complex(by(a.real, b), by(a.imaginary, b));
  return new Complex(
    op.sub(by(a.real, b.real), by(a.imaginary, b.imaginary)),
    op.add(by(a.real, b.imaginary), by(a.imaginary, b.real)),
  );
}

export function conjugate(a: Tensorial): Tensorial {
  return isValue(a) ? a : new Complex(a.real, op.neg(a.imaginary));
}

function squaredSize(a: Tensorial): Value {
  if (isValue(a)) return op.mul(a, a);
  return op.add(op.mul(a.real, a.real), op.mul(a.imaginary, a.imaginary));
}

export function reciprocal(a: Tensorial): Tensorial {
  if (isValue(a)) return op.reciprocal(a);
  const size = squaredSize(a);
  return new Complex(op.div(a.real, size), op.neg(op.div(a.imaginary, size)));
}

export function quotient(a: Tensorial, b: Tensorial): Tensorial {
  if (!isValue(b)) return product(a, reciprocal(b));
  return isValue(a) ? op.div(a, b) : new Complex(op.div(a.real, b), op.div(a.imaginary, b));
}

/** |a|, the length of the pair: its co-state at 0 is 0. */
export function size(a: Tensorial): Value {
  return isValue(a) ? op.abs(a) : op.reduceL2(pairs(a), ints(-1), { keepdims: false });
}

export function angle(a: Tensorial): Value {
  return atan2(imaginaryOf(a), realOf(a));
}

export function exponential(a: Tensorial): Tensorial {
  return isValue(a) ? op.exp(a) : fromPolar(op.exp(a.real), a.imaginary);
}

export function logarithm(a: Tensorial): Tensorial {
  return new Complex(times(op.log(squaredSize(a)), 0.5), angle(a));
}

export function fromPolar(length: Value, direction: Value): Complex {
  return new Complex(op.mul(length, op.cos(direction)), op.mul(length, op.sin(direction)));
}

/** The root in the right half-plane. */
export function root(a: Tensorial): Tensorial {
  const length = size(a);
  const half = (x: Value) => op.sqrt(op.relu(times(x, 0.5)));
  const [real, imaginary] = [realOf(a), imaginaryOf(a)];
  const upwards = op.where(op.less(imaginary, like(real, 0)), like(real, -1), like(real, 1));
  return new Complex(half(op.add(length, real)), op.mul(upwards, half(op.sub(length, real))));
}

/** A whole power, by squares. */
export function wholePower(a: Tensorial, exponent: number): Tensorial {
  let [result, square] = [undefined as Tensorial | undefined, a];
  for (let left = Math.abs(exponent); left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result = result === undefined ? square : product(result, square);
    if (left > 1) square = product(square, square);
  }
  if (result === undefined) return new Complex(filledLike(a, 1), filledLike(a, 0));
  return exponent < 0 ? reciprocal(result) : result;
}

export function realOf(a: Tensorial): Value {
  return isValue(a) ? a : a.real;
}

export function imaginaryOf(a: Tensorial): Value {
  return isValue(a) ? filledLike(a, 0) : a.imaginary;
}

export function asComplex(a: Tensorial): Complex {
  return isValue(a) ? new Complex(a, filledLike(a, 0)) : a;
}

/** Real and imaginary parts along a new last axis: view_as_real. */
export function pairs(a: Tensorial): Value {
  const own = asComplex(a);
  return op.concat([op.unsqueeze(own.real, ints(-1)), op.unsqueeze(own.imaginary, ints(-1))], { axis: -1 });
}

export function fromPairs(x: Value): Complex {
  const pick = (index: number) => op.gather(x, constant(index, 'int64'), { axis: -1 });
  return new Complex(pick(0), pick(1));
}

export function filledLike(a: Tensorial, number: number): Value {
  const real = realOf(a);
  return op.expand(like(real, number), op.shape(real));
}

/** What stands beside a sum with `other`, in the sizes of that sum. */
function spread(x: Value, other: Value): Value {
  const [own, wanted] = [x.shape ?? [], other.shape ?? []];
  const fits =
    wanted.length <= own.length && wanted.every((dim, i) => dim === 1 || dim === own[own.length - wanted.length + i]);
  return fits ? x : op.expand(x, op.shape(other));
}
