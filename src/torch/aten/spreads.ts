import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import type { Call } from '../lower/call.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { rankOf } from '../lower/sizes.ts';
import { type Axes, axesOf, countOf, reduced, sizeAs } from './axes.ts';
import { inSingle, like } from './kernels.ts';

interface Spread {
  readonly mean: Value;
  readonly variance: () => Value;
  readonly deviation: () => Value;
}

/** By how much less than the number of elements the sum of squares is divided: 1, unless the call says otherwise. */
function correctionOf(call: Call): number {
  if (call.has('unbiased')) return call.bool('unbiased') ? 1 : 0;
  const correction = call.scalar('correction', 1);
  if (typeof correction === 'number') return correction;
  throw call.unsupported('a correction that is not known');
}

function spreadOf(call: Call): Spread {
  const x = inSingle(call.tensor('self'));
  const axes: Axes = axesOf(call, x);
  const keep = call.bool('keepdim', false);
  const correction = correctionOf(call);
  const all = axes ?? Array.from({ length: rankOf(x) }, (_, axis) => axis);
  const kept = all.length === 0 ? x : reduced(op.reduceMean, x, all, true);
  const centred = op.sub(x, kept);
  const count = countOf(x, all);
  const divisor =
    typeof count === 'number'
      ? like(x, Math.max(0, count - correction))
      : op.max([op.sub(sizeAs(count, x), like(x, correction)), like(x, 0)]);
  // Of a single number there are no axes to sum over.
  const square = (maker: typeof op.reduceSumSquare, alone: (x: Value) => Value): Value =>
    all.length === 0 ? alone(centred) : reduced(maker, centred, all, keep);
  return {
    mean: keep || all.length === 0 ? kept : reduced(op.reduceMean, x, all, false),
    variance: () =>
      correction === 0 && all.length > 0
        ? reduced(op.reduceMean, op.mul(centred, centred), all, keep)
        : op.div(
            square(op.reduceSumSquare, (own) => op.mul(own, own)),
            divisor,
          ),
    // The length of a vector has the co-state 0 at 0, as PyTorch's deviation.
    deviation: () =>
      op.div(square(op.reduceL2, op.abs), typeof count === 'number' ? rootOf(x, count - correction) : op.sqrt(divisor)),
  };
}

function rootOf(x: Value, divisor: number): Value {
  return like(x, Math.sqrt(Math.max(0, divisor)));
}

const variance: Lowering = (call) => spreadOf(call).variance();
const deviation: Lowering = (call) => spreadOf(call).deviation();

const withMean =
  (which: 'variance' | 'deviation'): Lowering =>
  (call) => {
    const spread = spreadOf(call);
    return [spread[which](), spread.mean];
  };

export const spreadRules: Rules = {
  'aten.var.default': variance,
  'aten.var.dim': variance,
  'aten.var.correction': variance,
  'aten.std.default': deviation,
  'aten.std.dim': deviation,
  'aten.std.correction': deviation,
  'aten.var_mean.default': withMean('variance'),
  'aten.var_mean.dim': withMean('variance'),
  'aten.var_mean.correction': withMean('variance'),
  'aten.std_mean.default': withMean('deviation'),
  'aten.std_mean.dim': withMean('deviation'),
  'aten.std_mean.correction': withMean('deviation'),
};
