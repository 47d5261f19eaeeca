import { ints } from '../../../ops/precision.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Complex, each, eachOf, partsOf, plus, times } from './complex.ts';
import { dim, doublingsTo } from './shapes.ts';

/** The maps h -> a h + b of every step, time on axis 0; `held`: a is the same at every step and has no axis of time. */
interface Maps {
  readonly a: Complex;
  readonly b: Complex;
  readonly held: boolean;
}

/** a^k for k steps [1], where a is the same at every step: more exact than squaring what was rounded. */
export type Power = (count: Value) => Complex;

/**
 * All h_t = a_t h_(t-1) + b_t from h = 0 in ceil(log2 T) rounds (Hillis and Steele): in round k the map of each step is composed with that of 2^k steps
 * before, (a, b) o (a', b') = (a a', a b' + b), which is associative. Rounds are unrolled where T is known, a Loop elsewhere. T log T work: for
 * processors with more lanes than the state has entries.
 */
export function associativeScan(a: Complex, b: Complex, held: boolean, power?: Power): Complex {
  const rounds = doublingsTo(dim(b.re, 0));
  if (typeof rounds === 'number') {
    let maps: Maps = { a, b, held };
    for (let round = 0; round < rounds; round++) maps = composed(maps, ints(2 ** round), power, round + 1 === rounds);
    return maps.b;
  }
  const unpacked = (parts: readonly Value[]): Maps => {
    const [aRe = a.re, aIm = a.re, bRe = b.re, bIm = b.re] =
      a.im === undefined ? [parts[0], undefined, parts[1], parts[2]] : parts;
    return {
      a: { re: aRe, im: a.im === undefined ? undefined : aIm },
      b: { re: bRe, im: b.im === undefined ? undefined : bIm },
      held,
    };
  };
  const first = [ints(1), ...partsOf(a), ...partsOf(b)];
  const last = op.loop(rounds, undefined, first, (_, __, shift, ...parts) => {
    const next = composed(unpacked(parts), shift ?? rounds, power);
    return { carried: [op.add(shift ?? rounds, shift ?? rounds), ...partsOf(next.a), ...partsOf(next.b)] };
  });
  // Every round changes rows alone; reshaping says so where the loop has lost the size.
  return each(unpacked(last.slice(1)).b, (part) => op.reshape(part, op.shape(b.re)));
}

/** Each map composed with the one `shift` [1] steps before it; the first `shift` stay. */
function composed({ a, b, held }: Maps, shift: Value, power?: Power, last = false): Maps {
  const before = (x: Complex) => each(x, (part) => op.slice(part, ints(0), op.neg(shift), ints(0)));
  const after = (x: Complex) => each(x, (part) => op.slice(part, shift, ints(Number.MAX_SAFE_INTEGER), ints(0)));
  const beginning = (x: Complex) => each(x, (part) => op.slice(part, ints(0), shift, ints(0)));
  const joined = (x: Complex, y: Complex) => eachOf([x, y], (parts) => op.concat(parts, { axis: 0 }));
  const later = power !== undefined ? power(shift) : held ? a : after(a);
  const next = joined(beginning(b), plus(times(later, before(b)), after(b)));
  if (last || power !== undefined) return { a, b: next, held };
  return { a: held ? times(a, a) : joined(beginning(a), times(later, before(a))), b: next, held };
}
