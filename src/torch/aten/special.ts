import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { cast } from '../lower/call.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { inSingle, like, plus, throughSingle, times } from './kernels.ts';

const composed =
  (maker: (x: Value) => Value): Lowering =>
  (call) =>
    maker(inSingle(cast(call.tensor('self'), call.outDType())));

/** Of which float32 would lose too much on the way. */
const precise =
  (maker: (x: Value) => Value): Lowering =>
  (call) => {
    const dtype = call.outDType();
    return cast(maker(cast(call.tensor('self'), 'float64')), dtype);
  };

/** A polynomial by Horner's rule, the highest coefficient first. */
function polynomial(x: Value, [first = 0, ...rest]: readonly number[]): Value {
  return rest.reduce<Value>((sum, coefficient) => plus(op.mul(sum, x), coefficient), like(x, first));
}

/** Chebyshev fit of log(erfc(z) e^(z^2) / t) in t = 1 / (1 + z/2), z >= 0, to 1.2e-7 of erfc (Numerical Recipes, 6.2). */
const tail = [
  0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196, 1.00002368,
  -1.26551223,
];

/** 1 - erf(x), and where that would leave nothing but rounding, from the tail itself. */
function erfc(x: Value): Value {
  const half = like(x, 0.5);
  const near = op.sub(like(x, 1), throughSingle(x, op.erf));
  const z = op.clip(x, half);
  return op.where(op.greater(x, half), op.exp(op.sub(logScaled(z), op.mul(z, z))), near);
}

/** log(erfc(z) e^(z^2)) of z >= 0. */
function logScaled(z: Value): Value {
  const t = op.reciprocal(plus(times(z, 0.5), 1));
  return op.add(op.log(t), polynomial(t, tail));
}

/** erfc(x) e^(x^2). */
function erfcx(x: Value): Value {
  const half = like(x, 0.5);
  const low = op.min([x, half]);
  return op.where(
    op.greater(x, half),
    op.exp(logScaled(op.clip(x, half))),
    op.mul(erfc(low), op.exp(op.mul(low, low))),
  );
}

/** The logarithm of the normal distribution, below -1 from the tail's own. */
function logNdtr(x: Value): Value {
  const edge = like(x, -1);
  const near = op.log(times(erfc(times(op.clip(x, edge), -Math.SQRT1_2)), 0.5));
  const z = times(op.min([x, edge]), -Math.SQRT1_2);
  return op.where(op.less(x, edge), plus(op.sub(logScaled(z), op.mul(z, z)), -Math.LN2), near);
}

/** Abramowitz and Stegun, 9.8.1 and 9.8.2: the modified Bessel function of order 0, in (x / 3.75)^2 and, times e^-x sqrt(x), in 3.75 / x. */
const besselNear = [0.0045813, 0.0360768, 0.2659732, 1.2067492, 3.0899424, 3.5156229, 1];
const besselFar = [
  0.00392377, -0.01647633, 0.02635537, -0.02057706, 0.00916281, -0.00157565, 0.00225319, 0.01328592, 0.39894228,
];

/** `scaled`: times e^-|x|. */
function i0(x: Value, scaled = false): Value {
  const size = op.abs(x);
  const edge = like(x, 3.75);
  const low = times(op.min([size, edge]), 1 / 3.75);
  const high = op.clip(size, edge);
  const near = polynomial(op.mul(low, low), besselNear);
  const far = op.div(polynomial(op.div(edge, high), besselFar), op.sqrt(high));
  const isNear = op.less(size, edge);
  if (scaled) return op.where(isNear, op.mul(near, op.exp(op.neg(op.min([size, edge])))), far);
  return op.where(isNear, near, op.mul(far, op.exp(high)));
}

/** M. Giles, Approximating the erfinv function (2010): two polynomials in w = -log(1 - x^2). */
const middle = [
  2.81022636e-8, 3.43273939e-7, -3.5233877e-6, -4.39150654e-6, 0.00021858087, -0.00125372503, -0.00417768164,
  0.246640727, 1.50140941,
];
const ends = [
  -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613, 0.00943887047,
  1.00167406, 2.83297682,
];

function erfinv(x: Value): Value {
  const one = like(x, 1);
  const atEnd = op.equal(op.abs(x), one);
  const inner = op.where(atEnd, like(x, 0), x);
  const w = op.neg(op.log(op.mul(op.sub(one, inner), op.add(one, inner))));
  const isMiddle = op.less(w, like(x, 5));
  const low = polynomial(plus(op.where(isMiddle, w, like(x, 0)), -2.5), middle);
  const high = polynomial(plus(op.sqrt(op.where(isMiddle, like(x, 9), w)), -3), ends);
  const y = op.mul(op.where(isMiddle, low, high), inner);
  const end = op.where(op.greater(x, like(x, 0)), like(x, Number.POSITIVE_INFINITY), like(x, Number.NEGATIVE_INFINITY));
  return op.where(atEnd, end, y);
}

/** How far an argument is moved to where the asymptotic series is exact to float64's last digits but a few. */
const shift = 8;

/** log |gamma(x)|: Stirling's series at x + 8, below 1/2 by reflection. */
function lgamma(x: Value): Value {
  const reflects = op.less(x, like(x, 0.5));
  const z = op.where(reflects, op.sub(like(x, 1), x), x);
  const y = plus(z, shift);
  const steps = Array.from({ length: shift }, (_, step) => plus(z, step)).reduce((a, b) => op.mul(a, b));
  const inverse = op.reciprocal(y);
  const series = op.mul(
    inverse,
    polynomial(op.mul(inverse, inverse), [1 / 1188, -1 / 1680, 1 / 1260, -1 / 360, 1 / 12]),
  );
  const stirling = op.sub(op.mul(plus(y, -0.5), op.log(y)), y);
  const value = op.sub(plus(op.add(stirling, series), Math.log(2 * Math.PI) / 2), op.log(steps));
  const sine = op.abs(op.sin(times(op.where(reflects, x, like(x, 0.5)), Math.PI)));
  return op.where(reflects, op.sub(op.sub(like(x, Math.log(Math.PI)), op.log(sine)), value), value);
}

/** The derivative of log gamma, in the same way. */
function digamma(x: Value): Value {
  const reflects = op.less(x, like(x, 0.5));
  const z = op.where(reflects, op.sub(like(x, 1), x), x);
  const y = plus(z, shift);
  const steps = Array.from({ length: shift }, (_, step) => op.reciprocal(plus(z, step))).reduce((a, b) => op.add(a, b));
  const inverse = op.reciprocal(y);
  const square = op.mul(inverse, inverse);
  const series = op.mul(square, polynomial(square, [-1 / 132, 1 / 240, -1 / 252, 1 / 120, -1 / 12]));
  const value = op.sub(op.add(op.sub(op.log(y), times(inverse, 0.5)), series), steps);
  const angle = times(op.where(reflects, x, like(x, 0.5)), Math.PI);
  const turned = times(op.div(op.cos(angle), op.sin(angle)), Math.PI);
  return op.where(reflects, op.sub(value, turned), value);
}

/** -x log x, 0 at 0, -inf below. */
function entropy(x: Value): Value {
  const zero = like(x, 0);
  const positive = op.greater(x, zero);
  const safe = op.where(op.lessOrEqual(x, zero), like(x, 1), x);
  const outside = op.where(op.less(x, zero), like(x, Number.NEGATIVE_INFINITY), zero);
  return op.where(op.or(positive, op.isNaN(x)), op.neg(op.mul(safe, op.log(safe))), outside);
}

export const specialRules: Rules = {
  'aten.erf.default': (call) => throughSingle(cast(call.tensor('self'), call.outDType()), op.erf),
  'aten.erfc.default': composed(erfc),
  'aten.erfinv.default': composed(erfinv),
  'aten.lgamma.default': precise(lgamma),
  'aten.digamma.default': precise(digamma),
  'aten.special_entr.default': composed(entropy),
  'aten.i0.default': precise((x) => i0(x)),
  'aten.special_i0.default': precise((x) => i0(x)),
  'aten.special_i0e.default': precise((x) => i0(x, true)),
  'aten.special_erfcx.default': precise(erfcx),
  'aten.special_log_ndtr.default': precise(logNdtr),
  'aten.special_ndtr.default': composed((x) => times(erfc(times(x, -Math.SQRT1_2)), 0.5)),
  'aten.special_ndtri.default': composed((p) => times(erfinv(plus(times(p, 2), -1)), Math.SQRT2)),
};
