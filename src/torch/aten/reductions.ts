import { isFloat } from '../../files/dtype.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { rankOf } from '../lower/sizes.ts';
import { axesOf, reduced } from './axes.ts';
import { inSingle, like } from './kernels.ts';

/** `self` in the element type of the result, or in one that runtimes add up in: whole numbers and truth values are added as int64. */
function summand(call: Call, name = 'self'): Value {
  const x = call.tensor(name);
  const dtype = call.dtype('dtype') ?? call.outDType();
  return inSingle(cast(x, isFloat(dtype) ? dtype : 'int64'));
}

const over =
  (maker: Parameters<typeof reduced>[0], operand: (call: Call) => Value = summand): Lowering =>
  (call) => {
    const x = operand(call);
    return reduced(maker, x, axesOf(call, x), call.bool('keepdim', false));
  };

/** Sums in which what is not a number is left out. */
const withoutNaN = (x: Value): Value => (isFloat(x.dtype ?? 'bool') ? op.where(op.isNaN(x), like(x, 0), x) : x);

export const reductionRules: Rules = {
  'aten.sum.default': over(op.reduceSum),
  'aten.sum.dim_IntList': over(op.reduceSum),
  'aten.mean.default': over(op.reduceMean),
  'aten.mean.dim': over(op.reduceMean),
  'aten.prod.default': over(op.reduceProd),
  'aten.prod.dim_int': over(op.reduceProd),
  'aten.nansum.default': over(op.reduceSum, (call) => withoutNaN(summand(call))),
  'aten.nanmean.default': (call) => {
    const x = summand(call);
    const [axes, keep] = [axesOf(call, x), call.bool('keepdim', false)];
    const counted = cast(op.not(op.isNaN(x)), x.dtype ?? 'float32');
    return op.div(reduced(op.reduceSum, withoutNaN(x), axes, keep), reduced(op.reduceSum, counted, axes, keep));
  },
  'aten.count_nonzero.default': (call) => nonzero(call),
  'aten.count_nonzero.dim_IntList': (call) => nonzero(call),
  'aten.any.default': truth(op.reduceMax),
  'aten.any.dim': truth(op.reduceMax),
  'aten.any.dims': truth(op.reduceMax),
  'aten.all.default': truth(op.reduceMin),
  'aten.all.dim': truth(op.reduceMin),
  'aten.all.dims': truth(op.reduceMin),
};

function isTrue(call: Call): Value {
  return cast(call.tensor('self'), 'bool');
}

function nonzero(call: Call): Value {
  const x = cast(isTrue(call), 'int64');
  return reduced(op.reduceSum, x, axesOf(call, x));
}

/** Whether any or all are true. Of nothing, any is false and all is true: the sum of what is true (of what is not) tells for every size. */
function truth(maker: typeof op.reduceMax): Lowering {
  return (call) => {
    const all = maker === op.reduceMin;
    const x = isTrue(call);
    const [axes, keep] = [axesOf(call, x), call.bool('keepdim', false)];
    if (rankOf(x) === 0) return x;
    const found = reduced(op.reduceMax, cast(all ? op.not(x) : x, 'int32'), axes, keep);
    const any = cast(found, 'bool');
    return all ? op.not(any) : any;
  };
}
