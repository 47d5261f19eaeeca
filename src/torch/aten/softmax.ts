import { ints } from '../../../ops/precision.ts';
import { isFloat } from '../../files/dtype.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { axisOf, rankOf } from '../lower/sizes.ts';
import { axesOf, reduced } from './axes.ts';
import { inSingle, like } from './kernels.ts';

/** `self` in the element type that the sum of exponentials is made in, and the axis. */
function logits(call: Call): { readonly x: Value; readonly axis: number } {
  call.ignore('half_to_float');
  const x = call.tensor('self');
  const dtype = call.dtype('dtype') ?? call.outDType();
  return { x: cast(x, isFloat(dtype) ? dtype : 'float32'), axis: axisOf(call.int('dim'), rankOf(x)) };
}

/** Softmax is of an axis: a single number is a row of one. */
const along =
  (maker: (x: Value, attributes: { readonly axis: number }) => Value): Lowering =>
  (call) => {
    const { x, axis } = logits(call);
    return rankOf(x) > 0 ? maker(x, { axis }) : op.squeeze(maker(op.unsqueeze(x, ints(0)), { axis: 0 }), ints(0));
  };

/** A row without a number above -inf gives 0. */
function safeSoftmax(x: Value, { axis }: { readonly axis: number }): Value {
  const none = op.equal(reduced(op.reduceMax, x, [axis], true), like(x, Number.NEGATIVE_INFINITY));
  const zero = like(x, 0);
  return op.where(none, zero, op.softmax(op.where(none, zero, x), { axis }));
}

export const softmaxRules: Rules = {
  'aten.softmax.int': along(op.softmax),
  'aten._softmax.default': along(op.softmax),
  'aten._safe_softmax.default': along(safeSoftmax),
  'aten.log_softmax.int': along(op.logSoftmax),
  'aten._log_softmax.default': along(op.logSoftmax),
  'aten.logsumexp.default': (call) => {
    const given = call.tensor('self');
    const x = inSingle(cast(given, call.outDType()));
    return logSumExp(x, axesOf(call, x) ?? [], call.bool('keepdim', false));
  },
};

/** Over no axes at all, as of a single number, it is that number itself. */
export function logSumExp(x: Value, axes: readonly number[], keep: boolean): Value {
  return axes.length === 0 ? x : reduced(op.reduceLogSumExp, x, axes, keep);
}
