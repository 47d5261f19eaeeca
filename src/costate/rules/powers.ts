import { isFloat } from '../../files/dtype.ts';
import { toNumbers } from '../../files/tensor.ts';
import * as op from '../../graph/op.ts';
import { constantTensor } from '../../graph/passes/constants.ts';
import type { Value } from '../../graph/value.ts';
import { binary } from '../broadcast.ts';
import type { Rule } from '../call.ts';
import { cast, scalarLike } from '../pieces.ts';

export const powerRules: Readonly<Record<string, Rule>> = {
  Pow: binary(
    'g b a^(b-1); g y log a',
    powerToBase,
    powerToExponent,
    'to the base 0 where b = 0, to the exponent 0 where a = 0 and b >= 0, as PyTorch; integer exponents pass nothing',
  ),
};

/** g b a^(b-1), by fewer and faster operators where the exponent is a number that is known. */
function powerToBase(g: Value, a: Value, b: Value, y: Value): Value | undefined {
  const exponent = singleNumber(b);
  const times = (x: Value, factor: number): Value => op.mul(x, scalarLike(a, factor));
  switch (exponent) {
    case undefined:
      return op.mul(g, slope(a, b));
    case 0:
      return undefined;
    case 1:
      return g;
    case 2:
      return op.mul(g, times(a, 2));
    case 3:
      return op.mul(g, times(op.mul(a, a), 3));
    case -1:
      return op.neg(op.mul(g, op.mul(y, y)));
    case 0.5:
      return op.div(times(g, 0.5), y);
    case -0.5:
      return op.div(op.mul(times(g, -0.5), y), a);
    default:
      return op.mul(g, times(op.pow(a, scalarLike(a, exponent - 1)), exponent));
  }
}

/** b a^(b-1), 0 where b = 0. */
function slope(a: Value, b: Value): Value {
  const exponent = cast(b, a.dtype ?? 'float32');
  const one = scalarLike(a, 1);
  if (!mayHoldZero(b)) return op.mul(exponent, op.pow(a, op.sub(exponent, one)));
  // 0 times an infinity where a = 0 as well: there the exponent is taken for 1. Only there, since elsewhere b a^(b-1) has a
  // derivative with respect to b.
  const isZero = op.equal(exponent, scalarLike(a, 0));
  const alone = b.dtype === undefined || isFloat(b.dtype) ? op.and(isZero, op.equal(a, scalarLike(a, 0))) : isZero;
  return op.mul(exponent, op.pow(a, op.sub(op.where(alone, one, exponent), one)));
}

function powerToExponent(g: Value, a: Value, b: Value, y: Value): Value | undefined {
  if (b.dtype !== undefined && !isFloat(b.dtype)) return undefined;
  const log = op.log(logged(a, b));
  return cast(op.mul(g, op.mul(y, log)), b.dtype ?? 'float32');
}

/** What the logarithm is taken of: 1 in place of a base 0 with an exponent from 0 on, so that 0 comes out and no NaN. */
function logged(a: Value, b: Value): Value {
  const base = constantTensor(a);
  if (base !== undefined && base.dtype !== 'string' && toNumbers(base).every((x) => x > 0)) return a;
  const settled = op.and(op.equal(a, scalarLike(a, 0)), op.greaterOrEqual(b, scalarLike(b, 0)));
  return op.where(settled, scalarLike(a, 1), a);
}

function mayHoldZero(x: Value): boolean {
  const tensor = constantTensor(x);
  return tensor === undefined || tensor.dtype === 'string' || toNumbers(tensor).some((number) => number === 0);
}

function singleNumber(x: Value): number | undefined {
  const tensor = constantTensor(x);
  return tensor?.shape.every((dim) => dim === 1) && tensor.dtype !== 'string' ? toNumbers(tensor)[0] : undefined;
}
