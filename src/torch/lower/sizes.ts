import { sameDim } from '../../graph/dim.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Dim } from '../../graph/type.ts';
import type { Value } from '../../graph/value.ts';
import { type Size, Sym } from './item.ts';

/** The rank of a tensor: always known in a program. */
export function rankOf(x: Value): number {
  return x.shape?.length ?? 0;
}

/** An axis counted from the front. */
export function axisOf(axis: number, rank: number): number {
  return axis < 0 ? axis + Math.max(rank, 1) : axis;
}

/** The size of one axis (negative: from the end): a number where it is known. */
export function sizeAt(x: Value, axis: number): Size {
  const at = axisOf(axis, rankOf(x));
  const dim = x.shape?.[at];
  if (typeof dim === 'number') return dim;
  return new Sym(op.squeeze(op.shape(x, { start: at, end: at + 1 }), constant([0], 'int64')), dim);
}

export function sizesOf(x: Value): Size[] {
  return Array.from({ length: rankOf(x) }, (_, axis) => sizeAt(x, axis));
}

export function dimOf(size: Size): Dim {
  return typeof size === 'number' ? size : size.dim;
}

/** A size as an int64 scalar. */
export function scalarOf(size: Size): Value {
  return typeof size === 'number' ? constant(size, 'int64') : size.value;
}

/** Sizes as one int64 vector: neighbouring known ones are one constant. */
export function vectorOf(sizes: readonly Size[]): Value {
  const parts: Value[] = [];
  let known: number[] = [];
  const flush = () => {
    if (known.length > 0) parts.push(constant(known, 'int64'));
    known = [];
  };
  for (const size of sizes) {
    if (typeof size === 'number') known.push(size);
    else {
      flush();
      parts.push(asVector(size.value));
    }
  }
  flush();
  const [only] = parts;
  if (only === undefined) return constant([], 'int64');
  return parts.length === 1 ? only : op.concat(parts, { axis: 0 });
}

/** A scalar as a vector of one: what it was before it was made a scalar, where it was that. */
function asVector(scalar: Value): Value {
  const { source } = scalar;
  const [before] = source.kind === 'output' && source.node.opType === 'Squeeze' ? source.node.inputs : [];
  return before?.shape?.length === 1 && before.shape[0] === 1 ? before : op.reshape(scalar, constant([1], 'int64'));
}

/**
 * A tensor of the given sizes with the same elements: `torch.reshape`. Sizes that cannot be known are taken from the tensor itself where they are one of its own
 * (0 in ONNX's Reshape) and inferred where it is one (-1), so that most need no arithmetic at run time.
 */
export function reshaped(x: Value, sizes: readonly Size[]): Value {
  const shape = x.shape ?? [];
  const wanted = sizes.map(dimOf);
  if (shape.length === wanted.length && shape.every((dim, axis) => sameDim(dim, wanted[axis]))) return x;
  const literal = literalSizes(shape, sizes);
  if (literal !== undefined) return op.reshape(x, constant(literal, 'int64'));
  // A size of 0 means itself, where it is said.
  return op.reshape(x, vectorOf(sizes), wanted.includes(0) ? { allowzero: 1 } : {});
}

/** The sizes as numbers that ONNX's Reshape takes, 0 and -1 among them; undefined where that does not do. */
function literalSizes(shape: readonly Dim[], sizes: readonly Size[]): number[] | undefined {
  const literal: number[] = [];
  let inferred = false;
  for (const [axis, size] of sizes.entries()) {
    const dim = dimOf(size);
    // A 0 that stands for itself would be read as "as it is".
    if (dim === 0) return undefined;
    if (typeof size === 'number' && size > 0) literal.push(size);
    else if (sameDim(dim, shape[axis])) literal.push(0);
    else if (!inferred) {
      inferred = true;
      literal.push(-1);
    } else return undefined;
  }
  return literal;
}
