import { isFloat } from '../../files/dtype.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { both, knownNumber, operands } from './arithmetic.ts';
import { truncated } from './elementary.ts';
import { like } from './kernels.ts';

/** True division: integers become floating-point numbers. */
const quotient: Lowering = (call) => {
  const dtype = call.outDType();
  return op.div(call.tensorOrScalar('self', dtype), call.tensorOrScalar('other', dtype));
};

const rounded: Lowering = (call) => {
  const mode = call.has('rounding_mode') ? call.text('rounding_mode') : undefined;
  if (mode === undefined) return quotient(call);
  if (mode === 'floor') return floored(call);
  if (mode !== 'trunc') throw call.unsupported(`rounding_mode='${mode}'`);
  const [a, b] = operands(call);
  const ratio = op.div(a, b);
  return real(a) ? truncated(ratio) : ratio;
};

/** The greatest integer not above the quotient. */
const floored: Lowering = (call) => {
  const [a, b] = operands(call);
  // The remainder of integers has the sign of the divisor: the division is exact.
  if (!real(a)) return op.div(op.sub(a, op.mod(a, b)), b);
  const by = knownNumber(call, 'other');
  if (by !== undefined && isPowerOfTwo(by)) return op.floor(op.div(a, b));
  return flooredReal(a, b);
};

/**
 * As Python and PyTorch do it: 1.0 // 0.1 is 9, though the rounded quotient is 10. A divisor of 0 gives what dividing by it gives.
 */
function flooredReal(a: Value, b: Value): Value {
  const rest = op.mod(a, b, { fmod: 1 });
  const whole = op.round(op.div(op.sub(a, rest), b));
  const beyond = cast(op.less(op.mul(rest, b), like(b, 0)), b.dtype ?? 'float32');
  return op.where(op.equal(b, like(b, 0)), op.div(a, b), op.sub(whole, beyond));
}

function isPowerOfTwo(x: number): boolean {
  return x !== 0 && Number.isInteger(Math.log2(Math.abs(x)));
}

/** What is left of a division, with the sign of the divisor. */
const remainder: Lowering = (call) => {
  const [a, b] = operands(call);
  if (!real(a)) return op.mod(a, b);
  const rest = op.mod(a, b, { fmod: 1 });
  return op.add(rest, op.where(op.less(op.mul(rest, b), like(b, 0)), b, like(b, 0)));
};

const fmod: Lowering = (call) => {
  const [a, b] = operands(call);
  return op.mod(a, b, { fmod: 1 });
};

function real(x: Value): boolean {
  return x.dtype === undefined || isFloat(x.dtype);
}

/** The power by fewer and more exact operators where the exponent is a number that is known. */
const power: Lowering = (call) => {
  const exponent = knownNumber(call, 'exponent');
  const [a, b] = raised(call);
  switch (exponent) {
    case 1:
      return a;
    case 2:
      return op.mul(a, a);
    case 3:
      return real(a) ? op.pow(a, b) : op.mul(op.mul(a, a), a);
    case 0.5:
      return op.sqrt(a);
    case -0.5:
      return op.reciprocal(op.sqrt(a));
    case -1:
      return real(a) ? op.reciprocal(a) : op.pow(a, b);
    default:
      return op.pow(a, b);
  }
};

function raised(call: Call): [Value, Value] {
  const [a, b] = operands(call, 'self', 'exponent');
  return [a, b];
}

/** In float64 whatever is given. */
const floatPower: Lowering = (call) =>
  op.pow(call.tensorOrScalar('self', 'float64'), call.tensorOrScalar('exponent', 'float64'));

/** Bits moved to the left: times a power of two, which wraps around as bits do. */
const left: Lowering = (call) => {
  const [a, b] = operands(call);
  return op.mul(a, powerOfTwo(call, b));
};

/** Bits moved to the right, the sign kept: the floor of a division by a power of two. */
const right: Lowering = (call) => {
  const [a, b] = operands(call);
  const by = powerOfTwo(call, b);
  return op.div(op.sub(a, op.mod(a, by)), by);
};

function powerOfTwo(call: Call, exponent: Value): Value {
  const known = knownNumber(call, 'other');
  const dtype = exponent.dtype ?? 'int64';
  if (known !== undefined && known >= 0 && known < 31) return constant(2 ** known, dtype);
  return op.pow(constant(2, dtype), exponent);
}

export const divisionRules: Rules = {
  ...both('div', quotient),
  'aten.div.Tensor_mode': rounded,
  'aten.div.Scalar_mode': rounded,
  'aten.floor_divide.default': floored,
  'aten.floor_divide.Scalar': floored,
  // In place, overloads are called otherwise.
  'aten.floor_divide.Tensor': floored,
  ...both('remainder', remainder),
  'aten.remainder.Scalar_Tensor': remainder,
  ...both('fmod', fmod),
  'aten.pow.Tensor_Tensor': power,
  'aten.pow.Tensor_Scalar': power,
  'aten.pow.Scalar': power,
  'aten.pow.Tensor': power,
  'aten.float_power.Tensor_Tensor': floatPower,
  'aten.float_power.Tensor_Scalar': floatPower,
  'aten.float_power.Scalar': floatPower,
  'aten.float_power.Tensor': floatPower,
  'aten.bitwise_left_shift.Tensor': left,
  'aten.bitwise_left_shift.Tensor_Scalar': left,
  'aten.bitwise_left_shift.Scalar_Tensor': left,
  ...both('__lshift__', left),
  ...both('__ilshift_', left),
  'aten.bitwise_right_shift.Tensor': right,
  'aten.bitwise_right_shift.Tensor_Scalar': right,
  'aten.bitwise_right_shift.Scalar_Tensor': right,
  ...both('__rshift__', right),
  ...both('__irshift_', right),
};
