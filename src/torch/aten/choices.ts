import { isFloat } from '../../files/dtype.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { operands } from './arithmetic.ts';
import { like, workable } from './kernels.ts';

type Maker = (a: Value, b: Value) => Value;

/** Passes NaN on; equal numbers share the gradient evenly. */
const extreme =
  (maker: (values: readonly Value[]) => Value): Lowering =>
  (call) =>
    maker(operands(call));

/** Prefers numbers to NaN; of equal ones the first takes the gradient. */
const known =
  (wins: Maker): Lowering =>
  (call) => {
    const [a, b] = operands(call);
    const first = wins(a, b);
    return op.where(isReal(a) ? op.or(first, op.isNaN(b)) : first, a, b);
  };

function isReal(x: Value): boolean {
  return x.dtype === undefined || isFloat(x.dtype);
}

const where: Lowering = (call) => {
  const [a, b] = operands(call);
  return chosen(call.tensor('condition'), a, b);
};

function chosen(condition: Value, a: Value, b: Value): Value {
  return op.where(cast(condition, 'bool'), a, b);
}

const maskedFill: Lowering = (call) => {
  const self = call.tensor('self');
  const dtype = workable(self.dtype ?? 'float32');
  return chosen(call.tensor('mask'), call.tensorOrScalar('value', dtype), cast(self, dtype));
};

/** Bounds that are numbers: held at them, the gradient passes there too. */
const clamped: Lowering = (call) => {
  const dtype = workable(call.outDType());
  const bound = (name: string) => (call.has(name) ? call.number(name, dtype) : undefined);
  return held(cast(call.tensor('self'), dtype), bound('min'), bound('max'));
};

function held(x: Value, min: Value | undefined, max: Value | undefined): Value {
  return min === undefined && max === undefined ? x : op.clip(x, min, max);
}

/** Bounds that are tensors, which broadcast; at a bound the gradient is that of x. */
const clampedByTensors: Lowering = (call) => {
  const dtype = workable(call.outDType());
  const bound = (name: string) => (call.has(name) ? cast(call.tensor(name), dtype) : undefined);
  const [x, min, max] = [cast(call.tensor('self'), dtype), bound('min'), bound('max')];
  const raised = min === undefined ? x : op.where(op.less(x, min), min, x);
  return max === undefined ? raised : op.where(op.greater(raised, max), max, raised);
};

const threshold: Lowering = (call) => {
  const x = call.tensor('self');
  const dtype = workable(x.dtype ?? 'float32');
  const wide = cast(x, dtype);
  return op.where(op.lessOrEqual(wide, call.number('threshold', dtype)), call.number('value', dtype), wide);
};

export const choiceRules: Rules = {
  'aten.maximum.default': extreme(op.max),
  'aten.minimum.default': extreme(op.min),
  'aten.max.other': extreme(op.max),
  'aten.min.other': extreme(op.min),
  'aten.fmax.default': known(op.greaterOrEqual),
  'aten.fmin.default': known(op.lessOrEqual),
  'aten.where.self': where,
  'aten.where.ScalarSelf': where,
  'aten.where.ScalarOther': where,
  'aten.where.Scalar': where,
  'aten.masked_fill.Scalar': maskedFill,
  'aten.masked_fill.Tensor': maskedFill,
  'aten.clamp.default': clamped,
  'aten.clamp_min.default': clamped,
  'aten.clamp_max.default': clamped,
  'aten.clamp.Tensor': clampedByTensors,
  'aten.clamp_min.Tensor': clampedByTensors,
  'aten.clamp_max.Tensor': clampedByTensors,
  'aten.threshold.default': threshold,
  'aten.relu.default': (call) => {
    const x = call.tensor('self');
    if (isReal(x)) return op.relu(x);
    const dtype = workable(x.dtype ?? 'float32');
    return op.max([cast(x, dtype), constant(0, dtype)]);
  },
  'aten.relu6.default': (call) => bounded(call, 0, 6),
  'aten.hardtanh.default': (call) => {
    const dtype = workable(call.outDType());
    return held(cast(call.tensor('self'), dtype), call.number('min_val', dtype, -1), call.number('max_val', dtype, 1));
  },
};

function bounded(call: Call, min: number, max: number): Value {
  const x = call.tensor('self');
  const wide = cast(x, workable(x.dtype ?? 'float32'));
  return op.clip(wide, like(wide, min), like(wide, max));
}
