import { isFloat } from '../../files/dtype.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { cast } from '../lower/call.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { both, operands } from './arithmetic.ts';
import { like } from './kernels.ts';

type Maker = (a: Value, b: Value) => Value;

/** Two numbers compared in the element type that PyTorch computes in. */
const compared =
  (maker: Maker): Lowering =>
  (call) =>
    maker(...operands(call));

/** As compared, and of truth values by an operator of their own. */
const equality =
  (maker: Maker): Lowering =>
  (call) => {
    const isBool = call.promoted('self', 'other') === 'bool';
    const [a, b] = isBool
      ? [call.tensorOrScalar('self', 'bool'), call.tensorOrScalar('other', 'bool')]
      : operands(call);
    return maker(a, b);
  };

const logical =
  (maker: Maker): Lowering =>
  (call) =>
    maker(cast(call.tensor('self'), 'bool'), cast(call.tensor('other'), 'bool'));

/** On the bits of integers, on truth values by logic. */
const bitwise = (name: string, ofBits: Maker, ofBool: Maker): Rules => {
  const rule: Lowering = (call) => {
    const dtype = call.promoted('self', 'other');
    const [a, b] = [call.tensorOrScalar('self', dtype), call.tensorOrScalar('other', dtype)];
    return dtype === 'bool' ? ofBool(a, b) : ofBits(a, b);
  };
  return {
    ...both(`bitwise_${name}`, rule),
    [`aten.bitwise_${name}.Scalar_Tensor`]: rule,
    ...both(`__${name}__`, rule),
    // What `&=` becomes once its last underscore, that of operators in place, is gone.
    ...both(`__i${name}_`, rule),
  };
};

export const isClose: Lowering = (call) => {
  const [a, b] = operands(call);
  const same = op.equal(a, b);
  const real = a.dtype === undefined || isFloat(a.dtype);
  const wide = (x: Value) => (real ? x : cast(x, 'float64'));
  const [x, y] = [wide(a), wide(b)];
  const allowed = op.add(op.mul(op.abs(y), like(y, call.float('rtol', 1e-5))), like(y, call.float('atol', 1e-8)));
  const difference = op.abs(op.sub(x, y));
  // An infinite tolerance lets nothing through: infinities are close to themselves alone.
  const near = op.and(
    op.lessOrEqual(difference, allowed),
    op.less(difference, constant(Number.POSITIVE_INFINITY, x.dtype)),
  );
  const close = op.or(same, near);
  if (!call.bool('equal_nan', false) || !real) return close;
  return op.or(close, op.and(op.isNaN(a), op.isNaN(b)));
};

export const comparisonRules: Rules = {
  ...both('eq', equality(op.equal)),
  ...both(
    'ne',
    equality((a, b) => (a.dtype === 'bool' ? op.xor(a, b) : op.not(op.equal(a, b)))),
  ),
  ...both('lt', compared(op.less)),
  ...both('le', compared(op.lessOrEqual)),
  ...both('gt', compared(op.greater)),
  ...both('ge', compared(op.greaterOrEqual)),
  'aten.isclose.default': isClose,
  'aten.logical_and.default': logical(op.and),
  'aten.logical_or.default': logical(op.or),
  'aten.logical_xor.default': logical(op.xor),
  'aten.logical_not.default': (call) => op.not(cast(call.tensor('self'), 'bool')),
  'aten.bitwise_not.default': (call) => {
    const x = call.tensor('self');
    return x.dtype === 'bool' ? op.not(x) : op.bitwiseNot(x);
  },
  ...bitwise('and', op.bitwiseAnd, op.and),
  ...bitwise('or', op.bitwiseOr, op.or),
  ...bitwise('xor', op.bitwiseXor, op.xor),
};
