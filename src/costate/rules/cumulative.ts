import * as op from '../../graph/op.ts';
import { constantIntegers } from '../../graph/passes/constants.ts';
import type { Value } from '../../graph/value.ts';
import { fromFront, type Rule, type RuleCall, rule } from '../call.ts';
import { full, sizeOf } from '../pieces.ts';
import { throughForward } from '../through.ts';

/** Running sums and products. */
export const cumulativeRules: Readonly<Record<string, Rule>> = {
  CumSum: rule('the running sum of g the other way', (call) => [
    call.to(0, () =>
      op.cumSum(call.g(), call.x(1), {
        ...(call.int('exclusive', 0) === 0 ? {} : { exclusive: 1 }),
        ...(call.int('reverse', 0) === 0 ? { reverse: 1 } : {}),
      }),
    ),
  ]),
  CumProd: rule(
    'through the running product written as a Scan',
    (call) => throughForward(call, (own) => [running(own)]),
    {
      note: 'exact where elements are zero',
    },
  ),
};

/** y_t = y_(t-1) x_t along the axis, which the Scan reads it by. */
function running(call: RuleCall): Value {
  const x = call.x(0);
  const rank = call.rank(x);
  const [given] = constantIntegers(call.x(1)) ?? [];
  if (given === undefined) throw call.unsupported('its axis is only known at run time');
  const axis = fromFront(given, rank);
  const sizes = Array.from({ length: rank }, (_, at) => sizeOf(x, at)).filter((_, at) => at !== axis);
  const shape = sizes.length === 0 ? op.constant({ valueInts: [] }) : op.concat(sizes, { axis: 0 });
  const start = full(shape, 1, x.dtype ?? 'float32');
  const reverse = call.int('reverse', 0) === 0 ? 0 : 1;
  const exclusive = call.int('exclusive', 0) !== 0;
  const [, all] = op.scan(
    [start],
    [x],
    ([state], [slice]) => {
      const next = op.mul(state as Value, slice as Value);
      return { carried: [next], scanned: [exclusive ? op.identity(state as Value) : next] };
    },
    {
      scanInputAxes: [axis],
      scanInputDirections: [reverse],
      scanOutputAxes: [axis],
      scanOutputDirections: [reverse],
    },
  );
  return all as Value;
}
