import { HopfcoleError } from '../files/error.ts';
import { elementCount } from '../files/tensor.ts';
import { input } from '../graph/make.ts';
import * as op from '../graph/op.ts';
import { describeType, type Shape } from '../graph/type.ts';
import type { Value } from '../graph/value.ts';
import type { Named } from './names.ts';
import { cast, int, ints, isHalf, knownSizes, scalarLike } from './pieces.ts';

export type LossKind = 'mse' | 'cross-entropy' | 'nll';

/** A loss as values: what it compares with, and the one number. */
export interface Loss {
  /** The graph input `target`. */
  readonly target: Value;
  readonly value: Value;
}

/**
 * The loss of one output, a mean, as PyTorch's functional of that name gives it. Half precision is computed in float32, and the loss is
 * float32 then, as under autocast. `classAxis` holds the classes: 1 without it, 0 for an output of one axis.
 * @throws BAD_ARGUMENT, UNKNOWN_RANK.
 */
export function lossOf(kind: LossKind, output: Named, classAxis?: number): Loss {
  const { value } = output;
  const wide = isHalf(value) ? cast(value, 'float32') : value;
  if (kind === 'mse') {
    if (classAxis !== undefined) throw bad('the mean squared distance has no classes', '--class-axis');
    const target = input('target', value.dtype ?? 'float32', value.shape);
    const difference = op.sub(wide, cast(target, wide.dtype ?? 'float32'));
    const sum = op.reduceSumSquare(difference, undefined, { keepdims: 0 });
    return { target, value: op.div(sum, countOf(difference)) };
  }
  const axis = classAxisOf(output, classAxis);
  const target = input('target', 'int64', without(value.shape, axis));
  return { target, value: negativeMean(kind === 'nll' ? wide : op.logSoftmax(wide, { axis }), target, axis) };
}

/** The number of elements, in their own type. */
function countOf(x: Value): Value {
  if (knownSizes(x.shape)) return scalarLike(x, elementCount(x.shape));
  return cast(op.size(x), x.dtype ?? 'float32');
}

/**
 * Minus the mean of the log-probabilities of the target classes. A negative class is left out of the mean, as PyTorch leaves out its
 * ignore_index of -100; with none left the loss is NaN there and here.
 */
function negativeMean(logs: Value, target: Value, axis: number): Value {
  const classes = op.unsqueeze(target, ints(axis));
  const given = op.greaterOrEqual(classes, int(0));
  const picked = op.gatherElements(logs, op.max([classes, int(0)]), { axis });
  // Chosen, not multiplied: a log-probability may be -inf.
  const sum = op.reduceSum(op.where(given, picked, scalarLike(logs, 0)), undefined, { keepdims: 0 });
  const count = op.reduceSum(cast(given, logs.dtype ?? 'float32'), undefined, { keepdims: 0 });
  return op.neg(op.div(sum, count));
}

function classAxisOf({ name, value }: Named, asked: number | undefined): number {
  const rank = value.shape?.length;
  if (rank === 0) throw bad(`expected an axis of classes in '${name}', got ${describeType(value.type)}`, '--loss');
  if (asked === undefined) {
    if (rank !== undefined) return Math.min(1, rank - 1);
    throw new HopfcoleError(
      'UNKNOWN_RANK',
      `the axis of classes of '${name}' is not known, for its rank is not`,
      { argument: '--loss', tensor: name },
      'Say which it is with --class-axis',
    );
  }
  const within = rank === undefined || (asked >= -rank && asked < rank);
  if (!Number.isInteger(asked) || !within)
    throw bad(`expected an axis of '${name}' (${describeType(value.type)}), got ${asked}`, '--class-axis');
  return rank !== undefined && asked < 0 ? asked + rank : asked;
}

function without(shape: Shape, axis: number): Shape {
  return shape?.toSpliced(axis, 1);
}

function bad(message: string, argument: string): HopfcoleError {
  return new HopfcoleError('BAD_ARGUMENT', message, { argument });
}
