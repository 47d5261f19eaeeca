import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import type { Call } from '../lower/call.ts';
import type { Size } from '../lower/item.ts';
import type { ViewRule } from '../lower/rule.ts';
import { axisOf, rankOf, reshaped, sizeAt, sizesOf } from '../lower/sizes.ts';
import { ordered, overwritten, withLast } from './cuts.ts';
import { minus, plus, quotient, steps, times } from './size-math.ts';

interface Windows {
  readonly axis: number;
  readonly size: number;
  readonly step: number;
  readonly count: Size;
}

function windowsOf(call: Call, base: Value): Windows {
  const axis = axisOf(call.int('dimension'), rankOf(base));
  const [size, step] = [call.int('size'), call.int('step')];
  return { axis, size, step, count: plus(quotient(minus(sizeAt(base, axis), size), step), 1) };
}

/** Indices [count, size] of the elements of each window. */
function indices({ size, step, count }: Windows): Value {
  if (typeof count === 'number') {
    const rows = Array.from({ length: count }, (_, row) => Array.from({ length: size }, (_, k) => row * step + k));
    return constant(rows.length === 0 ? [] : rows, 'int64');
  }
  return op.add(op.unsqueeze(steps(count, step), constant([1], 'int64')), steps(size));
}

/** Tensor.unfold: windows of `size` elements of an axis, `step` apart, along a new last axis. */
export const unfoldView: ViewRule = {
  of: 'self',
  show: (call, base) => {
    const windows = windowsOf(call, base);
    const found = op.gather(base, indices(windows), { axis: windows.axis });
    return ordered(found, withLast(found, windows.axis + 1));
  },
  back: (call, base, part) => {
    const windows = windowsOf(call, base);
    const { axis, size, step, count } = windows;
    if (step < size) throw call.unsupported('writing to windows that overlap');
    const rank = rankOf(base);
    const order = Array.from({ length: rank + 1 }, (_, at) => (at <= axis ? at : at === axis + 1 ? rank : at - 1));
    const sizes = sizesOf(base);
    const inOrder = reshaped(ordered(part, order), [
      ...sizes.slice(0, axis),
      times(count, size),
      ...sizes.slice(axis + 1),
    ]);
    return overwritten(base, inOrder, axis, op.reshape(indices(windows), constant([-1], 'int64')));
  },
};
