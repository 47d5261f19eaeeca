import { ints } from '../../../ops/precision.ts';
import { isFloat } from '../../files/dtype.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Result } from '../lower/item.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { axisOf, rankOf } from '../lower/sizes.ts';
import { inSingle, like, workable } from './kernels.ts';
import { logSumExp } from './softmax.ts';

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
  'aten.diff.default': (call) => differences(call),
  'aten.cummax.default': (call) => extreme(call, op.greaterOrEqual),
  'aten.cummin.default': (call) => extreme(call, op.lessOrEqual),
};

/** The extreme of every prefix, and where it stood last. */
function extreme(call: Call, reaches: (a: Value, b: Value) => Value): readonly Result[] {
  const given = call.tensor('self');
  const x = cast(given, workable(given.dtype ?? 'float32'));
  const axis = axisOf(call.int('dim'), rankOf(x));
  if (rankOf(x) === 0) return [x, constant(0, 'int64')];
  const size = x.shape?.[axis];
  if (typeof size !== 'number') throw call.unsupported('along an axis of a size that is not known');
  const shape = Array.from({ length: rankOf(x) }, (_, own) => (own === axis ? size : 1));
  const places = op.reshape(constant([...Array(size).keys()], 'int64'), ints(...shape));
  const [values, found] = prefixes<[Value, Value]>([x, op.expand(places, op.shape(x))], axis, ([a, i], [b, j]) => {
    const later = reaches(b, a);
    return [op.where(later, b, a), op.where(later, j, i)];
  });
  return [values, found];
}

/**
 * An associative operation over every prefix of known length: in each round every element is joined with what stands 1, 2, 4, ... before it. `join` is given
 * the earlier part first.
 */
function prefixes<T extends readonly Value[]>(
  parts: T,
  axis: number,
  join: (earlier: T, later: T) => readonly Value[],
): T {
  const size = Number(parts[0]?.shape?.[axis]);
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

/** Of neighbours along an axis, n times. */
function differences(call: Call): Value {
  const given = call.tensor('self');
  const axis = axisOf(call.int('dim', -1), rankOf(given));
  const ends = [call.optionalTensor('prepend'), given, call.optionalTensor('append')].filter(
    (one) => one !== undefined,
  );
  let x = ends.length === 1 ? given : op.concat(ends, { axis });
  for (let count = call.int('n', 1); count > 0; count--) {
    const [later, earlier] = [op.slice(x, ints(1), ints(far), ints(axis)), op.slice(x, ints(0), ints(-1), ints(axis))];
    x =
      x.dtype === 'bool'
        ? op.xor(later, earlier)
        : cast(op.sub(workablyOf(later), workablyOf(earlier)), x.dtype ?? 'float32');
  }
  return x;
}

/** Beyond the end of every axis. */
const far = 2 ** 31 - 1;

function workablyOf(x: Value): Value {
  return cast(x, workable(x.dtype ?? 'float32'));
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
