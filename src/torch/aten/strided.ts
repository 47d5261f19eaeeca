import { isValue } from '../../graph/apply.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import type { Call } from '../lower/call.ts';
import type { ViewRule } from '../lower/rule.ts';
import { reshaped } from '../lower/sizes.ts';
import { ordered, overwritten, restored, sliced, withCut } from './cuts.ts';
import { largestConstant, steps } from './size-math.ts';
import { isContiguous } from './strides.ts';

interface Layout {
  readonly sizes: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
}

function layoutOf(call: Call): Layout {
  return { sizes: call.ints('size'), strides: call.ints('stride'), offset: call.int('storage_offset', 0) };
}

/** The axes of a tensor in the order in which they lie in memory, the farthest apart first. @throws UNSUPPORTED_OPERATOR where it has gaps. */
function memoryOrder(call: Call): { order: number[]; sizes: number[] } {
  const meta = call.meta('self');
  const sizes = (meta?.sizes ?? []).map((dim) => (typeof dim === 'number' ? dim : Number.NaN));
  const strides = (meta?.strides ?? []).map((dim) => (typeof dim === 'number' ? dim : Number.NaN));
  if ([...sizes, ...strides].some(Number.isNaN)) throw call.unsupported('a tensor of symbolic sizes');
  const order = sizes.map((_, axis) => axis).sort((a, b) => (strides[b] ?? 0) - (strides[a] ?? 0) || a - b);
  const laid = order.map((axis) => sizes[axis] ?? 0);
  if (
    !isContiguous(
      laid,
      order.map((axis) => strides[axis] ?? 0),
    ) ||
    !coversMemory(call, elements(laid))
  )
    throw call.unsupported('a tensor that is part of another');
  return { order, sizes: laid };
}

/** Whether a dense tensor of so many elements shows all of its memory: a view of as many elements as its base has is that base, seen otherwise. */
function coversMemory(call: Call, count: number): boolean {
  const cell = call.cell('self');
  if (!cell.isView) return true;
  const whole = cell.root.read();
  const sizes = isValue(whole) ? (whole.shape ?? []) : [];
  return sizes.every((size) => typeof size === 'number') && elements(sizes as number[]) === count;
}

const elements = (sizes: readonly number[]): number => sizes.reduce((product, size) => product * size, 1);

/** Where in memory each element lies: a constant, or for many elements what sums the axes' own positions. */
function positions({ sizes, strides, offset }: Layout): Value {
  if (elements(sizes) <= largestConstant) {
    let flat = [offset];
    for (const [axis, size] of sizes.entries())
      flat = flat.flatMap((at) => Array.from({ length: size }, (_, index) => at + index * (strides[axis] ?? 0)));
    return constant(flat, 'int64');
  }
  let sum: Value = constant(offset, 'int64');
  for (const [axis, size] of sizes.entries()) {
    const along = sizes.map((_, other) => (other === axis ? size : 1));
    sum = op.add(sum, reshaped(steps(size, strides[axis] ?? 0), along));
  }
  return op.reshape(sum, constant([-1], 'int64'));
}

/** Tensor.as_strided: elements of the memory of a tensor, in any order and as often as one likes. */
export const stridedView: ViewRule = {
  of: 'self',
  show: (call, base) => {
    const layout = layoutOf(call);
    const { order } = memoryOrder(call);
    const memory = op.reshape(ordered(base, order), constant([-1], 'int64'));
    if (isContiguous(layout.sizes, layout.strides)) {
      const end = layout.offset + elements(layout.sizes);
      return reshaped(sliced(memory, { axis: 0, start: layout.offset, end, step: 1 }), layout.sizes);
    }
    return reshaped(op.gather(memory, positions(layout), { axis: 0 }), layout.sizes);
  },
  back: (call, base, part) => {
    const layout = layoutOf(call);
    const { order, sizes } = memoryOrder(call);
    const memory = op.reshape(ordered(base, order), constant([-1], 'int64'));
    const flat = op.reshape(part, constant([-1], 'int64'));
    const end = layout.offset + elements(layout.sizes);
    const whole = isContiguous(layout.sizes, layout.strides)
      ? withCut(memory, flat, { axis: 0, start: layout.offset, end, step: 1 })
      : overwritten(memory, flat, 0, positions(layout));
    return restored(reshaped(whole, sizes), order);
  },
};
