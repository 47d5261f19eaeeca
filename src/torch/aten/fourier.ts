import { ints } from '../../../ops/precision.ts';
import { fromNumbers } from '../../files/tensor.ts';
import { isValue } from '../../graph/apply.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import { Complex, type Size, Sym, type Tensorial } from '../lower/item.ts';
import { rankOf, reshaped, sizeAt } from '../lower/sizes.ts';
import { fromPairs, pairs, product } from './complex-numbers.ts';
import { inSingle, like } from './kernels.ts';

/** The longest transform that is a product with a matrix of cosines and sines. Longer ones, and those of unknown length, are DFT, or made of shorter ones. */
const longestProduct = 512;

/** x moved so that `axis` is the last one, and back. */
function lastAxis(x: Value, axis: number): { readonly moved: Value; readonly back: (y: Value) => Value } {
  const rank = rankOf(x);
  if (axis === rank - 1) return { moved: x, back: (y) => y };
  const perm = Array.from({ length: rank }, (_, own) => (own === axis ? rank - 1 : own === rank - 1 ? axis : own));
  const turn = (own: Value) => op.transpose(own, { perm });
  return { moved: turn(x), back: turn };
}

/** [rows, columns] of a function of the row and the column. */
function table(like: Value, rows: number, columns: number, entry: (row: number, column: number) => number): Value {
  const entries = Array.from({ length: rows * columns }, (_, at) => entry(Math.floor(at / columns), at % columns));
  return constant(fromNumbers(like.dtype ?? 'float32', [rows, columns], entries));
}

/** cos and sin of 2 pi jk/n, of the remainder: exact angles for large jk. */
const cosine = (j: number, k: number, n: number) => Math.cos((2 * Math.PI * ((j * k) % n)) / n);
const sine = (j: number, k: number, n: number) => Math.sin((2 * Math.PI * ((j * k) % n)) / n);

/** The transform along an axis, not normalised: all n frequencies, or the first n/2 + 1 of a real x where `onesided`. */
export function transformed(x: Tensorial, axis: number, forward: boolean, onesided = false): Complex {
  const first = isValue(x) ? x : x.real;
  const n = first.shape?.[axis];
  if (typeof n !== 'number') return byOperator(x, axis, forward, onesided);
  if (n > longestProduct) {
    // ONNX Runtime loses three digits where the length is no power of 2.
    const isPower = Number.isInteger(Math.log2(n));
    const factor = isPower ? 1 : largestFactor(n);
    if (factor > 1) return byFactors(x, axis, factor, forward, onesided);
    if (isPower || n > 2 * longestProduct) return byOperator(x, axis, forward, onesided);
  }
  const columns = onesided ? Math.floor(n / 2) + 1 : n;
  const sign = forward ? -1 : 1;
  const { moved, back } = lastAxis(first, axis);
  // [cos | sign sin], and for the imaginary part [-sign sin | cos] below it: one product of matrices.
  const real = (j: number, k: number) => (k < columns ? cosine(j, k, n) : sign * sine(j, k - columns, n));
  const whole = isValue(x) ? moved : op.concat([moved, lastAxis(x.imaginary, axis).moved], { axis: -1 });
  const matrix = isValue(x)
    ? table(first, n, 2 * columns, real)
    : table(first, 2 * n, 2 * columns, (j, k) =>
        j < n ? real(j, k) : k < columns ? -sign * sine(j - n, k, n) : cosine(j - n, k - columns, n),
      );
  const [re, im] = op.split(op.matMul(whole, matrix), ints(columns, columns), { axis: -1 }) as [Value, Value];
  return new Complex(back(re), back(im));
}

/** The largest divisor up to the root. */
function largestFactor(n: number): number {
  for (let factor = Math.floor(Math.sqrt(n)); factor > 1; factor--) if (n % factor === 0) return factor;
  return 1;
}

/** Of n = a b places: a transform over a, a turn of every place by its angle, and a transform over b (Cooley and Tukey). */
function byFactors(x: Tensorial, axis: number, a: number, forward: boolean, onesided: boolean): Complex {
  const first = isValue(x) ? x : x.real;
  const [rank, n] = [rankOf(first), Number(first.shape?.[axis])];
  const b = n / a;
  const split = (own: Value) => reshaped(lastAxis(own, axis).moved, [...leadOf(own, axis), a, b]);
  const parts = isValue(x) ? split(x) : new Complex(split(x.real), split(x.imaginary));
  const inner = transformed(parts, rank - 1, forward);
  const sign = forward ? -1 : 1;
  const turn = new Complex(
    table(first, a, b, (k, j) => cosine(j, k, n)),
    table(first, a, b, (k, j) => sign * sine(j, k, n)),
  );
  const outer = transformed(product(inner, turn), rank, forward);
  const swap = Array.from({ length: rank + 1 }, (_, own) => (own < rank - 1 ? own : 2 * rank - 1 - own));
  const whole = (own: Value) => {
    const flat = reshaped(op.transpose(own, { perm: swap }), [...leadOf(first, axis), n]);
    const kept = onesided ? op.slice(flat, ints(0), ints(Math.floor(n / 2) + 1), ints(rank - 1)) : flat;
    return lastAxis(kept, axis).back(kept);
  };
  return new Complex(whole(outer.real), whole(outer.imaginary));
}

/** The sizes but the last, once `axis` is the last. */
function leadOf(x: Value, axis: number): Size[] {
  const { moved } = lastAxis(x, axis);
  return Array.from({ length: rankOf(x) - 1 }, (_, own) => sizeAt(moved, own));
}

function byOperator(x: Tensorial, axis: number, forward: boolean, onesided: boolean): Complex {
  const at = constant(axis, 'int64');
  const data = isValue(x) ? op.unsqueeze(x, ints(-1)) : pairs(x);
  const made = op.dft(data, undefined, at, { inverse: forward ? 0 : 1, onesided: onesided ? 1 : 0 });
  const both = fromPairs(made);
  if (forward) return both;
  // ONNX divides the inverse by its length.
  const first = isValue(x) ? x : x.real;
  const by = lengthAs(sizeAt(first, axis), first);
  return new Complex(op.mul(both.real, by), op.mul(both.imaginary, by));
}

function lengthAs(length: Size, x: Value): Value {
  return length instanceof Sym ? cast(length.value, x.dtype ?? 'float32') : like(x, length);
}

/** The real signal of n places whose first n/2 + 1 frequencies x is, along an axis, not normalised. */
export function toReal(call: Call, x: Complex, axis: number, n: Size): Value {
  if (typeof n !== 'number') throw call.unsupported('a length of the result that is not known');
  const count = Math.floor(n / 2) + 1;
  const fitted = fittedTo(call, x, axis, count) as Complex;
  if (n > longestProduct) return byMirror(fitted, axis, n);
  const { moved, back } = lastAxis(fitted.real, axis);
  const whole = op.concat([moved, lastAxis(fitted.imaginary, axis).moved], { axis: -1 });
  // Every frequency but 0 and n/2 stands for its conjugate too.
  const weight = (k: number) => (k === 0 || 2 * k === n ? 1 : 2);
  const matrix = table(fitted.real, 2 * count, n, (k, j) =>
    k < count ? weight(k) * cosine(j, k, n) : -weight(k - count) * sine(j, k - count, n),
  );
  return back(op.matMul(whole, matrix));
}

/** The same by the whole transform: the frequencies beyond the middle are conjugates of those before it. */
function byMirror(x: Complex, axis: number, n: number): Value {
  const places = Array.from({ length: n }, (_, k) => (2 * k <= n ? k : n - k));
  const signs = places.map((own, k) => (own === 0 || 2 * own === n ? 0 : own === k ? 1 : -1));
  const shape = Array.from({ length: rankOf(x.real) }, (_, own) => (own === axis ? n : 1));
  const pick = (part: Value) => op.gather(part, constant(places, 'int64'), { axis });
  const turn = constant(fromNumbers(x.real.dtype ?? 'float32', shape, signs));
  return transformed(new Complex(pick(x.real), op.mul(pick(x.imaginary), turn)), axis, false).real;
}

/** Cut or filled with zeros to so many places along an axis. */
export function fittedTo(call: Call, x: Tensorial, axis: number, n: number): Tensorial {
  const resized = (own: Value): Value => {
    const size = own.shape?.[axis];
    if (size === n) return own;
    if (typeof size !== 'number') throw call.unsupported('cutting or filling an axis of a size that is not known');
    if (size > n) return op.slice(own, ints(0), ints(n), ints(axis));
    return op.pad(own, ints(0, n - size), undefined, ints(axis));
  };
  return isValue(x) ? resized(x) : new Complex(resized(x.real), resized(x.imaginary));
}

export type Normalisation = 'none' | 'root' | 'whole';

/** Divided by the number of places along these axes, or by its root. */
export function normalised(x: Tensorial, sizes: readonly Size[], how: Normalisation): Tensorial {
  if (how === 'none') return x;
  const first = isValue(x) ? x : x.real;
  const known = sizes.every((size): size is number => typeof size === 'number');
  const count = sizes.reduce<number>((product, size) => product * (typeof size === 'number' ? size : 1), 1);
  const total = known
    ? like(first, how === 'root' ? Math.sqrt(count) : count)
    : unknownTotal(first, sizes, how === 'root');
  return isValue(x) ? op.div(x, total) : new Complex(op.div(x.real, total), op.div(x.imaginary, total));
}

function unknownTotal(x: Value, sizes: readonly Size[], root: boolean): Value {
  const total = sizes.map((size) => lengthAs(size, x)).reduce((product, size) => op.mul(product, size));
  return root ? op.sqrt(total) : total;
}

/** A signal in the element type of the result. */
export function signal(call: Call, name = 'self'): Tensorial {
  const content = call.content(name);
  const own = (x: Value) => inSingle(cast(x, call.outDType()));
  return isValue(content) ? own(content) : new Complex(own(content.real), own(content.imaginary));
}
