import { broadcastDims } from '../../graph/dim.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Dim } from '../../graph/type.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import { rankOf } from '../lower/sizes.ts';

/** What `x[indices]` takes apart: int64 index tensors, each for one axis; masks have become the positions where they hold. */
export interface Indexed {
  readonly axes: readonly number[];
  readonly indices: readonly Value[];
  /** The one mask there is, where there is no other index. */
  readonly mask: { readonly value: Value; readonly axis: number } | undefined;
}

/** The argument `indices` of index and index_put: tensors with gaps, each for one axis or, a mask, for as many as it has. */
export function indexedBy(call: Call, name = 'indices'): Indexed {
  const axes: number[] = [];
  const indices: Value[] = [];
  const given = call.optionalTensors(name);
  let mask: Indexed['mask'];
  let axis = 0;
  for (const index of given) {
    if (index === undefined) {
      axis += 1;
      continue;
    }
    if (!isMask(index)) {
      axes.push(axis++);
      indices.push(cast(index, 'int64'));
      continue;
    }
    const rank = rankOf(index);
    if (rank === 0) throw call.unsupported('a mask without dimensions');
    if (given.filter((other) => other !== undefined).length === 1) mask = { value: cast(index, 'bool'), axis };
    const places = op.nonZero(cast(index, 'bool'));
    for (let k = 0; k < rank; k++) {
      axes.push(axis++);
      indices.push(op.gather(places, constant(k, 'int64'), { axis: 0 }));
    }
  }
  return { axes, indices, mask };
}

function isMask(index: Value): boolean {
  return index.dtype === 'bool' || index.dtype === 'uint8';
}

/** Whether the axes follow one another: then what the indices give stands in their place, otherwise in front. */
export function areAdjacent(axes: readonly number[]): boolean {
  return axes.every((axis, index) => index === 0 || axis === (axes[index - 1] ?? 0) + 1);
}

/** Index tensors as one, [.., k]: broadcast to a common shape, and side by side. */
export function together(indices: readonly Value[]): Value {
  const shape = commonShape(indices);
  const sum = indices.reduce((a, b) => (rankOf(a) >= rankOf(b) && sameShape(a.shape, shape) ? a : op.add(a, b)));
  const target = shape?.every((dim) => typeof dim === 'number') ? constant(shape as number[], 'int64') : op.shape(sum);
  const parts = indices.map((index) => {
    const whole = sameShape(index.shape, shape) ? index : op.expand(index, target);
    return op.unsqueeze(whole, constant([-1], 'int64'));
  });
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : op.concat(parts, { axis: -1 });
}

function sameShape(a: readonly Dim[] | undefined, b: readonly Dim[] | undefined): boolean {
  return a !== undefined && a.length === b?.length && a.every((dim, axis) => dim !== undefined && dim === b[axis]);
}

function commonShape(indices: readonly Value[]): Dim[] | undefined {
  const rank = Math.max(...indices.map(rankOf));
  const shape: Dim[] = new Array<Dim>(rank).fill(1);
  for (const { shape: own = [] } of indices)
    for (const [axis, dim] of own.entries()) {
      const at = rank - own.length + axis;
      shape[at] = broadcastDims(shape[at], dim);
    }
  return shape;
}
