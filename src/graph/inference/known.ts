import { type DType, dtypes, isFloat } from '../../files/dtype.ts';
import {
  addDims,
  compareDims,
  divideExactly,
  floorDivideDims,
  maxDim,
  minDim,
  multiplyDims,
  subtractDims,
} from '../dim.ts';
import type { Call } from '../rule.ts';
import type { Dim } from '../type.ts';
import type { KnownDims } from '../value.ts';
import { knownDims, knownLimit } from './constant.ts';

/** An elementwise function of known elements; `float` where they are floating-point numbers. */
export type KnownFunction = (elements: readonly Dim[], float: boolean) => Dim;

/** The known contents of an elementwise operator over inputs of rank 0 or 1, element by element with broadcasting; undefined where nothing is known. */
export function knownElementwise(
  call: Call,
  dtype: DType | undefined,
  compute: KnownFunction,
  indices: readonly number[] = call.inputs.map((_, index) => index),
): KnownDims | undefined {
  const inputs = indices.map((index) => knownDims(call.inputs[index]));
  const lengths = inputs.map((input) => input?.length ?? -1);
  const length = Math.max(...lengths.filter((size) => size !== 1), lengths.includes(1) ? 1 : 0);
  const empty = lengths.includes(0);
  if (lengths.includes(-1) || length > knownLimit) return undefined;
  if (empty) return lengths.every((size) => size <= 1) ? [] : undefined;
  if (!lengths.every((size) => size === 1 || size === length)) return undefined;
  const float = indices.some((index) => isFloatInput(call, index));
  const out: Dim[] = [];
  for (let i = 0; i < length; i++) {
    const elements = inputs.map((input) => input?.[input.length === 1 ? 0 : i]);
    out.push(representable(compute(elements, float), dtype));
  }
  return someKnown(out);
}

/** Contents of which at least one element is known. */
export function someKnown(dims: KnownDims): KnownDims | undefined {
  return dims.length === 0 || dims.some((dim) => dim !== undefined) ? dims : undefined;
}

/** The element as its dtype holds it; undefined where it does not fit (what wraps around is not followed). */
export function representable(dim: Dim, dtype: DType | undefined): Dim {
  if (typeof dim !== 'number' || dtype === undefined) return dim;
  const { kind, bits } = dtypes[dtype];
  switch (kind) {
    case 'float':
      if (bits === 64) return dim;
      if (bits === 32) return Math.fround(dim);
      return Number.isInteger(dim) && Math.abs(dim) <= 256 && bits === 16 ? dim : undefined;
    case 'int':
      return Number.isSafeInteger(dim) && Math.abs(dim) < 2 ** (bits - 1) ? dim : undefined;
    case 'uint':
      return Number.isSafeInteger(dim) && dim >= 0 && dim < 2 ** bits ? dim : undefined;
    case 'bool':
      return dim === 0 || dim === 1 ? dim : undefined;
    default:
      return undefined;
  }
}

function isFloatInput(call: Call, index: number): boolean {
  const dtype = call.inputs[index]?.dtype;
  return dtype !== undefined && isFloat(dtype);
}

function arithmetic(numeric: (a: number, b: number) => number, symbolic: (a: Dim, b: Dim) => Dim): KnownFunction {
  return ([a, b], float) => (float && typeof a === 'number' && typeof b === 'number' ? numeric(a, b) : symbolic(a, b));
}

/** Integer division truncates (C semantics); sizes are not negative, so that of symbols is a floor. */
function truncatingDivide(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return b === 0 ? undefined : Math.trunc(a / b) + 0;
  if (typeof b === 'number' && b <= 0) return divideExactly(a, b);
  return compareDims(a, 0) === -1 ? divideExactly(a, b) : floorDivideDims(a, b);
}

/** Remainder with the divisor's sign, as Mod with fmod = 0. */
export function floorModulo(a: Dim, b: Dim): Dim {
  return subtractDims(a, multiplyDims(b, floorDivideDims(a, b)));
}

function comparison(holds: (sign: number) => boolean, either: (orders: readonly boolean[]) => Dim): KnownFunction {
  return ([a, b]) => {
    const sign = compareDims(a, b);
    return sign === undefined ? either([]) : holds(sign) ? 1 : 0;
  };
}

const unknown = (): Dim => undefined;

export const knownFunctions = {
  Add: arithmetic((a, b) => a + b, addDims),
  Sub: arithmetic((a, b) => a - b, subtractDims),
  Mul: arithmetic((a, b) => a * b, multiplyDims),
  Div: (elements, float) =>
    float ? arithmetic((a, b) => a / b, divideExactly)(elements, true) : truncatingDivide(elements[0], elements[1]),
  Pow: ([a, b]) => (typeof a === 'number' && typeof b === 'number' ? a ** b : b === 1 ? a : undefined),
  Min: fold(Math.min, minDim),
  Max: fold(Math.max, maxDim),
  Sum: fold((a, b) => a + b, addDims),
  Neg: ([a], float) => (float && typeof a === 'number' ? -a : subtractDims(0, a)),
  Abs: ([a]) => {
    if (typeof a === 'number') return Math.abs(a);
    const sign = compareDims(addDims(a, 1), 0);
    return sign === 1 ? a : undefined;
  },
  Sign: ([a]) => (typeof a === 'number' ? Math.sign(a) : compareDims(a, 0)),
  /** Symbols are whole numbers already. */
  Floor: ([a]) => (typeof a === 'number' ? Math.floor(a) : a),
  Ceil: ([a]) => (typeof a === 'number' ? Math.ceil(a) + 0 : a),
  Round: ([a]) => (typeof a === 'number' ? roundHalfEven(a) : a),
  Sqrt: ([a]) => (typeof a === 'number' && a >= 0 ? Math.sqrt(a) : undefined),
  Reciprocal: ([a]) => (typeof a === 'number' && a !== 0 ? 1 / a : undefined),
  Identity: ([a]) => a,
  Equal: comparison((sign) => sign === 0, unknown),
  Greater: comparison((sign) => sign > 0, unknown),
  GreaterOrEqual: comparison((sign) => sign >= 0, unknown),
  Less: comparison((sign) => sign < 0, unknown),
  LessOrEqual: comparison((sign) => sign <= 0, unknown),
  Not: ([a]) => (typeof a === 'number' ? 1 - a : undefined),
  And: ([a, b]) => (a === 0 || b === 0 ? 0 : a === 1 && b === 1 ? 1 : undefined),
  Or: ([a, b]) => (a === 1 || b === 1 ? 1 : a === 0 && b === 0 ? 0 : undefined),
  Xor: ([a, b]) => (typeof a === 'number' && typeof b === 'number' ? Number(a !== b) : undefined),
  Where: ([condition, x, y]) => (condition === 1 ? x : condition === 0 ? y : compareDims(x, y) === 0 ? x : undefined),
} as const satisfies Record<string, KnownFunction>;

function fold(numeric: (a: number, b: number) => number, symbolic: (a: Dim, b: Dim) => Dim): KnownFunction {
  const step = arithmetic(numeric, symbolic);
  return (elements, float) => elements.reduce<Dim>((a, b, index) => (index === 0 ? b : step([a, b], float)), undefined);
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const half = value - floor === 0.5;
  return half ? floor + (floor % 2 === 0 ? 0 : 1) : Math.round(value) + 0;
}
