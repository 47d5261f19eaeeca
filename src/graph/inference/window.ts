import { addDims, ceilDivideDims, compareDims, floorDivideDims, minDim, multiplyDims, subtractDims } from '../dim.ts';
import type { Call } from '../rule.ts';
import type { Dim } from '../type.ts';
import { badAttribute, intsAttribute, isReference, stringAttribute } from './attributes.ts';
import { mismatch } from './call.ts';

/** How windows lie over the spatial axes of Conv, the pools and their like; undefined lists are not known (references). */
export interface Windows {
  readonly strides: readonly Dim[];
  readonly dilations: readonly Dim[];
  readonly begins: readonly Dim[];
  readonly ends: readonly Dim[];
  /** NOTSET, VALID, SAME_UPPER or SAME_LOWER; undefined where it is not known. */
  readonly automatic: string | undefined;
}

const automatics = ['NOTSET', 'VALID', 'SAME_UPPER', 'SAME_LOWER'];

/** The attributes strides, dilations, pads and auto_pad for `rank` spatial axes. @throws BAD_ATTRIBUTE */
export function windowsOf(call: Call, rank: number): Windows {
  const pads = listed(call, 'pads', 2 * rank, 0, Number.NEGATIVE_INFINITY);
  const automatic = stringAttribute(call, 'auto_pad', 'NOTSET');
  if (automatic !== undefined && automatic !== '' && !automatics.includes(automatic))
    throw badAttribute(call, 'auto_pad', `one of ${automatics.join(', ')}`, `'${automatic.slice(0, 40)}'`);
  return {
    strides: listed(call, 'strides', rank, 1, 1),
    dilations: listed(call, 'dilations', rank, 1, 1),
    begins: pads.slice(0, rank),
    ends: pads.slice(rank),
    automatic: automatic === '' ? 'NOTSET' : automatic,
  };
}

/** A list of integers, one per axis, with its default. @throws BAD_ATTRIBUTE */
export function listed(call: Call, name: string, length: number, fallback: number, least: number): readonly Dim[] {
  const list = intsAttribute(call, name);
  if (list === undefined) return new Array<Dim>(length).fill(isReference(call, name) ? undefined : fallback);
  if (list.length !== length || list.some((value) => !(value >= least)))
    throw badAttribute(
      call,
      name,
      `${length} integers${least > 0 ? `, each ${least} or more` : ''}`,
      `[${list.join(', ')}]`,
    );
  return list;
}

/** Extent of a dilated kernel. */
export function extentOf(kernel: Dim, dilation: Dim): Dim {
  return addDims(multiplyDims(subtractDims(kernel, 1), dilation), 1);
}

/** Positions of a window of `extent` along an axis of `size`, rounding up where `ceil`. @throws SHAPE_MISMATCH where none fits. */
export function windowCount(
  call: Call,
  argument: string,
  size: Dim,
  extent: Dim,
  windows: Windows,
  axis: number,
  ceil: boolean,
): Dim {
  const { automatic } = windows;
  const stride = windows.strides[axis];
  if (automatic === undefined) return undefined;
  if (automatic.startsWith('SAME')) return ceilDivideDims(size, stride);
  const [begin, end]: readonly [Dim, Dim] = automatic === 'VALID' ? [0, 0] : [windows.begins[axis], windows.ends[axis]];
  const room = subtractDims(addDims(addDims(size, begin), end), extent);
  if (typeof room === 'number' && room < 0) {
    const got = `${extent} over ${addDims(room, extent)}`;
    throw mismatch('SHAPE_MISMATCH', call, argument, `at least as large as the kernel in spatial axis ${axis}`, got);
  }
  if (!ceil) return addDims(floorDivideDims(room, stride), 1);
  const steps = ceilDivideDims(room, stride);
  /** A window that would begin in the padding behind the image is left out. */
  const inside = compareDims(addDims(end, stride), extent);
  if (inside === -1 || inside === 0) return addDims(steps, 1);
  return addDims(minDim(steps, floorDivideDims(subtractDims(addDims(size, begin), 1), stride)), 1);
}
