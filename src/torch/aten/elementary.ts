import { isFloat } from '../../files/dtype.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { cast } from '../lower/call.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { inSingle, like, plus, throughSingle, times, workable, worked } from './kernels.ts';

type Maker = (x: Value) => Value;

/** A function on floating-point numbers: integers are converted first. */
const real =
  (maker: Maker): Lowering =>
  (call) =>
    maker(cast(call.tensor('self'), call.outDType()));

/** One of which runtimes have a kernel in single precision only. */
const single = (maker: Maker): Lowering => real((x) => throughSingle(x, maker));

/** One of several operators, which half precision would not survive. */
const composed = (maker: Maker): Lowering => real((x) => maker(inSingle(x)));

/** A function that keeps the element type. */
const kept =
  (maker: Maker): Lowering =>
  (call) =>
    maker(call.tensor('self'));

/** A function that leaves integers as they are. */
const rounding =
  (maker: Maker): Lowering =>
  (call) => {
    const x = call.tensor('self');
    return isReal(x) ? maker(x) : x;
  };

function isReal(x: Value): boolean {
  return x.dtype === undefined || isFloat(x.dtype);
}

export const elementaryRules: Rules = {
  'aten.abs.default': kept((x) => (x.dtype === 'bool' ? x : op.abs(x))),
  'aten.neg.default': kept((x) => worked(x, op.neg)),
  'aten.positive.default': kept((x) => x),
  'aten.sign.default': kept(sign),
  'aten.sgn.default': kept(sign),
  'aten.square.default': kept((x) => worked(x, (wide) => op.mul(wide, wide))),
  'aten.sqrt.default': real(op.sqrt),
  'aten.rsqrt.default': real((x) => op.reciprocal(op.sqrt(x))),
  'aten.reciprocal.default': real(op.reciprocal),
  'aten.exp.default': real(op.exp),
  'aten.exp2.default': real((x) => op.pow(like(x, 2), x)),
  'aten.expm1.default': composed((x) => op.mul(op.tanh(times(x, 0.5)), plus(op.exp(x), 1))),
  'aten.log.default': real(op.log),
  'aten.log2.default': composed((x) => times(op.log(x), Math.LOG2E)),
  'aten.log10.default': composed((x) => times(op.log(x), Math.LOG10E)),
  'aten.log1p.default': composed(log1p),
  'aten.sin.default': real(op.sin),
  'aten.cos.default': real(op.cos),
  'aten.tan.default': single(op.tan),
  'aten.asin.default': single(op.asin),
  'aten.acos.default': single(op.acos),
  'aten.atan.default': single(op.atan),
  'aten.sinh.default': single(op.sinh),
  'aten.cosh.default': single(op.cosh),
  'aten.tanh.default': real(op.tanh),
  'aten.asinh.default': single(op.asinh),
  'aten.acosh.default': single(op.acosh),
  'aten.atanh.default': single(op.atanh),
  'aten.sinc.default': composed(sinc),
  'aten.deg2rad.default': real((x) => times(x, Math.PI / 180)),
  'aten.rad2deg.default': real((x) => times(x, 180 / Math.PI)),
  'aten.sigmoid.default': real(sigmoid),
  'aten.logit.default': (call) => {
    const x = inSingle(cast(call.tensor('self'), call.outDType()));
    const eps = call.has('eps') ? call.float('eps') : undefined;
    const p = eps === undefined ? x : op.clip(x, like(x, eps), like(x, 1 - eps));
    return op.log(op.div(p, op.sub(like(p, 1), p)));
  },
  'aten.floor.default': rounding(op.floor),
  'aten.ceil.default': rounding(op.ceil),
  'aten.trunc.default': rounding(truncated),
  'aten.frac.default': kept((x) => op.mod(x, like(x, 1), { fmod: 1 })),
  'aten.round.default': rounding(op.round),
  'aten.round.decimals': (call) => {
    const [x, decimals] = [call.tensor('self'), call.int('decimals', 0)];
    if (!isReal(x)) {
      if (decimals < 0) throw call.unsupported('negative decimals of integers');
      return x;
    }
    const power = constant(10 ** Math.abs(decimals), x.dtype);
    if (decimals === 0) return op.round(x);
    return decimals > 0 ? op.div(op.round(op.mul(x, power)), power) : op.mul(op.round(op.div(x, power)), power);
  },
  'aten.isnan.default': kept((x) => (isReal(x) ? op.isNaN(x) : never(x))),
  'aten.isinf.default': kept((x) => (isReal(x) ? infinite(x) : never(x))),
  'aten.isposinf.default': kept((x) => (isReal(x) ? op.equal(x, like(x, Number.POSITIVE_INFINITY)) : never(x))),
  'aten.isneginf.default': kept((x) => (isReal(x) ? op.equal(x, like(x, Number.NEGATIVE_INFINITY)) : never(x))),
  'aten.isfinite.default': kept((x) =>
    isReal(x) ? op.less(op.abs(x), like(x, Number.POSITIVE_INFINITY)) : op.not(never(x)),
  ),
  'aten.signbit.default': kept((x) => {
    if (x.dtype === 'bool') return never(x);
    const wide = cast(x, workable(x.dtype ?? 'float32'));
    const negative = op.less(wide, like(wide, 0));
    // The reciprocal of -0 is -inf.
    return isReal(x) ? op.or(negative, op.less(op.reciprocal(x), like(x, 0))) : negative;
  }),
  'aten.nan_to_num.default': (call) => {
    const x = call.tensor('self');
    const largest = { float16: 65504, float32: 3.4028234663852886e38, float64: Number.MAX_VALUE };
    const most = x.dtype === 'float16' || x.dtype === 'float64' ? largest[x.dtype] : largest.float32;
    const [nan, positive, negative] = [call.float('nan', 0), call.float('posinf', most), call.float('neginf', -most)];
    if (!isReal(x)) return x;
    const replaced = (y: Value, infinity: number, by: number) =>
      op.where(op.equal(x, like(x, infinity)), like(x, by), y);
    const above = replaced(op.where(op.isNaN(x), like(x, nan), x), Number.POSITIVE_INFINITY, positive);
    return replaced(above, Number.NEGATIVE_INFINITY, negative);
  },
};

function sign(x: Value): Value {
  return x.dtype === 'bool' ? x : op.sign(x);
}

/** ONNX Runtime fuses x sigmoid(x) into an operator that has no float64: there the sigmoid is written out. */
export function sigmoid(x: Value): Value {
  return x.dtype === 'float64' ? op.reciprocal(plus(op.exp(op.neg(x)), 1)) : op.sigmoid(x);
}

/** Towards zero, which ONNX has no operator for. */
export function truncated(x: Value): Value {
  return op.mul(op.sign(x), op.floor(op.abs(x)));
}

/** False everywhere. */
function never(x: Value): Value {
  return op.xor(cast(x, 'bool'), cast(x, 'bool'));
}

function infinite(x: Value): Value {
  return x.dtype === 'float16' ? op.equal(op.abs(x), like(x, Number.POSITIVE_INFINITY)) : op.isInf(x);
}

/**
 * log(1 + x), less what rounding 1 + x added to x: where x is small that is all the difference, and elsewhere it is none. The bounds keep
 * infinities out of the difference.
 */
export function log1p(x: Value): Value {
  const small = op.clip(x, like(x, -0.5), like(x, 0.5));
  const rounded = op.sub(plus(small, 1), like(x, 1));
  return op.sub(op.log(plus(x, 1)), op.sub(rounded, small));
}

function sinc(x: Value): Value {
  const atZero = op.equal(x, like(x, 0));
  const z = times(op.where(atZero, like(x, 1), x), Math.PI);
  return op.where(atZero, like(x, 1), op.div(op.sin(z), z));
}
