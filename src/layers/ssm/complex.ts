import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';

/** A complex tensor as two real ones of one shape: ONNX has no complex numbers. Without `im` it is real, and costs nothing more. */
export interface Complex {
  readonly re: Value;
  readonly im?: Value | undefined;
}

/** a b, by entries. */
export function times(a: Complex, b: Complex): Complex {
  if (a.im === undefined) return each(b, (part) => op.mul(a.re, part));
  if (b.im === undefined) return each(a, (part) => op.mul(part, b.re));
  return {
    re: op.sub(op.mul(a.re, b.re), op.mul(a.im, b.im)),
    im: op.add(op.mul(a.re, b.im), op.mul(a.im, b.re)),
  };
}

/** a + b, by entries. */
export function plus(a: Complex, b: Complex): Complex {
  const re = op.add(a.re, b.re);
  if (a.im === undefined || b.im === undefined) return { re, im: a.im ?? b.im };
  return { re, im: op.add(a.im, b.im) };
}

/** The same of both parts: reshaping, slicing, a real linear map. */
export function each(a: Complex, of: (part: Value) => Value): Complex {
  return { re: of(a.re), im: a.im === undefined ? undefined : of(a.im) };
}

/** The same of the parts of several, one after the other: `each` of many arguments. */
export function eachOf(all: readonly Complex[], of: (parts: readonly Value[]) => Value): Complex {
  const imaginary = all.flatMap(({ im }) => (im === undefined ? [] : [im]));
  return {
    re: of(all.map(({ re }) => re)),
    im: imaginary.length === all.length ? of(imaginary) : undefined,
  };
}

/** The parts as a list, as loops carry them. */
export function partsOf({ re, im }: Complex): Value[] {
  return im === undefined ? [re] : [re, im];
}
