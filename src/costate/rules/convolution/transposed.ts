import * as op from '../../../graph/op.ts';
import type { Value } from '../../../graph/value.ts';
import type { RuleCall } from '../../call.ts';
import { ints, scalarLike } from '../../pieces.ts';
import { extent, kernelOf, listOf, padded, type Size, spatial, spatialOf, type Windows } from './windows.ts';

/** The output of a transposed convolution, with the windows over it that belong to the elements of its input. */
export interface FramedTransposed {
  readonly image: Value;
  readonly windows: Windows;
  /** Whether there are as many windows as the input has elements; else there may be more. */
  readonly exact: boolean;
}

/**
 * ConvTranspose cuts `pads` off (input - 1) stride + extent + output_padding; where output_shape or auto_pad say the size, what is to be
 * cut is shared among both ends, the odd one in front unless SAME_UPPER (ONNX's ConvTranspose).
 */
export function framedTransposed(call: RuleCall, image: Value, x: Value, weight: Value): FramedTransposed {
  const kernel = kernelOf(call, weight);
  const rank = kernel.length;
  const strides = listOf(call, 'strides', rank, 1);
  const dilations = listOf(call, 'dilations', rank, 1);
  const further = listOf(call, 'output_padding', rank, 0);
  const shape = { kernel, strides, dilations };
  const none = new Array<number>(rank).fill(0);
  const asked = call.ints('output_shape')?.slice(-rank);
  const automatic = call.text('auto_pad', 'NOTSET');
  const same = automatic.startsWith('SAME');
  if (asked === undefined && !same) {
    const pads = automatic === 'VALID' ? undefined : call.ints('pads');
    const begins = pads?.slice(0, rank) ?? none;
    const after = further.map((count, axis) => (pads?.[rank + axis] ?? 0) - count);
    return settled(image, { ...shape, begins, ends: after });
  }
  const upper = automatic === 'SAME_UPPER';
  const sizes = spatial(x);
  const totals = kernel.map((count, axis): Size => {
    const [size, stride] = [sizes[axis], strides[axis] ?? 1];
    if (count === undefined) return undefined;
    const beyond = extent(count, dilations[axis] ?? 1) + (further[axis] ?? 0) - stride;
    if (asked === undefined) return beyond;
    return size === undefined ? undefined : size * stride + beyond - (asked[axis] ?? 0);
  });
  if (totals.every((total) => total !== undefined)) {
    const cut = totals.map((total) => Math.max(total, 0));
    const begins = cut.map((total) => (upper ? Math.floor(total / 2) : Math.ceil(total / 2)));
    const ends = totals.map((total, axis) => total - (begins[axis] ?? 0) - (further[axis] ?? 0));
    return settled(image, { ...shape, begins, ends });
  }
  const count = spatialOf(weight);
  const one = scalarLike(count, 1);
  const reach = op.add(op.mul(op.sub(count, one), ints(...dilations)), op.add(one, ints(...further)));
  const whole = op.add(op.mul(op.sub(spatialOf(x), one), ints(...strides)), reach);
  const total = op.max([op.sub(whole, spatialOf(image)), scalarLike(count, 0)]);
  const half = op.div(total, scalarLike(count, 2));
  const rest = op.sub(total, half);
  const rim = upper ? ([half, rest] as const) : ([rest, half] as const);
  return { image: padded(image, rim, rank), windows: { ...shape, begins: none, ends: none }, exact: false };
}

/** Pads below zero behind the image are elements that no window reaches. */
function settled(image: Value, windows: Windows): FramedTransposed {
  const exact = windows.ends.every((end, axis) => end >= 0 || -end < (windows.strides[axis] ?? 1));
  return { image, windows: { ...windows, ends: windows.ends.map((end) => Math.max(end, 0)) }, exact };
}
