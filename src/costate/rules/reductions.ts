import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Rule, type RuleCall, rule } from '../call.ts';
import { expandTo, isHalf, numbers, scalarLike } from '../pieces.ts';
import { productSlopes } from './product.ts';
import { counted, isNoop, kept } from './reduced.ts';

/** Reductions over axes: an attribute of old versions (raised before), an input since. */
export const reductionRules: Readonly<Record<string, Rule>> = {
  ReduceSum: reduction('g, spread over the axes', (g, x) => expandTo(g, x)),
  ReduceMean: reduction('g / n, spread over the axes', (g, x, _, call) => {
    const count = counted(call);
    const share = typeof count === 'number' ? op.mul(g, scalarLike(g, 1 / count)) : op.div(g, count);
    return expandTo(share, x);
  }),
  ReduceMax: reduction('g to the elements that attain y, shared evenly', shared, 'ties share evenly, as amax'),
  ReduceMin: reduction('g to the elements that attain y, shared evenly', shared, 'ties share evenly, as amin'),
  ReduceProd: reduction(
    'g y / x, by the products of the others',
    (g, x, _, call) => op.mul(g, productSlopes(call, x)),
    'exact where elements are zero',
  ),
  ReduceL1: reduction('g sign(x)', (g, x) => op.mul(g, op.sign(x)), '0 at 0'),
  ReduceL2: reduction(
    'g x / y',
    (g, x, y) => {
      const zero = op.equal(y, scalarLike(y, 0));
      const ratio = op.div(g, op.where(zero, scalarLike(y, 1), y));
      return op.mul(x, ratio);
    },
    '0 where the norm is 0',
  ),
  ReduceSumSquare: reduction('2 g x', (g, x) => op.mul(op.mul(g, scalarLike(g, 2)), x)),
  ReduceLogSum: rule('g / exp(y), spread over the axes', (call) => [
    call.to(0, () => expandTo(op.div(kept(call, call.g()), op.exp(kept(call, call.y()))), call.x(0))),
  ]),
  ReduceLogSumExp: reduction(
    'g exp(x - y)',
    (g, x, y) => {
      // A row of -inf has no weights: x - y would be NaN there.
      const none = op.equal(y, scalarLike(y, Number.NEGATIVE_INFINITY));
      return op.mul(g, op.exp(op.sub(x, op.where(none, scalarLike(y, 0), y))));
    },
    '0 in rows of -inf',
  ),
};

/** A rule of x alone; g and y have their reduced axes back as ones. Where nothing is reduced, n is 1. */
function reduction(says: string, apply: (g: Value, x: Value, y: Value, call: RuleCall) => Value, note?: string): Rule {
  return rule(
    says,
    (call) => [call.to(0, () => apply(kept(call, call.g()), call.x(0), kept(call, call.y()), call))],
    note === undefined ? {} : { note },
  );
}

function shared(g: Value, x: Value, y: Value, call: RuleCall): Value {
  const hits = numbers(op.equal(x, y), g);
  if (isNoop(call)) return op.mul(g, hits);
  // Counts beyond 2048 are not exact in half precision.
  const counts = op.reduceSum(isHalf(g) ? op.cast(hits, { to: 'float32' }) : hits, call.maybe(1), {
    keepdims: 1,
    noopWithEmptyAxes: call.int('noop_with_empty_axes', 0),
  });
  const count = isHalf(g) ? op.cast(counts, { to: g.dtype ?? 'float16' }) : counts;
  return op.mul(op.div(g, count), hits);
}
