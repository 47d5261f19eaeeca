import { addDims, compareDims, floorDivideDims, maxDim, minDim, multiplyDims, subtractDims } from '../../graph/dim.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Dim } from '../../graph/type.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast, scalarValue } from '../lower/call.ts';
import { type Result, type Scalar, Sym } from '../lower/item.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { dimOf, rankOf, sizeAt, sizesOf } from '../lower/sizes.ts';
import { isNatural, productOfSizes } from './size-math.ts';
import { isContiguous } from './strides.ts';

/** The operands of a symbolic operator in their order, whatever their names. */
function operands(call: Call): Scalar[] {
  return call.node.inputs.map(({ name }) => call.scalar(name));
}

function pair(call: Call): [Scalar, Scalar] {
  const [a, b] = operands(call);
  if (a === undefined || b === undefined) throw call.unsupported('expected two numbers');
  return [a, b];
}

/** Integers are int64, Python's floats float64, truth values bool. */
function asValue(scalar: Scalar): Value {
  if (scalar instanceof Sym) return scalar.value;
  return typeof scalar === 'number' && !Number.isInteger(scalar) ? constant(scalar, 'float64') : scalarValue(scalar);
}

function isWhole(scalar: Scalar): boolean {
  return scalar instanceof Sym
    ? !(scalar.value.dtype ?? '').startsWith('float')
    : typeof scalar !== 'number' || Number.isInteger(scalar);
}

/** Both in one type: int64 where both are whole, otherwise float64. */
function alike(a: Scalar, b: Scalar): [Value, Value] {
  const dtype = isWhole(a) && isWhole(b) ? 'int64' : 'float64';
  return [cast(asValue(a), dtype), cast(asValue(b), dtype)];
}

const dimOfScalar = (scalar: Scalar): Dim =>
  scalar instanceof Sym || typeof scalar === 'number' ? dimOf(scalar) : undefined;

/** Arithmetic on two numbers: now where both are known, in the graph otherwise. */
const arithmetic =
  (
    now: (a: number, b: number) => number,
    then: (a: Value, b: Value) => Value,
    dim: (a: Dim, b: Dim) => Dim = () => undefined,
  ): Lowering =>
  (call) => {
    const [a, b] = pair(call);
    if (typeof a === 'number' && typeof b === 'number') return now(a, b);
    const whole = isWhole(a) && isWhole(b);
    const known = whole ? dim(dimOfScalar(a), dimOfScalar(b)) : undefined;
    return typeof known === 'number' ? known : new Sym(then(...alike(a, b)), known);
  };

/** Division of integers goes down, as Python's: ONNX cuts toward zero, which is the same where nothing is negative. */
function floorDivide(a: Value, b: Value): Value {
  if (a.dtype !== 'int64') return op.floor(op.div(a, b));
  return op.div(op.sub(a, op.mod(a, b)), b);
}

const floorDivision: Lowering = (call) => {
  const [a, b] = pair(call);
  if (typeof a === 'number' && typeof b === 'number') return Math.floor(a / b);
  const [left, right] = alike(a, b);
  const sizes = isWhole(a) && isWhole(b);
  const safe = sizes && isNatural(dimOfScalar(a)) && isNatural(dimOfScalar(b));
  const dim = sizes ? floorDivideDims(dimOfScalar(a), dimOfScalar(b)) : undefined;
  return new Sym(safe ? op.div(left, right) : floorDivide(left, right), dim);
};

const remainder = (a: Value, b: Value): Value =>
  a.dtype === 'int64' ? op.mod(a, b) : op.sub(a, op.mul(op.floor(op.div(a, b)), b));

/** A float stays one, also where it is whole. */
const known = (number: number): Sym => new Sym(constant(number, 'float64'));

const trueDivision: Lowering = (call) => {
  const [a, b] = pair(call);
  if (typeof a === 'number' && typeof b === 'number') return known(a / b);
  return new Sym(op.div(cast(asValue(a), 'float64'), cast(asValue(b), 'float64')));
};

/** A comparison: decided now where it is the same whatever the sizes are. */
const comparison =
  (holds: (sign: number) => boolean, then: (a: Value, b: Value) => Value): Lowering =>
  (call) => {
    const [a, b] = pair(call);
    if (typeof a === 'number' && typeof b === 'number') return holds(Math.sign(a - b));
    if (isTruth(a) && isTruth(b)) return new Sym(then(cast(asValue(a), 'int64'), cast(asValue(b), 'int64')));
    const sign = isWhole(a) && isWhole(b) ? compareDims(dimOfScalar(a), dimOfScalar(b)) : undefined;
    return sign === undefined ? new Sym(then(...alike(a, b))) : holds(sign);
  };

function isTruth(scalar: Scalar): boolean {
  return typeof scalar === 'boolean' || (scalar instanceof Sym && scalar.value.dtype === 'bool');
}

/** Logic on truth values, bits of integers. */
const logic =
  (now: (a: number, b: number) => number, truths: (a: Value, b: Value) => Value, bits: (a: Value, b: Value) => Value) =>
  (call: Call): Result => {
    const [a, b] = pair(call);
    if (!isTruth(a) || !isTruth(b)) {
      if (typeof a === 'number' && typeof b === 'number') return now(a, b);
      return new Sym(bits(...alike(a, b)));
    }
    if (typeof a === 'boolean' && typeof b === 'boolean') return now(Number(a), Number(b)) !== 0;
    return new Sym(truths(cast(asValue(a), 'bool'), cast(asValue(b), 'bool')));
  };

const one =
  (now: (a: number) => Result, then: (a: Value, scalar: Scalar) => Result): Lowering =>
  (call) => {
    const [a] = operands(call);
    if (a === undefined) throw call.unsupported('expected a number');
    return typeof a === 'number' ? now(a) : typeof a === 'boolean' ? now(Number(a)) : then(asValue(a), a);
  };

const toWhole = one(Math.trunc, (a, scalar) =>
  isWhole(scalar) && scalar instanceof Sym ? scalar : new Sym(cast(a, 'int64')),
);
const squareRoot = one(
  (a) => known(Math.sqrt(a)),
  (a) => new Sym(op.sqrt(cast(a, 'float64'))),
);
const rounded = (make: (a: Value) => Value, now: (a: number) => number): Lowering =>
  one(now, (a, scalar) => (isWhole(scalar) ? new Sym(a) : new Sym(cast(make(a), 'int64'))));

const choice: Lowering = (call) => {
  const [condition, a, b] = operands(call);
  if (condition === undefined || a === undefined || b === undefined) throw call.unsupported('expected three values');
  if (typeof condition === 'boolean') return (condition ? a : b) as Result;
  return new Sym(op.where(cast(asValue(condition), 'bool'), ...alike(a, b)));
};

/** Truth values of a shape are numbers to nobody here. */
const operators: Rules = {
  '_operator.add': arithmetic((a, b) => a + b, op.add, addDims),
  '_operator.sub': arithmetic((a, b) => a - b, op.sub, subtractDims),
  '_operator.mul': arithmetic((a, b) => a * b, op.mul, multiplyDims),
  '_operator.floordiv': floorDivision,
  '_operator.mod': arithmetic((a, b) => a - Math.floor(a / b) * b, remainder),
  '_operator.truediv': trueDivision,
  '_operator.pow': arithmetic((a, b) => a ** b, op.pow),
  '_operator.lshift': arithmetic(
    (a, b) => a * 2 ** b,
    (a, b) => op.mul(a, op.pow(constant(2, 'int64'), b)),
  ),
  '_operator.rshift': arithmetic(
    (a, b) => Math.floor(a / 2 ** b),
    (a, b) => floorDivide(a, op.pow(constant(2, 'int64'), b)),
  ),
  '_operator.eq': comparison((sign) => sign === 0, op.equal),
  '_operator.ne': comparison(
    (sign) => sign !== 0,
    (a, b) => op.not(op.equal(a, b)),
  ),
  '_operator.lt': comparison((sign) => sign < 0, op.less),
  '_operator.le': comparison((sign) => sign <= 0, op.lessOrEqual),
  '_operator.gt': comparison((sign) => sign > 0, op.greater),
  '_operator.ge': comparison((sign) => sign >= 0, op.greaterOrEqual),
  '_operator.and_': logic((a, b) => a & b, op.and, op.bitwiseAnd),
  '_operator.or_': logic((a, b) => a | b, op.or, op.bitwiseOr),
  '_operator.neg': one(
    (a) => -a,
    (a, scalar) => new Sym(op.neg(a), subtractDims(0, dimOfScalar(scalar))),
  ),
  '_operator.pos': one(
    (a) => a,
    (_, scalar) => scalar as Sym,
  ),
  '_operator.not_': one(
    (a) => a === 0,
    (a) => new Sym(op.not(cast(a, 'bool'))),
  ),
  '_operator.index': toWhole,
  'torch.sym_not': one(
    (a) => a === 0,
    (a) => new Sym(op.not(cast(a, 'bool'))),
  ),
  'torch.sym_int': toWhole,
  'torch.sym_float': one(known, (a) => new Sym(cast(a, 'float64'))),
  'torch.sym_ite': choice,
  'torch.sym_max': arithmetic(Math.max, (a, b) => op.max([a, b]), maxDim),
  'torch.sym_min': arithmetic(Math.min, (a, b) => op.min([a, b]), minDim),
  'torch.sym_sqrt': squareRoot,
  'torch._sym_sqrt': squareRoot,
  'math.sqrt': squareRoot,
  'math.trunc': toWhole,
  'math.floor': rounded(op.floor, Math.floor),
  'math.ceil': rounded(op.ceil, Math.ceil),
  'builtins.int': toWhole,
  'builtins.round': rounded(op.round, (a) => (Math.abs(a % 1) === 0.5 ? 2 * Math.round(a / 2) : Math.round(a))),
};

/** The one number of a tensor. */
const item: Lowering = (call) => {
  const x = call.tensor('self');
  const bare = rankOf(x) === 0 ? x : op.reshape(x, constant([], 'int64'));
  const dtype = bare.dtype ?? 'float32';
  return new Sym(dtype === 'bool' ? bare : cast(bare, dtype.startsWith('float') ? 'float64' : 'int64'));
};

/** What only checks, and gives nothing. */
const nothing: Lowering = (call) => {
  call.ignore(...call.node.inputs.map(({ name }) => name));
  return [];
};

const stride: Lowering = (call) => {
  const x = call.tensor('self');
  const dim = call.int('dim');
  const meta = call.meta('self');
  const axis = dim < 0 ? dim + rankOf(x) : dim;
  const own = meta?.strides[axis];
  if (typeof own === 'number') return own;
  if (meta === undefined || !isContiguous(meta.sizes, meta.strides))
    throw call.unsupported('a stride that is not known');
  return productOfSizes(sizesOf(x).slice(axis + 1));
};

/** Assertions' tokens are tensors of no elements, in no order. */
const token: Lowering = (call) => {
  nothing(call);
  return constant([], 'float32');
};

export const symbolicRules: Rules = {
  ...operators,
  'aten.sym_size.int': (call): Result => sizeAt(call.tensor('self'), call.int('dim')),
  'aten.sym_size.default': (call): Result[] => sizesOf(call.tensor('self')),
  'aten.size.int': (call): Result => sizeAt(call.tensor('self'), call.int('dim')),
  'aten.sym_numel.default': (call): Result => productOfSizes(sizesOf(call.tensor('self'))),
  'aten.numel.default': (call): Result => productOfSizes(sizesOf(call.tensor('self'))),
  'aten.sym_stride.int': stride,
  'aten.stride.int': stride,
  'aten.sym_storage_offset.default': (call) => {
    if (call.cell('self').isView) throw call.unsupported('the place of a view in the memory of its base');
    return 0;
  },
  'aten.item.default': item,
  'aten._local_scalar_dense.default': item,
  'aten._assert_scalar.default': nothing,
  'aten._assert_async.default': nothing,
  'aten._assert_async.msg': nothing,
  'aten._assert_tensor_metadata.default': nothing,
  'aten.sym_constrain_range.default': nothing,
  'aten.sym_constrain_range_for_size.default': nothing,
  'aten.promote_types.default': nothing,
  'torch._check': nothing,
  'torch._functorch.predispatch.lazy_load_decompositions': nothing,
  'aten._functional_assert_async.msg': token,
  'aten._functional_assert_scalar.default': token,
  'aten._functional_sym_constrain_range.default': token,
  'aten._functional_sym_constrain_range_for_size.default': token,
  'aten._make_dep_token.default': token,
};
