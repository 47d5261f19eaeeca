import { ints, scalar } from '../../../ops/precision.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Complex, each, partsOf, plus, times } from './complex.ts';
import { type Discrete, powers } from './discretise.ts';
import { recurrence } from './recurrence.ts';
import { dim, shapeOf } from './shapes.ts';

/** What every form gives: y [time, batch, H] without the term D x, and h after the last step, [batch, H, M]. */
export interface Response {
  readonly y: Value;
  readonly state: Complex;
}

/** x [time, batch, H], initial [batch, H, M]. */
export type SsmFormula = (discrete: Discrete, x: Value, initial: Complex | undefined) => Response;

/**
 * Step after step, by a Scan that carries h alone: what a decoder does, T steps deep. h + (abar - 1) h: the rounding of abar itself would be the same
 * at every step, and grow with T.
 */
export const bySteps: SsmFormula = (discrete, x, initial) => {
  const { change, bbar, c } = discrete;
  const column = op.unsqueeze(x, ints(3));
  const first = initial ?? emptyState(x, discrete);
  const [re = x, im = x, y = x] = op.scan(partsOf(first), [column], ([hRe = x, hIm = x], [given = x]) => {
    const before = { re: hRe, im: hIm };
    const h = plus(before, plus(times(change, before), times(bbar, { re: given })));
    return { carried: partsOf(h), scanned: [observed(c, h)] };
  });
  return { y, state: { re, im } };
};

/** Zeros [batch, H, M]. */
function emptyState(x: Value, { channels, modes, work }: Discrete): Complex {
  const zeros = op.expand(scalar(0, work), shapeOf(dim(x, 1), channels, modes));
  return { re: zeros, im: zeros };
}

/** All states at once by an associative scan, log2 T rounds deep. */
export const byRounds: SsmFormula = (discrete, x, initial) => {
  const { abar, bbar, c } = discrete;
  const b = times(bbar, { re: op.unsqueeze(x, ints(3)) });
  const power = (count: Value) => each(powers(discrete, count), (part) => op.squeeze(part, ints(1)));
  const { states, last } = recurrence({ a: abar, b, held: true, initial, power }, 'associative');
  return { y: observed(c, states), state: last };
};

/** Re(sum over the modes of c h). */
function observed(c: Complex, h: Complex): Value {
  const { re } = times(c, h);
  return op.reduceSum(re, ints((re.shape?.length ?? 0) - 1), { keepdims: 0 });
}

/** Real and imaginary parts one after the other along an axis: complex sums as matrix products of real numbers. */
export function together(x: Complex, axis: number): Value {
  return op.concat(partsOf(x), { axis });
}

/** Re(w h) as one product: [Re w | -Im w] to stand against [Re h | Im h]. */
export function realPartOf(w: Complex, axis: number): Value {
  return together({ re: w.re, im: w.im && op.neg(w.im) }, axis);
}

/** [.., 2M] back to two of [.., M]. */
export function apart(x: Value, axis: number): Complex {
  const [re = x, im] = op.split(x, undefined, { axis, numOutputs: 2 });
  return { re, im };
}

/** A state [batch, H, M] by channel, [H, batch, M], and back. */
export function byChannel(h: Complex): Complex {
  return each(h, (part) => op.transpose(part, { perm: [1, 0, 2] }));
}
