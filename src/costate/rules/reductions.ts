import type { DType } from '../../files/dtype.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Rule, type RuleCall, rule } from '../call.ts';
import { cast, expandTo, isHalf, numbers, scalarLike } from '../pieces.ts';
import { productBar } from './product.ts';
import { counted, dividedBy, kept, summedAlike } from './reduced.ts';

/** Reductions over axes: an attribute of old versions (raised before), an input since. */
export const reductionRules: Readonly<Record<string, Rule>> = {
  ReduceSum: reduction('g, spread over the axes', (call, g, x) => expandTo(kept(call, g), x)),
  ReduceMean: reduction('g / n, spread over the axes', (call, g, x) =>
    expandTo(dividedBy(kept(call, g), counted(call)), x),
  ),
  ReduceMax: reduction('g to the elements that attain y, shared evenly', shared, 'ties share evenly, as by amax'),
  ReduceMin: reduction('g to the elements that attain y, shared evenly', shared, 'ties share evenly, as by amin'),
  ReduceProd: reduction(
    'g y / x, by the products of the others',
    (call, g, x, y) => productBar(call, kept(call, g), x, kept(call, y)),
    'exact where elements are zero, to second order too',
  ),
  ReduceL1: reduction('g sign(x)', (call, g, x) => op.mul(kept(call, g), op.sign(x)), '0 at 0'),
  ReduceL2: reduction(
    'g x / y',
    (call, g, x, y) => {
      const norm = op.where(op.equal(y, scalarLike(y, 0)), scalarLike(y, 1), y);
      return op.mul(x, kept(call, op.div(g, norm)));
    },
    '0 where the norm is 0',
  ),
  ReduceSumSquare: reduction('2 g x', (call, g, x) => op.mul(op.mul(kept(call, g), scalarLike(g, 2)), x)),
  ReduceLogSum: reduction('g / exp(y), spread over the axes', (call, g, x, y) =>
    expandTo(kept(call, op.div(g, op.exp(y))), x),
  ),
  ReduceLogSumExp: reduction(
    'g exp(x - y)',
    (call, g, x, y) => {
      // A row of -inf has no weights: x - y would be NaN there.
      const finite = op.clip(y, scalarLike(y, lowest(y.dtype)));
      return op.mul(kept(call, g), op.exp(op.sub(x, kept(call, finite))));
    },
    '0 in rows of -inf',
  ),
};

/** A rule of x alone; g and y are of the output's shape. */
function reduction(says: string, apply: (call: RuleCall, g: Value, x: Value, y: Value) => Value, note?: string): Rule {
  return rule(
    says,
    (call) => [call.to(0, () => apply(call, call.g(), call.x(0), call.y()))],
    note === undefined ? {} : { note },
  );
}

function shared(call: RuleCall, g: Value, x: Value, y: Value): Value {
  const attained = op.equal(x, kept(call, y));
  const hits = numbers(attained, g);
  // Half precision does not hold every count.
  const wide = isHalf(g) ? cast(attained, 'float32') : hits;
  const share = op.div(cast(kept(call, g), wide.dtype ?? 'float32'), summedAlike(call, wide));
  return op.mul(cast(share, g.dtype ?? 'float32'), hits);
}

/** The least finite number of a type. */
function lowest(dtype: DType | undefined): number {
  switch (dtype) {
    case 'float64':
      return -Number.MAX_VALUE;
    case 'float16':
      return -65504;
    case 'bfloat16':
      return -3.3895313892515355e38;
    default:
      return -3.4028234663852886e38;
  }
}
