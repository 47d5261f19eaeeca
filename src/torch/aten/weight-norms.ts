import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Rules } from '../lower/rule.ts';
import { axisOf, rankOf } from '../lower/sizes.ts';
import { reduced } from './axes.ts';
import { inSingle } from './kernels.ts';

export const weightNormRules: Rules = {
  'aten._weight_norm.default': (call) => weightNorm(call)[0],
  'aten._weight_norm_interface.default': (call) => weightNorm(call),
};

/** v g / |v|, the length of each slice along the axis, and that length; of the whole where the axis is -1. */
function weightNorm(call: Call): [Value, Value] {
  const given = call.tensor('v');
  const v = inSingle(given);
  const rank = rankOf(v);
  const dim = call.int('dim', 0);
  const others = Array.from({ length: rank }, (_, axis) => axis).filter(
    (axis) => dim === -1 || axis !== axisOf(dim, rank),
  );
  const length = reduced(op.reduceL2, v, others, true);
  return [op.mul(v, op.div(cast(call.tensor('g'), v.dtype ?? 'float32'), length)), length];
}
