import {
  broadcastDims,
  broadcastFails,
  compareDims,
  divideExactly,
  floorDivideDims,
  multiplyDims,
  productOf,
} from '../dim.ts';
import type { Call, InferRule, Inferred } from '../rule.ts';
import { type Dim, describeShape, type Shape } from '../type.ts';
import type { KnownDims } from '../value.ts';
import { badAttribute, intAttribute, intsAttribute, isReference } from './attributes.ts';
import { badShape, checkedAxes, dtypeOf, isGiven, mismatch, shapeOf, tensor, unknownDims } from './call.ts';
import { knownDims, knownLimit } from './constant.ts';
import { axesOf, axisCount } from './reduction.ts';

/** Contents that a change of shape keeps, where the new shape is still of rank 0 or 1. */
function keptContents(call: Call, shape: Shape): KnownDims | undefined {
  return shape !== undefined && shape.length <= 1 ? knownDims(call.inputs[0]) : undefined;
}

function moved(call: Call, shape: Shape): readonly Inferred[] {
  return [tensor(dtypeOf(call, 0), shape, keptContents(call, shape))];
}

/** The shape an input tensor lists: its contents where they are known, else as many unknown dimensions as it is long. */
export function listedShape(call: Call, index: number): Shape {
  const known = knownDims(call.inputs[index]);
  if (known !== undefined) return known;
  const length = shapeOf(call, index)?.[0];
  return typeof length === 'number' && length <= knownLimit ? unknownDims(length) : undefined;
}

const reshape: InferRule = (call) => {
  const target = isReference(call, 'shape') ? undefined : (intsAttribute(call, 'shape') ?? listedShape(call, 1));
  if (target === undefined) return moved(call, undefined);
  const wrong = target.find((dim) => typeof dim === 'number' && (dim < -1 || !Number.isInteger(dim)));
  if (wrong !== undefined || target.filter((dim) => dim === -1).length > 1)
    throw mismatch('SHAPE_MISMATCH', call, 'shape', 'sizes with one -1 at most', describeShape(target));
  return moved(call, reshaped(call, shapeOf(call, 0), target));
};

/** Zeros copy, and the one entry that is -1 or unknown takes what the others leave. */
function reshaped(call: Call, from: Shape, target: readonly Dim[]): readonly Dim[] {
  const copies = intAttribute(call, 'allowzero', 0) === 0;
  const copied = new Set(copies ? [...target.keys()].filter((axis) => target[axis] === 0) : []);
  if (from !== undefined)
    for (const axis of copied)
      if (axis >= from.length)
        throw mismatch(
          'SHAPE_MISMATCH',
          call,
          'shape',
          `0 only where data ${describeShape(from)} has an axis`,
          describeShape(target),
        );
  const result: Dim[] = target.map((dim, axis) => (copied.has(axis) ? from?.[axis] : dim === -1 ? undefined : dim));
  if (from === undefined) return result;
  const open = [...target.keys()].filter(
    (axis) => !copied.has(axis) && (target[axis] === -1 || target[axis] === undefined),
  );
  const total = productOf(from.filter((_, axis) => !copied.has(axis)));
  const given = productOf(result.filter((_, axis) => !copied.has(axis) && !open.includes(axis)));
  const [last] = open;
  if (last === undefined) checkCount(call, from, target, compareNumbers(total, given));
  else if (open.length === 1 && given !== 0) {
    const size = divideExactly(total, given);
    checkCount(call, from, target, size === undefined && typeof total === 'number' && typeof given === 'number');
    result[last] = size ?? floorDivideDims(total, given);
  }
  return result;
}

function compareNumbers(a: Dim, b: Dim): boolean {
  return typeof a === 'number' && typeof b === 'number' && a !== b;
}

function checkCount(call: Call, from: readonly Dim[], target: readonly Dim[], fails: boolean): void {
  if (fails)
    throw mismatch(
      'SHAPE_MISMATCH',
      call,
      'shape',
      `a shape with as many elements as data ${describeShape(from)}`,
      describeShape(target),
    );
}

const flatten: InferRule = (call) => {
  const shape = shapeOf(call, 0);
  const axis = intAttribute(call, 'axis', 1);
  if (shape === undefined || axis === undefined) return [tensor(dtypeOf(call, 0), unknownDims(2))];
  if (axis < -shape.length || axis > shape.length)
    throw badAttribute(call, 'axis', `in [${-shape.length}, ${shape.length}]`, String(axis));
  const split = axis < 0 ? axis + shape.length : axis;
  return [tensor(dtypeOf(call, 0), [productOf(shape.slice(0, split)), productOf(shape.slice(split))])];
};

const squeeze: InferRule = (call) => {
  const shape = shapeOf(call, 0);
  const axes = axesOf(call, 1);
  if (shape === undefined) return moved(call, undefined);
  if (axes === 'all') {
    const certain = shape.every((dim) => typeof dim === 'number');
    return moved(call, certain ? shape.filter((dim) => dim !== 1) : undefined);
  }
  if (axes === undefined) {
    const count = axisCount(call, 1);
    return moved(
      call,
      typeof count === 'number' && count <= shape.length ? unknownDims(shape.length - count) : undefined,
    );
  }
  const gone = new Set(checkedAxes(call, axes, shape.length));
  for (const axis of gone)
    if (typeof shape[axis] === 'number' && shape[axis] !== 1)
      throw badShape(call, 'data', `of size 1 in axis ${axis}`, shape);
  return moved(
    call,
    shape.filter((_, axis) => !gone.has(axis)),
  );
};

const unsqueeze: InferRule = (call) => {
  const shape = shapeOf(call, 0);
  const axes = axesOf(call, 1);
  if (shape === undefined) return moved(call, undefined);
  if (axes === 'all') return moved(call, shape);
  if (axes === undefined) {
    const count = axisCount(call, 1);
    const rank = typeof count === 'number' && count <= knownLimit ? shape.length + count : undefined;
    return moved(call, rank === undefined ? undefined : unknownDims(rank));
  }
  const rank = shape.length + axes.length;
  const added = new Set(checkedAxes(call, axes, rank));
  const rest = shape.values();
  const dims = Array.from({ length: rank }, (_, axis): Dim => (added.has(axis) ? 1 : rest.next().value));
  return moved(call, dims);
};

const transpose: InferRule = (call) => {
  const shape = shapeOf(call, 0);
  const perm = intsAttribute(call, 'perm');
  if (perm !== undefined) {
    const sorted = [...perm].sort((a, b) => a - b);
    const size = shape?.length ?? perm.length;
    if (perm.length !== size || sorted.some((axis, index) => axis !== index))
      throw badAttribute(call, 'perm', `a permutation of ${size} axes`, `[${perm.join(', ')}]`);
  }
  if (perm === undefined && isReference(call, 'perm')) return moved(call, shape && unknownDims(shape.length));
  if (shape === undefined) return moved(call, perm && unknownDims(perm.length));
  return moved(call, perm === undefined ? shape.toReversed() : perm.map((axis) => shape[axis]));
};

const expand: InferRule = (call) => {
  const shape = shapeOf(call, 0);
  const target = listedShape(call, 1);
  const dtype = dtypeOf(call, 0);
  if (shape === undefined || target === undefined) return [tensor(dtype, undefined)];
  const rank = Math.max(shape.length, target.length);
  const dims: Dim[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const from = axis < rank - shape.length ? 1 : shape[axis - rank + shape.length];
    const to = axis < rank - target.length ? 1 : target[axis - rank + target.length];
    if (broadcastFails(from, to) || compareDims(to, 0) === -1)
      throw mismatch(
        'SHAPE_MISMATCH',
        call,
        'shape',
        `broadcastable with input ${describeShape(shape)}`,
        describeShape(target),
      );
    dims.push(broadcastDims(from, to));
  }
  return [tensor(dtype, dims, repeatedContents(call, dims))];
};

/** Contents of a vector or scalar that was repeated to a known size. */
function repeatedContents(call: Call, dims: readonly Dim[]): KnownDims | undefined {
  const known = knownDims(call.inputs[0]);
  // Not by a default: a size may be there and not known.
  const size = dims.length === 0 ? 1 : dims[0];
  if (known === undefined || dims.length > 1 || typeof size !== 'number' || size > knownLimit) return undefined;
  return known.length === 0 ? undefined : Array.from({ length: size }, (_, index) => known[index % known.length]);
}

const tile: InferRule = (call) => {
  const shape = shapeOf(call, 0);
  const dtype = dtypeOf(call, 0);
  /** Version 1 took a count and an axis. */
  if (isGiven(call, 2)) return [tensor(dtype, shape && unknownDims(shape.length))];
  const repeats = listedShape(call, 1);
  if (shape === undefined) return [tensor(dtype, repeats && unknownDims(repeats.length))];
  if (repeats === undefined) return [tensor(dtype, unknownDims(shape.length))];
  if (repeats.length !== shape.length)
    throw mismatch('SHAPE_MISMATCH', call, 'repeats', `of ${shape.length} elements`, describeShape(repeats));
  const dims = shape.map((dim, axis) => multiplyDims(dim, repeats[axis]));
  return [tensor(dtype, dims, repeatedContents(call, dims))];
};

const shapeOperator: InferRule = (call) => {
  const shape = shapeOf(call, 0);
  const start = intAttribute(call, 'start', 0);
  const end = intAttribute(call, 'end', Number.POSITIVE_INFINITY);
  if (shape === undefined || start === undefined || end === undefined) return [tensor('int64', [undefined])];
  const clamp = (axis: number): number => Math.min(Math.max(axis < 0 ? axis + shape.length : axis, 0), shape.length);
  const part = shape.slice(clamp(start), Math.max(clamp(start), clamp(end)));
  return [tensor('int64', [part.length], part.length <= knownLimit ? part : undefined)];
};

const size: InferRule = (call) => {
  const shape = shapeOf(call, 0);
  const count = shape === undefined ? undefined : productOf(shape);
  return [tensor('int64', [], count === undefined ? undefined : [count])];
};

export const reshapeRules: Readonly<Record<string, InferRule>> = {
  Expand: expand,
  Flatten: flatten,
  Reshape: reshape,
  Shape: shapeOperator,
  Size: size,
  Squeeze: squeeze,
  Tile: tile,
  Transpose: transpose,
  Unsqueeze: unsqueeze,
};
