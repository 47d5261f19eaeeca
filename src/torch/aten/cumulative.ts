import { ints } from '../../../ops/precision.ts';
import { isFloat } from '../../files/dtype.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Result } from '../lower/item.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { axisOf, rankOf, sizeAt } from '../lower/sizes.ts';
import { inSingle, like, workable } from './kernels.ts';
import { steps } from './size-math.ts';
import { logSumExp } from './softmax.ts';

/** Beyond the end of every axis. */
const far = 2 ** 31 - 1;

function operand(call: Call): Value {
  const dtype = call.dtype('dtype') ?? call.outDType();
  return inSingle(cast(call.tensor('self'), isFloat(dtype) ? dtype : workable(dtype)));
}

/** Of every prefix along an axis; a single number is one of its own. */
const running =
  (maker: (call: Call, x: Value, axis: number) => Value): Lowering =>
  (call) => {
    const x = operand(call);
    const axis = axisOf(call.int('dim'), rankOf(x));
    return rankOf(x) === 0 ? x : maker(call, x, axis);
  };

export const cumulativeRules: Rules = {
  'aten.cumsum.default': running((_, x, axis) => op.cumSum(x, constant(axis, 'int64'))),
  'aten.cumprod.default': running((_, x, axis) =>
    isKnown(x, axis)
      ? prefixes<[Value]>([x], axis, ([a], [b]) => [op.mul(a, b)])[0]
      : overTriangle(x, axis, 1, (rows) => op.reduceProd(rows, ints(-1), { keepdims: false })),
  ),
  'aten.logcumsumexp.default': running((_, x, axis) =>
    isKnown(x, axis)
      ? prefixes<[Value]>([x], axis, ([a], [b]) => [logAddExp(a, b)])[0]
      : overTriangle(x, axis, Number.NEGATIVE_INFINITY, (rows) => logSumExp(rows, [rankOf(rows) - 1], false)),
  ),
  'aten.diff.default': (call) => {
    const parts = ['prepend', 'self', 'append'].flatMap((name) => (call.has(name) ? [call.tensor(name)] : []));
    const dtype = call.outDType();
    const wide = parts.map((part) => (dtype === 'bool' ? part : cast(part, isFloat(dtype) ? dtype : workable(dtype))));
    const axis = axisOf(call.int('dim', -1), rankOf(wide[0] as Value));
    let x = wide.length === 1 ? (wide[0] as Value) : op.concat(wide, { axis });
    for (let round = call.int('n', 1); round > 0; round--) {
      const later = op.slice(x, ints(1), ints(far), ints(axis));
      const earlier = op.slice(x, ints(0), ints(-1), ints(axis));
      x = dtype === 'bool' ? op.xor(later, earlier) : op.sub(later, earlier);
    }
    return x;
  },
  'aten.trapezoid.dx': (call) => evenAreas(call),
  'aten.trapz.dx': (call) => evenAreas(call),
  'aten.cummax.default': (call) => extreme(call, op.greaterOrEqual),
  'aten.cummin.default': (call) => extreme(call, op.lessOrEqual),
};

function evenAreas(call: Call): Value {
  const y = inSingle(cast(call.tensor('y'), call.outDType()));
  return op.mul(areas(y, call.int('dim', -1)), call.number('dx', y.dtype ?? 'float32', 1));
}

/** Half the sums of neighbours along an axis, added up. */
function areas(y: Value, dim: number): Value {
  const axis = axisOf(dim, rankOf(y));
  const later = op.slice(y, ints(1), ints(far), ints(axis));
  const sums = op.add(later, op.slice(y, ints(0), ints(-1), ints(axis)));
  return op.mul(op.reduceSum(sums, ints(axis), { keepdims: false }), like(y, 0.5));
}

/** The extreme of every prefix, and where it stood last. */
function extreme(call: Call, reaches: (a: Value, b: Value) => Value): readonly Result[] {
  const given = call.tensor('self');
  const x = cast(given, workable(given.dtype ?? 'float32'));
  const axis = axisOf(call.int('dim'), rankOf(x));
  if (rankOf(x) === 0) return [x, constant(0, 'int64')];
  const others = Array.from({ length: rankOf(x) }, (_, own) => own).filter((own) => own !== axis);
  const all = steps(sizeAt(x, axis));
  const places = others.length === 0 ? all : op.unsqueeze(all, ints(...others));
  const join = ([a, i]: [Value, Value], [b, j]: [Value, Value]): [Value, Value] => {
    const later = reaches(b, a);
    return [op.where(later, b, a), op.where(later, j, i)];
  };
  const parts: [Value, Value] = [x, op.expand(places, op.shape(x))];
  return isKnown(x, axis) ? prefixes(parts, axis, join) : oneByOne(parts, axis, join);
}

/**
 * An associative operation over every prefix; where its length is known, in each round every element is joined with what stands 1, 2, 4, ... before it. `join` is given
 * the earlier part first.
 */
function prefixes<T extends readonly Value[]>(
  parts: T,
  axis: number,
  join: (earlier: T, later: T) => readonly Value[],
): T {
  const size = parts[0]?.shape?.[axis];
  if (typeof size !== 'number') return oneByOne(parts, axis, join);
  const cut = (x: Value, from: number, to: number) => op.slice(x, ints(from), ints(to), ints(axis));
  let now = parts;
  for (let step = 1; step < size; step *= 2) {
    const earlier = now.map((x) => cut(x, 0, size - step)) as unknown as T;
    const later = now.map((x) => cut(x, step, size)) as unknown as T;
    const joined = join(earlier, later);
    now = now.map((x, part) => op.concat([cut(x, 0, step), joined[part] ?? x], { axis })) as unknown as T;
  }
  return now;
}

function isKnown(x: Value, axis: number): boolean {
  return typeof x.shape?.[axis] === 'number';
}

/**
 * Every prefix of an axis of a size that is not known, as a row: [.., t, .., rest] -> [.., rest, t, t] with `beyond` after the diagonal, reduced along the last
 * axis and turned back.
 */
function overTriangle(x: Value, axis: number, beyond: number, reduce: (rows: Value) => Value): Value {
  const rank = rankOf(x);
  const last = [...Array(rank).keys()].filter((own) => own !== axis).concat(axis);
  const turned = op.transpose(x, { perm: last });
  const size = op.gather(op.shape(x), constant(axis, 'int64'));
  const places = op.range(constant(0, 'int64'), size, constant(1, 'int64'));
  const within = op.lessOrEqual(op.unsqueeze(places, ints(0)), op.unsqueeze(places, ints(1)));
  const rows = op.where(within, op.unsqueeze(turned, ints(-2)), like(x, beyond));
  const back = [...Array(rank).keys()].map((own) => last.indexOf(own));
  return op.transpose(reduce(rows), { perm: back });
}

/** The same along an axis of unknown length, step by step. */
function oneByOne<T extends readonly Value[]>(
  parts: T,
  axis: number,
  join: (earlier: T, later: T) => readonly Value[],
): T {
  const cut = (x: Value, from: number, to: number) => op.slice(x, ints(from), ints(to), ints(axis));
  const firsts = parts.map((x) => op.squeeze(cut(x, 0, 1), ints(axis)));
  const rests = parts.map((x) => cut(x, 1, far));
  const count = parts.length;
  const made = op.scan(
    firsts,
    rests,
    (before, next) => {
      const joined = join(before as unknown as T, next as unknown as T);
      return { carried: joined, scanned: joined };
    },
    { scanInputAxes: parts.map(() => axis), scanOutputAxes: parts.map(() => axis) },
  );
  const scanned = made.slice(count);
  return parts.map((x, part) => op.concat([cut(x, 0, 1), scanned[part] ?? x], { axis })) as unknown as T;
}

/** log(exp a + exp b), where both are -inf too. */
function logAddExp(a: Value, b: Value): Value {
  const most = op.max([a, b]);
  const distance = op.abs(op.sub(a, b));
  // -inf - -inf is not a number: then both are what they are.
  const same = op.equal(a, b);
  const zero = like(a, 0);
  const apart = op.where(same, zero, distance);
  return op.add(most, op.log(op.add(op.exp(op.neg(apart)), like(a, 1))));
}
