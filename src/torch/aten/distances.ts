import { ints } from '../../../ops/precision.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Rules } from '../lower/rule.ts';
import { axisOf, rankOf, sizeAt, vectorOf } from '../lower/sizes.ts';
import { inSingle, like, plus } from './kernels.ts';
import { vectorNorm } from './vector-norms.ts';

export const distanceRules: Rules = {
  'aten.cosine_similarity.default': (call) => {
    const [own, others] = pair(call, 'x1', 'x2');
    const rank = Math.max(rankOf(own), rankOf(others));
    const at = axisOf(call.int('dim', 1), rank);
    const [x, y] = alongOneAxis(own, others, rank, at);
    const axis = ints(at);
    const eps = like(x, call.float('eps', 1e-8));
    const unit = (own: Value) => op.div(own, op.max([op.reduceL2(own, axis, { keepdims: true }), eps]));
    return op.reduceSum(op.mul(unit(x), unit(y)), axis, { keepdims: false });
  },
  'aten.pairwise_distance.default': (call) => {
    const [x, y] = pair(call, 'x1', 'x2');
    const difference = plus(op.sub(x, y), call.float('eps', 1e-6));
    return vectorNorm(difference, call.float('p', 2), [rankOf(difference) - 1], call.bool('keepdim', false));
  },
  'aten.cdist.default': (call) => cdist(call),
  'aten._cdist_forward.default': (call) => cdist(call),
  'aten._euclidean_dist.default': (call) => byProducts(...pair(call, 'x1', 'x2')),
  'aten.pdist.default': (call) => pdist(call),
  'aten._pdist_forward.default': (call) => pdist(call),
};

function pair(call: Call, first: string, second: string): [Value, Value] {
  const [x, y] = call.together(first, second) as [Value, Value];
  return [inSingle(x), inSingle(y)];
}

/** Both of one rank, and of one size along the axis that is summed over: what is broadcast there counts as often as it stands. */
function alongOneAxis(a: Value, b: Value, rank: number, axis: number): [Value, Value] {
  const [x, y] = [a, b].map((own) => {
    const missing = Array.from({ length: rank - rankOf(own) }, (_, place) => place);
    return missing.length === 0 ? own : op.unsqueeze(own, ints(...missing));
  }) as [Value, Value];
  const repeated = (own: Value, other: Value) => {
    if (own.shape?.[axis] !== 1 || other.shape?.[axis] === 1) return own;
    const sizes = Array.from({ length: rank }, (_, place) => (place === axis ? sizeAt(other, axis) : 1));
    return op.expand(own, vectorOf(sizes));
  };
  return [repeated(x, y), repeated(y, x)];
}

/** Distances of all rows of x [.., P, M] from those of y [.., R, M]: [.., P, R]. */
function cdist(call: Call): Value {
  const [x, y] = pair(call, 'x1', 'x2');
  const p = call.float('p', 2);
  const mode = call.int('compute_mode', 0);
  const [rows, others] = [x.shape?.at(-2), y.shape?.at(-2)];
  // Where PyTorch computes the squares from a product of matrices, as it does for many rows.
  const many = [rows, others].some((size) => typeof size !== 'number' || size > 25);
  if (p === 2 && (mode === 1 || (mode === 0 && many))) return byProducts(x, y);
  const differences = op.sub(op.unsqueeze(x, ints(rankOf(x) - 1)), op.unsqueeze(y, ints(rankOf(y) - 2)));
  return vectorNorm(differences, p, [rankOf(differences) - 1], false);
}

/** sqrt(|x|^2 + |y|^2 - 2 x y'), whose co-state is 0 where that is 0. */
function byProducts(x: Value, y: Value): Value {
  const rank = rankOf(y);
  const swap = Array.from({ length: rank }, (_, axis) => (axis < rank - 2 ? axis : 2 * rank - 3 - axis));
  const square = (own: Value) => op.reduceSumSquare(own, ints(rankOf(own) - 1), { keepdims: true });
  const product = op.matMul(op.mul(x, like(x, -2)), op.transpose(y, { perm: swap }));
  const squares = op.add(op.add(product, square(x)), op.transpose(square(y), { perm: swap }));
  const none = op.lessOrEqual(squares, like(x, 0));
  const zero = like(x, 0);
  return op.where(none, zero, op.sqrt(op.where(none, like(x, 1), squares)));
}

/** Distances of each row from those after it. */
function pdist(call: Call): Value {
  const given = call.tensor('self');
  const x = inSingle(cast(given, call.outDType()));
  const rows = x.shape?.[0];
  if (typeof rows !== 'number') throw call.unsupported('a number of rows that is not known');
  const firsts: number[] = [];
  const seconds: number[] = [];
  for (let i = 0; i < rows; i++)
    for (let j = i + 1; j < rows; j++) {
      firsts.push(i);
      seconds.push(j);
    }
  const pick = (places: readonly number[]) => op.gather(x, constant(places, 'int64'), { axis: 0 });
  return vectorNorm(op.sub(pick(firsts), pick(seconds)), call.float('p', 2), [1], false);
}
