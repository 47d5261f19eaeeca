import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import { Sym } from '../lower/item.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { log1p } from './elementary.ts';
import { inSingle, like, workable } from './kernels.ts';

/** Both overloads of a binary operator: with a tensor and with a number. */
export const both = (name: string, rule: Lowering): Rules => ({
  [`aten.${name}.Tensor`]: rule,
  [`aten.${name}.Scalar`]: rule,
});

/** The two operands in an element type that runtimes have arithmetic for; the frame cuts the result back. */
export function operands(call: Call, first = 'self', second = 'other'): [Value, Value] {
  const dtype = workable(call.promoted(first, second));
  return [call.tensorOrScalar(first, dtype), call.tensorOrScalar(second, dtype)];
}

const binary =
  (maker: (a: Value, b: Value) => Value): Lowering =>
  (call) =>
    maker(...operands(call));

/** A function of two floating-point numbers, of several operators. */
const composed =
  (maker: (a: Value, b: Value) => Value): Lowering =>
  (call) => {
    const dtype = call.outDType();
    return maker(inSingle(call.tensorOrScalar('self', dtype)), inSingle(call.tensorOrScalar('other', dtype)));
  };

/** `self + alpha * other`; of truth values, or. */
const sum =
  (maker: (a: Value, b: Value) => Value): Lowering =>
  (call) => {
    const [a, b] = operands(call);
    return cast(maker(a, scaled(call, 'alpha', b)), workable(call.outDType()));
  };

function scaled(call: Call, name: string, x: Value): Value {
  const alpha = call.scalar(name, 1);
  return alpha === 1 || alpha === true ? x : op.mul(x, call.number(name, x.dtype ?? 'float32'));
}

/** `self + value * a (b)`. */
const added =
  (maker: (a: Value, b: Value) => Value): Lowering =>
  (call) => {
    const dtype = workable(call.outDType());
    const [self, a, b] = ['self', 'tensor1', 'tensor2'].map((name) => cast(call.tensor(name), dtype)) as [
      Value,
      Value,
      Value,
    ];
    return op.add(self, scaled(call, 'value', maker(a, b)));
  };

const ldexp = composed((a, b) => op.mul(a, op.pow(like(b, 2), b)));

export const arithmeticRules: Rules = {
  ...both('add', sum(op.add)),
  ...both('sub', sum(op.sub)),
  ...both('rsub', (call) => {
    const [a, b] = operands(call);
    return op.sub(b, scaled(call, 'alpha', a));
  }),
  ...both('mul', binary(op.mul)),
  'aten.addcmul.default': added(op.mul),
  'aten.addcdiv.default': added(op.div),
  'aten.lerp.Tensor': lerp,
  'aten.lerp.Scalar': lerp,
  'aten.hypot.default': composed((a, b) => {
    const [x, y] = [op.abs(a), op.abs(b)];
    const [most, least] = [op.max([x, y]), op.min([x, y])];
    // Scaled by the larger, squares neither overflow nor vanish; 0 is left to itself.
    const ratio = op.div(least, op.where(op.equal(most, like(most, 0)), like(most, 1), most));
    return op.mul(most, op.sqrt(op.add(op.mul(ratio, ratio), like(most, 1))));
  }),
  'aten.atan2.default': composed(atan2),
  ...xlogy(['xlogy.Tensor', 'xlogy.Scalar_Self', 'xlogy.Scalar_Other'], op.log),
  ...xlogy(['special_xlogy.default', 'special_xlogy.self_scalar', 'special_xlogy.other_scalar'], op.log),
  ...xlogy(['special_xlog1py.default', 'special_xlog1py.self_scalar', 'special_xlog1py.other_scalar'], log1p, -1),
  'aten.logaddexp.default': composed((a, b) => logAddExp(a, b, 1)),
  'aten.logaddexp2.default': composed((a, b) => logAddExp(a, b, Math.LN2)),
  'aten.ldexp.Tensor': ldexp,
  'aten.ldexp.default': ldexp,
  ...both('copysign', (call) => {
    const dtype = call.outDType();
    const [a, b] = [call.tensorOrScalar('self', dtype), call.tensorOrScalar('other', dtype)];
    const zero = like(b, 0);
    // The reciprocal of -0 is -inf.
    const negative = op.or(op.less(b, zero), op.less(op.reciprocal(b), zero));
    const positive = op.abs(a);
    return op.where(negative, op.neg(positive), positive);
  }),
  'aten.heaviside.default': (call) => {
    const dtype = workable(call.outDType());
    const [x, values] = [cast(call.tensor('self'), dtype), cast(call.tensor('values'), dtype)];
    const zero = constant(0, dtype);
    return op.where(op.equal(x, zero), values, cast(op.greater(x, zero), dtype));
  },
};

function lerp(call: Call): Value {
  const dtype = call.outDType();
  const [start, end] = [call.tensor('self'), call.tensor('end')];
  const weight = call.tensorOrScalar('weight', dtype);
  return op.add(start, op.mul(weight, op.sub(end, start)));
}

/** x log(y), 0 where x is 0 whatever y but NaN; the logarithm is finite above `low`, where the gradient of x is that of a product. */
function xlogy(names: readonly string[], log: (y: Value) => Value, low = 0): Rules {
  const rule = composed((x, y) => {
    const infinite = op.or(op.lessOrEqual(y, like(y, low)), op.equal(y, like(y, Number.POSITIVE_INFINITY)));
    const zero = op.and(op.equal(x, like(x, 0)), infinite);
    return op.where(zero, like(x, 0), op.mul(x, log(op.where(zero, like(y, low + 1), y))));
  });
  return Object.fromEntries(names.map((name) => [`aten.${name}`, rule]));
}

/** max + log(1 + exp(-|difference|)) in the base e^unit; equal infinities differ by nothing. */
function logAddExp(a: Value, b: Value, unit: number): Value {
  const most = op.max([a, b]);
  const difference = op.where(op.equal(a, b), like(a, 0), op.abs(op.sub(a, b)));
  const scale = (x: Value, by: number) => (by === 1 ? x : op.mul(x, like(x, by)));
  const rest = op.log(op.add(op.exp(scale(op.neg(difference), unit)), like(a, 1)));
  return op.add(most, scale(rest, 1 / unit));
}

/** The angle of the point (b, a), by atan on the half plane b > 0 and shifts by pi elsewhere. */
export function atan2(a: Value, b: Value): Value {
  const zero = like(a, 0);
  const steep = op.greater(op.abs(a), op.abs(b));
  const origin = op.and(op.equal(a, zero), op.equal(b, zero));
  const lower = op.where(op.or(steep, origin), like(a, 1), b);
  const flat = atan(op.div(op.where(steep, zero, a), lower));
  // Where |a| > |b| the angle is measured from the other axis.
  const upper = op.where(steep, a, like(a, 1));
  const turned = op.sub(
    op.where(op.less(a, zero), like(a, -Math.PI / 2), like(a, Math.PI / 2)),
    atan(op.div(op.where(steep, b, zero), upper)),
  );
  const behind = op.where(op.less(op.reciprocal(a), zero), like(a, -Math.PI), like(a, Math.PI));
  const leftwards = op.less(op.where(op.equal(b, zero), op.reciprocal(b), b), zero);
  return op.where(steep, turned, op.add(flat, op.where(leftwards, behind, zero)));
}

function atan(x: Value): Value {
  return x.dtype === 'float64' ? cast(op.atan(cast(x, 'float32')), 'float64') : op.atan(x);
}

/** Whether an argument is a number known now, and which. */
export function knownNumber(call: Call, name: string): number | undefined {
  const argument = call.argument(name);
  if (argument === undefined || argument.kind === 'tensor') return undefined;
  const scalar = call.scalar(name);
  if (scalar instanceof Sym || typeof scalar === 'object' || typeof scalar === 'string') return undefined;
  return Number(scalar);
}
