import { fromNumbers } from '../../../files/tensor.ts';
import { constant } from '../../../graph/make.ts';
import * as op from '../../../graph/op.ts';
import type { Value } from '../../../graph/value.ts';
import type { RuleCall } from '../../call.ts';
import { ints, scalarLike, tensorLike } from '../../pieces.ts';
import { toImage } from '../convolution/image.ts';
import { behind, extent, type Framed, framed, shaped, spatial, spatialOf } from '../convolution/windows.ts';

/** The windows of a pool over its input. */
export function poolOf(call: RuleCall): Framed {
  call.rank(call.x(0));
  return framed(call, call.x(0), call.y(), call.ints('kernel_shape') ?? []);
}

/** How many elements a window has. */
function elementsOf({ windows }: Framed): number {
  return windows.kernel.reduce<number>((all, count) => all * (count ?? 1), 1);
}

/**
 * The transpose of summing over windows, times a factor: every element of x gets the numbers h of the windows it lies in. Windows side by
 * side: each number repeated, by Resize (64 channels, 28x28, batch 32, 2 threads: 0.25 ms; ConvTranspose 0.82, Expand 9.4). At every
 * place: a pool again (8 images: 0.18 ms; ConvTranspose 0.83). Else a transposed convolution of each channel with ones.
 */
export function spread(call: RuleCall, pool: Framed, h: Value, factor: number): Value {
  const x = call.x(0);
  const { windows, rim } = pool;
  const { kernel, strides, dilations, begins, ends } = windows;
  const left = rim === undefined ? behind(x, call.y(), windows) : undefined;
  const dense = dilations.every((dilation) => dilation === 1);
  if (isBeside(pool) && left?.every((count) => count !== undefined)) {
    const made = repeated(times(h, factor), kernel.map(Number));
    // Elements that only padding would have completed, or none, lie behind the last window.
    const rest = left.map((count, axis) => (count ?? 0) - (ends[axis] ?? 0));
    if (rest.every((count) => count === 0)) return made;
    return op.pad(made, ints(0, 0, ...rest.map(() => 0), 0, 0, ...rest));
  }
  const rims = kernel.map((count, axis) => extent(count ?? 1, dilations[axis] ?? 1) - 1);
  const inner = rims.every((reach, axis) => reach >= (begins[axis] ?? 0) && reach >= (ends[axis] ?? 0));
  if (dense && inner && rim === undefined && strides.every((stride) => stride === 1)) {
    const pads = [begins, ends].flatMap((list) => rims.map((reach, axis) => reach - (list[axis] ?? 0)));
    const averaged = op.averagePool(h, {
      kernelShape: kernel.map(Number),
      strides,
      pads,
      countIncludePad: 1,
    });
    return times(averaged, factor * elementsOf(pool));
  }
  const channels = x.shape?.[1];
  const ones = (count: number): Value =>
    tensorLike(h, [count, 1, ...kernel.map(Number)], new Array<number>(count * elementsOf(pool)).fill(factor));
  if (typeof channels === 'number') return toImage(h, ones(channels), x, call.y(), { windows, group: channels, rim });
  // Of unknown channels each is an image of one channel.
  const made = toImage(singly(h), ones(1), x, call.y(), { windows, group: 1, rim });
  return op.reshape(made, op.shape(x));
}

/** Every channel as an image of its own [n c, 1, ...]. */
export function singly(value: Value): Value {
  const sizes = spatial(value);
  return shaped(value, [-1, 1, ...(sizes.every((size) => size !== undefined) ? sizes : [spatialOf(value)])]);
}

/** Whether windows lie side by side from the first element on, whatever is behind the last one. */
export function isBeside({ windows, rim }: Framed): boolean {
  const { kernel, strides, dilations, begins } = windows;
  const dense = dilations.every((dilation) => dilation === 1) && begins.every((pad) => pad === 0);
  return rim === undefined && dense && kernel.every((count, axis) => count === strides[axis]);
}

/** Every number repeated for each element of its window. */
export function repeated(h: Value, kernel: readonly number[]): Value {
  const scales = constant(fromNumbers('float32', [kernel.length + 2], [1, 1, ...kernel]));
  return op.resize(h, undefined, scales, undefined, {
    mode: 'nearest',
    coordinateTransformationMode: 'asymmetric',
    nearestMode: 'floor',
  });
}

function times(x: Value, factor: number): Value {
  return factor === 1 ? x : op.mul(x, scalarLike(x, factor));
}
