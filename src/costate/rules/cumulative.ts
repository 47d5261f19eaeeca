import * as op from '../../graph/op.ts';
import { remake } from '../../graph/passes/rewrite.ts';
import type { Value } from '../../graph/value.ts';
import { type Rule, type RuleCall, rule } from '../call.ts';
import { cast, isHalf, numbers, scalarLike } from '../pieces.ts';

/** Running sums and products. */
export const cumulativeRules: Readonly<Record<string, Rule>> = {
  CumSum: rule('the running sum of g the other way', (call) => [
    call.to(0, () => inFloat32(call.g(), (g) => backwards(call, g))),
  ]),
  CumProd: rule(
    'the running sum of g y the other way, over x',
    (call) => [
      call.to(0, () => {
        const dtype = call.x(0).dtype ?? 'float32';
        const wide = isHalf(call.x(0)) ? 'float32' : dtype;
        return cast(productBar(call, cast(call.g(), wide), cast(call.x(0), wide), cast(call.y(), wide)), dtype);
      }),
    ],
    { note: 'exact where elements are zero, to second order too' },
  ),
};

/** Half precision is summed in float32. */
function inFloat32(g: Value, make: (g: Value) => Value): Value {
  return isHalf(g) ? cast(make(cast(g, 'float32')), g.dtype ?? 'float32') : make(g);
}

/** The running sum from the other end, exclusive as the call is. */
function backwards(call: RuleCall, g: Value): Value {
  return op.cumSum(g, call.x(1), {
    ...(call.int('exclusive', 0) === 0 ? {} : { exclusive: 1 }),
    ...(call.int('reverse', 0) === 0 ? { reverse: 1 } : {}),
  });
}

/**
 * The co-state of x_i is the sum over the products y_k that hold it of g_k y_k / x_i. Where x is not 0 that is so nearby too. At the first
 * zero of a line the products without it are made anew; at a later one the first zero is a factor (0 in value, 1 in derivative) of the
 * products without both.
 */
function productBar(call: RuleCall, g: Value, x: Value, y: Value): Value {
  const [none, one] = [scalarLike(x, 0), scalarLike(x, 1)];
  const isZero = op.equal(x, none);
  const count = along(call, numbers(isZero, x));
  const isFirst = op.and(isZero, op.equal(count, one));
  const without = (left: Value): Value => backwards(call, op.mul(g, running(call, op.where(left, one, x))));
  const first = along(call, op.where(isFirst, x, none));
  const isOfTwo = op.and(isZero, op.lessOrEqual(count, scalarLike(x, 2)));
  const atZero = op.where(isFirst, without(isFirst), op.mul(first, without(isOfTwo)));
  const elsewhere = op.div(backwards(call, op.mul(g, y)), op.where(isZero, one, x));
  return op.where(isZero, atZero, elsewhere);
}

/** The running sum the call's way, each element included. */
function along(call: RuleCall, x: Value): Value {
  return op.cumSum(x, call.x(1), call.int('reverse', 0) === 0 ? {} : { reverse: 1 });
}

/** The call's own running product of something else. */
function running(call: RuleCall, x: Value): Value {
  const made = remake(call.node, {
    inputs: [x, call.x(1)],
    name: undefined,
    origin: undefined,
    outputNames: [],
    infer: true,
  });
  const [y] = made.outputs;
  if (y === undefined) throw call.unsupported('it has no output');
  return y;
}
