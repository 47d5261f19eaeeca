import * as op from '../../graph/op.ts';
import { constantIntegers } from '../../graph/passes/constants.ts';
import type { Value } from '../../graph/value.ts';
import { fromFront, type RuleCall } from '../call.ts';
import { cast, int, ints, scalarLike, shapeOf, tensorLike } from '../pieces.ts';

/** The transformed axis: its position as a scalar, and as a number where it is known. */
interface Axis {
  readonly at: Value;
  readonly known: number | undefined;
}

/** The co-state of x for DFT. */
export function fourierBack(g: Value, x: Value, call: RuleCall): Value {
  const rank = call.rank(x);
  const given = call.maybe(2);
  const place = given === undefined ? -2 : constantIntegers(given)?.[0];
  const known = place === undefined ? undefined : fromFront(place, rank);
  const axis = known === undefined ? { at: op.squeeze(call.x(2)), known } : { at: int(known), known };
  const onesided = call.int('onesided', 0) !== 0;
  const length = call.maybe(1) ?? lengthOf(x, axis);
  if (call.int('inverse', 0) === 0) {
    return cut(call, transposedTransform(g, axis.at, onesided ? length : undefined, x.shape?.at(-1) === 1), axis);
  }
  // An inverse has as many elements as its output.
  const count = lengthOf(call.y(), axis);
  const share = scaleOf(count, g);
  if (!onesided) return cut(call, op.mul(op.dft(g, undefined, axis.at), share), axis);
  const half = op.dft(g, undefined, axis.at, { onesided: 1 });
  return cut(call, op.mul(half, doubled(call, share, axis, count, g)), axis);
}

/**
 * conj F conj g along `axis`; `length`: of F, where g holds only the first of its frequencies. Real: the imaginary part will be cut off,
 * and need not be right.
 */
export function transposedTransform(g: Value, axis: Value, length: Value | undefined, real: boolean): Value {
  const sign = tensorLike(g, [2], [1, -1]);
  const back = op.dft(op.mul(g, sign), length, axis);
  return real ? back : op.mul(back, sign);
}

/** The size of x along the axis, as a scalar. */
function lengthOf(x: Value, { at, known }: Axis): Value {
  const size = known === undefined ? undefined : x.shape?.[known];
  return typeof size === 'number' ? int(size) : op.gather(shapeOf(x), at);
}

function scaleOf(count: Value, g: Value): Value {
  const known = constantIntegers(count)?.[0];
  return known === undefined ? op.reciprocal(cast(count, g.dtype ?? 'float32')) : scalarLike(g, 1 / known);
}

/** 1/n for the frequencies 0 and n/2 of a one-sided spectrum, 2/n for those that stand for a second one as well. */
function doubled(call: RuleCall, share: Value, axis: Axis, count: Value, g: Value): Value {
  const rank = call.rank(call.x(0));
  const n = constantIntegers(count)?.[0];
  if (n !== undefined && axis.known !== undefined) {
    const shape = new Array<number>(rank).fill(1).with(axis.known, Math.floor(n / 2) + 1);
    const shares = Array.from({ length: shape[axis.known] ?? 0 }, (_, k) => (k === 0 || 2 * k === n ? 1 : 2) / n);
    return tensorLike(g, shape, shares);
  }
  const frequency = op.range(int(0), op.add(op.div(count, int(2)), int(1)), int(1));
  const once = op.or(op.equal(frequency, int(0)), op.equal(op.mul(frequency, int(2)), count));
  const twice = op.mul(share, scalarLike(g, 2));
  const positions = ints(...Array(rank).keys());
  const column = op.where(op.equal(positions, op.mod(axis.at, int(rank))), int(-1), int(1));
  return op.reshape(op.where(once, share, twice), column);
}

/** Cut, or filled with zeros, to the shape of x: along the axis, and of a real x the real part. */
function cut(call: RuleCall, back: Value, axis: Axis): Value {
  const x = call.x(0);
  const [from, to] = [back.shape?.at(-1), x.shape?.at(-1)];
  // Only a length that is given can differ from that of x.
  const changes = call.maybe(1) !== undefined;
  const size = axis.known === undefined ? undefined : x.shape?.[axis.known];
  const there = axis.known === undefined ? undefined : back.shape?.[axis.known];
  const open = typeof size !== 'number' || typeof there !== 'number';
  const longer = changes && (open || there > size);
  const shorter = changes && (open || there < size);
  const wide = from === undefined || from !== to;
  const along = op.reshape(axis.at, ints(1));
  const length = op.reshape(lengthOf(x, axis), ints(1));
  const ends = [...(longer ? [length] : []), ...(wide ? [lastOf(x)] : [])];
  const axes = [...(longer ? [along] : []), ...(wide ? [ints(call.rank(x) - 1)] : [])];
  const kept =
    ends.length === 0
      ? back
      : op.slice(back, ints(...ends.map(() => 0)), op.concat(ends, { axis: 0 }), op.concat(axes, { axis: 0 }));
  if (!shorter) return kept;
  const missing = op.sub(length, op.reshape(lengthOf(kept, axis), ints(1)));
  return op.pad(kept, op.concat([ints(0), missing], { axis: 0 }), undefined, along);
}

/** The last size of x as a vector of one number. */
export function lastOf(x: Value): Value {
  const last = x.shape?.at(-1);
  return typeof last === 'number' ? ints(last) : op.shape(x, { start: -1 });
}
