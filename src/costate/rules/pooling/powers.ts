import * as op from '../../../graph/op.ts';
import type { Value } from '../../../graph/value.ts';
import { type Rule, type RuleCall, rule } from '../../call.ts';
import { scalarLike } from '../../pieces.ts';
import { poolOf, spread } from './spread.ts';

const says = 'x |x|^(p-2) g / y^(p-1)';

export const lpPoolRule: Rule = rule(
  `${says}, the last factors summed over the windows of each element`,
  (call) => [call.to(0, () => product(call, spread(call, poolOf(call), share(call), 1)))],
  { note: '0 where all of a window is 0' },
);

export const globalLpPoolRule: Rule = rule(says, (call) => [call.to(0, () => product(call, share(call)))], {
  note: '0 where all is 0',
});

/** g / y^(p-1); where y is 0, and so is x, it only has to be finite. */
function share(call: RuleCall): Value {
  const [g, y, p] = [call.g(), call.y(), call.int('p', 2)];
  if (p === 1) return g;
  const apart = op.where(op.equal(y, scalarLike(y, 0)), scalarLike(y, 1), y);
  return op.div(g, p === 2 ? apart : op.pow(apart, scalarLike(y, p - 1)));
}

function product(call: RuleCall, factor: Value): Value {
  const [x, p] = [call.x(0), call.int('p', 2)];
  if (p === 1) return op.mul(op.sign(x), factor);
  if (p === 2) return op.mul(x, factor);
  const size = op.abs(x);
  return op.mul(op.mul(x, p === 3 ? size : op.pow(size, scalarLike(x, p - 2))), factor);
}
