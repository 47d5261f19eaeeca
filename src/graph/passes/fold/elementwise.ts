import { type DType, dtypeOfCode, dtypes, isFloat, isInteger } from '../../../files/dtype.ts';
import { intOf } from '../constants.ts';
import { broadcastShape, broadcastTo, countWithin, type Evaluate, isKnown, stored } from './cells.ts';

type Scalar = number | bigint;
/** undefined: the result is not defined (division by zero), so nothing is folded. */
type Binary = (a: Scalar, b: Scalar) => Scalar | undefined;

/** Runtimes compute 16-bit floats at their own precision: what they get cannot be told beforehand. */
function isShort(dtype: DType): boolean {
  return dtype === 'float16' || dtype === 'bfloat16';
}

/** Applies a function to broadcast operands of one element type. */
function binary(apply: Binary, result?: DType): Evaluate {
  return (_, [a, b], limit) => {
    if (a === undefined || b === undefined || a.dtype !== b.dtype || isShort(a.dtype)) return undefined;
    const shape = broadcastShape([a.shape, b.shape]);
    if (shape === undefined || countWithin(shape, limit) === undefined) return undefined;
    const [left, right] = [broadcastTo(a, shape).values, broadcastTo(b, shape).values];
    const values: Scalar[] = [];
    for (const [i, value] of left.entries()) {
      const out = apply(value, right[i] ?? 0);
      if (out === undefined) return undefined;
      values.push(out);
    }
    return [stored({ dtype: result ?? a.dtype, shape, values })];
  };
}

function arithmetic(
  integer: (a: bigint, b: bigint) => bigint | undefined,
  float: (a: number, b: number) => number,
): Evaluate {
  return binary((a, b) =>
    typeof a === 'bigint' && typeof b === 'bigint' ? integer(a, b) : float(Number(a), Number(b)),
  );
}

function unary(apply: (a: Scalar) => Scalar, only?: (dtype: DType) => boolean): Evaluate {
  return (_, [x]) => {
    if (x === undefined || isShort(x.dtype) || (only !== undefined && !only(x.dtype))) return undefined;
    return [stored({ ...x, values: x.values.map(apply) })];
  };
}

function comparison(holds: (a: Scalar, b: Scalar) => boolean): Evaluate {
  return binary((a, b) => Number(holds(a, b)), 'bool');
}

function logic(holds: (a: boolean, b: boolean) => boolean): Evaluate {
  return binary((a, b) => Number(holds(a !== 0, b !== 0)), 'bool');
}

function many(apply: (a: Scalar, b: Scalar) => Scalar): Evaluate {
  const pair = binary(apply);
  return (node, inputs, limit) => {
    let result = inputs[0];
    for (const input of inputs.slice(1)) result = pair(node, [result, input], limit)?.[0];
    return result === undefined ? undefined : [result];
  };
}

const cast: Evaluate = (node, [x]) => {
  const dtype = dtypeOfCode(intOf(node, 'to', 0) ?? 0);
  if (x === undefined || dtype === undefined || !isKnown(dtype)) return undefined;
  if (isInteger(dtype)) {
    if (!isFloat(x.dtype)) return [stored({ dtype, shape: x.shape, values: x.values.map(BigInt) })];
    // What a float outside the integers' range becomes differs between machines.
    const bound = 2 ** (dtypes[dtype].bits - 1);
    if (!x.values.every((value) => Math.abs(Number(value)) < bound)) return undefined;
    if (dtypes[dtype].kind === 'uint' && !x.values.every((value) => Number(value) >= 0)) return undefined;
    return [stored({ dtype, shape: x.shape, values: x.values.map((value) => BigInt(Math.trunc(Number(value)))) })];
  }
  const values = x.values.map((value) => (dtype === 'bool' ? Number(Number(value) !== 0) : Number(value)));
  return [stored({ dtype, shape: x.shape, values })];
};

const where: Evaluate = (_, [condition, a, b], limit) => {
  if (condition?.dtype !== 'bool' || a === undefined || b?.dtype !== a.dtype) return undefined;
  const shape = broadcastShape([condition.shape, a.shape, b.shape]);
  if (shape === undefined || countWithin(shape, limit) === undefined) return undefined;
  const [yes, no] = [broadcastTo(a, shape).values, broadcastTo(b, shape).values];
  const values = broadcastTo(condition, shape).values.map((holds, i) => (holds !== 0 ? yes[i] : no[i]) ?? 0);
  return [{ dtype: a.dtype, shape, values }];
};

const mod: Evaluate = (node, inputs, limit) => {
  const asC = intOf(node, 'fmod', 0) === 1;
  return arithmetic(
    (a, b) => (b === 0n ? undefined : asC ? a % b : ((a % b) + b) % b),
    (a, b) => (asC ? a % b : Number.NaN),
  )(node, asC || inputs.every((x) => x !== undefined && isInteger(x.dtype)) ? inputs : [], limit);
};

const pow: Evaluate = (node, inputs, limit) =>
  binary((a, b) =>
    typeof a === 'bigint' && typeof b === 'bigint' && b >= 0n && b <= 64n ? BigInt.asIntN(64, a ** b) : undefined,
  )(node, inputs, limit);

const isSigned = (dtype: DType) => isFloat(dtype) || dtypes[dtype].kind === 'int';
const greater = (a: Scalar, b: Scalar) => (Number.isNaN(a) || a > b ? a : b);
const less = (a: Scalar, b: Scalar) => (Number.isNaN(a) || a < b ? a : b);

export const elementwise: Readonly<Record<string, Evaluate>> = {
  Add: arithmetic(
    (a, b) => a + b,
    (a, b) => a + b,
  ),
  Sub: arithmetic(
    (a, b) => a - b,
    (a, b) => a - b,
  ),
  Mul: arithmetic(
    (a, b) => a * b,
    (a, b) => a * b,
  ),
  Div: arithmetic(
    (a, b) => (b === 0n ? undefined : a / b),
    (a, b) => a / b,
  ),
  Mod: mod,
  Pow: pow,
  Max: many(greater),
  Min: many(less),
  Equal: comparison((a, b) => a === b),
  Less: comparison((a, b) => a < b),
  LessOrEqual: comparison((a, b) => a <= b),
  Greater: comparison((a, b) => a > b),
  GreaterOrEqual: comparison((a, b) => a >= b),
  And: logic((a, b) => a && b),
  Or: logic((a, b) => a || b),
  Xor: logic((a, b) => a !== b),
  Not: unary(
    (a) => Number(a === 0),
    (dtype) => dtype === 'bool',
  ),
  Neg: unary((a) => -a, isSigned),
  Abs: unary((a) => (a < 0 ? -a : a === 0 ? (typeof a === 'bigint' ? 0n : 0) : a)),
  Ceil: unary((a) => Math.ceil(Number(a)), isFloat),
  Floor: unary((a) => Math.floor(Number(a)), isFloat),
  Sqrt: unary((a) => Math.sqrt(Number(a)), isFloat),
  Cast: cast,
  Where: where,
};
