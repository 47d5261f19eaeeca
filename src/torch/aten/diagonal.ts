import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import type { Call } from '../lower/call.ts';
import type { Size } from '../lower/item.ts';
import type { ViewRule } from '../lower/rule.ts';
import { axisOf, rankOf, reshaped, sizeAt, sizesOf, vectorOf } from '../lower/sizes.ts';
import { ordered, overwritten, restored, withLast } from './cuts.ts';
import { least, minus, plus, steps, times } from './size-math.ts';

/** The two axes of a diagonal, and how far it lies above the main one. */
interface Diagonal {
  readonly offset: number;
  readonly axes: readonly [number, number];
}

export function diagonalOf(call: Call, rank: number, first = 0, second = 1): Diagonal {
  const axes = [axisOf(call.int('dim1', first), rank), axisOf(call.int('dim2', second), rank)] as const;
  return { offset: call.int('offset', 0), axes };
}

/** Where a diagonal lies in matrices [rows, columns] laid out row by row: from `start` on, `count` elements, `columns + 1` apart. */
function places(rows: Size, columns: Size, offset: number): { start: Size; count: Size; step: Size } {
  const start = offset >= 0 ? offset : times(columns, -offset);
  const count = offset >= 0 ? least(rows, minus(columns, offset)) : least(plus(rows, offset), columns);
  const known = typeof count === 'number' ? Math.max(count, 0) : count;
  return { start, count: known, step: plus(columns, 1) };
}

/** Matrices [.., rows, columns] of the two axes as [.., rows * columns]. */
function laidOut(x: Value, { axes }: Diagonal): { flat: Value; order: number[]; rows: Size; columns: Size } {
  const order = withLast(x, ...axes);
  const matrices = ordered(x, order);
  const sizes = sizesOf(matrices);
  const [rows, columns] = [sizeAt(matrices, -2), sizeAt(matrices, -1)];
  const both = times(rows, columns);
  return {
    flat: reshaped(matrices, [...sizes.slice(0, -2), typeof both === 'number' ? both : -1]),
    order,
    rows,
    columns,
  };
}

/** torch.diagonal: every `columns + 1`-th element of each matrix, along a new last axis. */
export function diagonal(x: Value, at: Diagonal): Value {
  const { flat, rows, columns } = laidOut(x, at);
  const { start, count, step } = places(rows, columns, at.offset);
  const end = plus(start, times(count, step));
  const axis = constant([rankOf(flat) - 1], 'int64');
  return op.slice(flat, vectorOf([start]), vectorOf([end]), axis, vectorOf([step]));
}

/** `x` with `part` as its diagonal. */
function withDiagonal(x: Value, part: Value, at: Diagonal): Value {
  const { flat, order, rows, columns } = laidOut(x, at);
  const { start, count, step } = places(rows, columns, at.offset);
  const whole = overwritten(flat, part, rankOf(flat) - 1, steps(count, step, start));
  return restored(reshaped(whole, sizesOf(ordered(x, order))), order);
}

export const diagonalView: ViewRule = {
  of: 'self',
  show: (call, base) => diagonal(base, diagonalOf(call, rankOf(base))),
  back: (call, base, part) => withDiagonal(base, part, diagonalOf(call, rankOf(base))),
};
