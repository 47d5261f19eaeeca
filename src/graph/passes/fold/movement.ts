import { isInteger } from '../../../files/dtype.ts';
import { elementCount, isStored } from '../../../files/tensor.ts';
import type { Node } from '../../value.ts';
import { intOf } from '../constants.ts';
import {
  axisWithin,
  broadcastShape,
  broadcastTo,
  type Cells,
  cellsOf,
  countWithin,
  type Evaluate,
  integersOf,
  stored,
  strided,
  stridesOf,
} from './cells.ts';

function reshaped(x: Cells, shape: readonly number[]): readonly Cells[] | undefined {
  return elementCount(shape) === x.values.length ? [{ ...x, shape }] : undefined;
}

/** Axes from the input of newer versions or the attribute of older ones; undefined where neither is there. */
function axesOf(node: Node, input: Cells | undefined): readonly number[] | undefined {
  if (input !== undefined) return integersOf(input);
  const attribute = node.attributes.get('axes');
  return attribute?.kind === 'ints' ? attribute.value.map(Number) : undefined;
}

const reshape: Evaluate = (node, [x, target]) => {
  const wanted = integersOf(target);
  if (x === undefined || wanted === undefined) return undefined;
  const copies = intOf(node, 'allowzero', 0) !== 1;
  const shape = wanted.map((dim, i) => (dim === 0 && copies ? (x.shape[i] ?? -2) : dim));
  const free = shape.indexOf(-1);
  if (free >= 0) {
    const rest = shape.reduce((product, dim, i) => (i === free ? product : product * dim), 1);
    if (rest === 0) return undefined;
    shape[free] = x.values.length / rest;
  }
  return shape.every((dim) => Number.isInteger(dim) && dim >= 0) ? reshaped(x, shape) : undefined;
};

const unsqueeze: Evaluate = (node, [x, axes]) => {
  const given = axesOf(node, axes);
  if (x === undefined || given === undefined) return undefined;
  const rank = x.shape.length + given.length;
  const places = new Set(given.map((axis) => axisWithin(axis, rank)));
  if (places.has(undefined) || places.size !== given.length) return undefined;
  const rest = [...x.shape];
  return reshaped(
    x,
    Array.from({ length: rank }, (_, i) => (places.has(i) ? 1 : (rest.shift() ?? 1))),
  );
};

const squeeze: Evaluate = (node, [x, axes]) => {
  if (x === undefined) return undefined;
  const given = axesOf(node, axes);
  if (given === undefined)
    return axes === undefined
      ? reshaped(
          x,
          x.shape.filter((dim) => dim !== 1),
        )
      : undefined;
  const places = new Set(given.map((axis) => axisWithin(axis, x.shape.length)));
  if (places.has(undefined) || [...places].some((axis) => x.shape[axis ?? 0] !== 1)) return undefined;
  return reshaped(
    x,
    x.shape.filter((_, i) => !places.has(i)),
  );
};

const flatten: Evaluate = (node, [x]) => {
  const axis = intOf(node, 'axis', 1);
  if (x === undefined || axis === undefined) return undefined;
  const at = axis < 0 ? axis + x.shape.length : axis;
  return reshaped(x, [elementCount(x.shape.slice(0, at)), elementCount(x.shape.slice(at))]);
};

const transpose: Evaluate = (node, [x]) => {
  if (x === undefined) return undefined;
  const attribute = node.attributes.get('perm');
  const order = attribute?.kind === 'ints' ? attribute.value.map(Number) : x.shape.map((_, i) => i).reverse();
  if (new Set(order).size !== x.shape.length || order.some((axis) => x.shape[axis] === undefined)) return undefined;
  const strides = stridesOf(x.shape);
  return [
    strided(
      x,
      order.map((axis) => x.shape[axis] ?? 1),
      order.map((axis) => strides[axis] ?? 1),
    ),
  ];
};

const concat: Evaluate = (node, inputs, limit) => {
  const parts = inputs.filter((part) => part !== undefined);
  const [first] = parts;
  if (first === undefined || parts.length !== inputs.length) return undefined;
  const rank = first.shape.length;
  const axis = axisWithin(intOf(node, 'axis', 0) ?? 0, rank);
  const fits = (part: Cells) =>
    part.dtype === first.dtype &&
    part.shape.length === rank &&
    part.shape.every((dim, i) => i === axis || dim === first.shape[i]);
  if (axis === undefined || !parts.every(fits)) return undefined;
  const shape = first.shape.map((dim, i) =>
    i === axis ? parts.reduce((sum, part) => sum + (part.shape[i] ?? 0), 0) : dim,
  );
  if (countWithin(shape, limit) === undefined) return undefined;
  const rows = elementCount(shape.slice(0, axis));
  const values: (number | bigint)[] = [];
  for (let row = 0; row < rows; row++)
    for (const part of parts) {
      const length = elementCount(part.shape.slice(axis));
      values.push(...part.values.slice(row * length, (row + 1) * length));
    }
  return [{ dtype: first.dtype, shape, values }];
};

const slice: Evaluate = (_, [x, starts, ends, axes, steps]) => {
  const [from, to] = [starts?.values, ends?.values];
  if (x === undefined || from === undefined || to === undefined || from.length !== to.length) return undefined;
  const places = axes === undefined ? from.map((_, i) => i) : integersOf(axes);
  const strides = stridesOf(x.shape);
  const shape = [...x.shape];
  const moves = [...strides];
  let offset = 0;
  for (const [k, given] of (places ?? []).entries()) {
    const axis = axisWithin(given, x.shape.length);
    const step = Number(steps === undefined ? 1 : steps.values[k]);
    if (axis === undefined || !Number.isSafeInteger(step) || step === 0) return undefined;
    const size = x.shape[axis] ?? 0;
    const [lowest, highest] = step > 0 ? [0, size] : [-1, size - 1];
    const clamp = (value: number) => Math.min(highest, Math.max(lowest, value < 0 ? value + size : value));
    const begin = Math.max(0, clamp(Number(from[k])));
    const end = clamp(Number(to[k]));
    shape[axis] = size === 0 ? 0 : Math.max(0, Math.ceil((end - begin) / step));
    moves[axis] = (strides[axis] ?? 1) * step;
    offset += begin * (strides[axis] ?? 1);
  }
  return places === undefined ? undefined : [strided(x, shape, moves, offset)];
};

const gather: Evaluate = (node, [x, indices], limit) => {
  const given = integersOf(indices);
  const axis = axisWithin(intOf(node, 'axis', 0) ?? 0, x?.shape.length ?? 0);
  if (x === undefined || indices === undefined || given === undefined || axis === undefined) return undefined;
  const size = x.shape[axis] ?? 0;
  const places = given.map((index) => axisWithin(index, size));
  const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
  if (places.includes(undefined) || countWithin(shape, limit) === undefined) return undefined;
  const inner = elementCount(x.shape.slice(axis + 1));
  const values: (number | bigint)[] = [];
  for (let row = 0; row < elementCount(x.shape.slice(0, axis)); row++)
    for (const place of places) {
      const at = (row * size + (place ?? 0)) * inner;
      values.push(...x.values.slice(at, at + inner));
    }
  return [{ dtype: x.dtype, shape, values }];
};

const expand: Evaluate = (_, [x, target], limit) => {
  const wanted = integersOf(target);
  if (x === undefined || wanted === undefined) return undefined;
  const shape = broadcastShape([x.shape, wanted]);
  return shape === undefined || countWithin(shape, limit) === undefined ? undefined : [broadcastTo(x, shape)];
};

const tile: Evaluate = (_, [x, repeats], limit) => {
  const counts = integersOf(repeats);
  if (x === undefined || counts?.length !== x.shape.length || counts.some((count) => count < 0)) return undefined;
  const shape = x.shape.map((dim, i) => dim * (counts[i] ?? 1));
  if (countWithin(shape, limit) === undefined) return undefined;
  const strides = stridesOf(x.shape);
  // One axis of repeats (step 0) before each axis of the tensor.
  const doubled = x.shape.flatMap((dim, i) => [counts[i] ?? 1, dim]);
  return [
    {
      ...strided(
        x,
        doubled,
        strides.flatMap((stride) => [0, stride]),
      ),
      shape,
    },
  ];
};

const constantOfShape: Evaluate = (node, [target], limit) => {
  const shape = integersOf(target);
  const count = shape === undefined ? undefined : countWithin(shape, limit);
  if (shape === undefined || count === undefined) return undefined;
  const attribute = node.attributes.get('value');
  if (attribute === undefined) return [{ dtype: 'float32', shape, values: new Array<number>(count).fill(0) }];
  if (attribute.kind !== 'tensor' || isStored(attribute.value)) return undefined;
  const fill = cellsOf(attribute.value);
  return fill === undefined
    ? undefined
    : [{ dtype: fill.dtype, shape, values: new Array(count).fill(fill.values[0] ?? 0) }];
};

const range: Evaluate = (_, [start, limit, delta], most) => {
  const [from] = start?.values ?? [];
  const [to] = limit?.values ?? [];
  const [step] = delta?.values ?? [];
  if (typeof from !== 'bigint' || typeof to !== 'bigint' || typeof step !== 'bigint' || start === undefined)
    return undefined;
  if (step === 0n) return undefined;
  const span = to - from;
  const whole = span / step + (span % step !== 0n && span > 0n === step > 0n ? 1n : 0n);
  const count = whole > 0n ? whole : 0n;
  if (count > BigInt(most)) return undefined;
  const values = Array.from({ length: Number(count) }, (_, i) => from + BigInt(i) * step);
  return [{ dtype: start.dtype, shape: [values.length], values }];
};

const split: Evaluate = (node, [x, sizes]) => {
  const axis = axisWithin(intOf(node, 'axis', 0) ?? 0, x?.shape.length ?? 0);
  if (x === undefined || axis === undefined) return undefined;
  const attribute = node.attributes.get('split');
  const size = x.shape[axis] ?? 0;
  const count = node.outputs.length;
  const chunk = Math.ceil(size / count);
  const even = Array.from({ length: count }, (_, i) => Math.max(0, Math.min(chunk, size - i * chunk)));
  const lengths =
    sizes !== undefined ? integersOf(sizes) : attribute?.kind === 'ints' ? attribute.value.map(Number) : even;
  if (lengths?.length !== count || lengths.reduce((a, b) => a + b, 0) !== size) return undefined;
  const strides = stridesOf(x.shape);
  let at = 0;
  return lengths.map((length) => {
    const part = strided(x, x.shape.with(axis, length), strides, at * (strides[axis] ?? 1));
    at += length;
    return part;
  });
};

function reduction(apply: (a: bigint, b: bigint) => bigint, identity: bigint | undefined): Evaluate {
  return (node, [x, axes]) => {
    if (x === undefined || !isInteger(x.dtype)) return undefined;
    const given = axesOf(node, axes) ?? (axes === undefined ? [] : undefined);
    if (given === undefined) return undefined;
    if (given.length === 0 && intOf(node, 'noop_with_empty_axes', 0) === 1) return [x];
    const rank = x.shape.length;
    const gone = new Set(given.length === 0 ? x.shape.map((_, i) => i) : given.map((axis) => axisWithin(axis, rank)));
    if (gone.has(undefined)) return undefined;
    const kept = x.shape.map((dim, i) => (gone.has(i) ? 1 : dim));
    const strides = stridesOf(x.shape);
    const order = [...x.shape.keys()].sort((a, b) => Number(gone.has(a)) - Number(gone.has(b)) || a - b);
    const moved = strided(
      x,
      order.map((axis) => x.shape[axis] ?? 1),
      order.map((axis) => strides[axis] ?? 1),
    );
    const length = elementCount(x.shape.filter((_, i) => gone.has(i)));
    if (length === 0 && identity === undefined) return undefined;
    const values = Array.from({ length: elementCount(kept) }, (_, i) => {
      const row = moved.values.slice(i * length, (i + 1) * length) as bigint[];
      return identity === undefined ? row.reduce(apply) : row.reduce(apply, identity);
    });
    const shape = intOf(node, 'keepdims', 1) === 0 ? x.shape.filter((_, i) => !gone.has(i)) : kept;
    return [stored({ dtype: x.dtype, shape, values })];
  };
}

export const movement: Readonly<Record<string, Evaluate>> = {
  Identity: (_, [x]) => (x === undefined ? undefined : [x]),
  Reshape: reshape,
  Unsqueeze: unsqueeze,
  Squeeze: squeeze,
  Flatten: flatten,
  Transpose: transpose,
  Concat: concat,
  Slice: slice,
  Gather: gather,
  Expand: expand,
  Tile: tile,
  ConstantOfShape: constantOfShape,
  Range: range,
  Split: split,
  ReduceSum: reduction((a, b) => a + b, 0n),
  ReduceProd: reduction((a, b) => a * b, 1n),
  ReduceMax: reduction((a, b) => [a, b][Number(b > a)] ?? a, undefined),
  ReduceMin: reduction((a, b) => [a, b][Number(b < a)] ?? a, undefined),
};
