import { ints } from '../../ops/precision.ts';
import { HopfcoleError } from '../files/error.ts';
import * as op from '../graph/op.ts';
import type { Value } from '../graph/value.ts';
import { layer, type Module } from './module.ts';

export interface FlattenOptions {
  /** The first axis that is joined, from the back where it is below 0. Default 1. */
  readonly start?: number | undefined;
  /** The last. Default -1. */
  readonly end?: number | undefined;
}

/** nn.Flatten: the axes from `start` to `end` as one. */
export function flatten(module: Module, x: Value, options: FlattenOptions = {}): Value {
  return layer(flatten, module, 'flatten', () => {
    const rank = x.shape?.length;
    if (rank === undefined)
      throw new HopfcoleError('SHAPE_MISMATCH', `${module.describe()} needs an input whose rank is known`);
    const [start, end] = [fromFront(module, options.start ?? 1, rank), fromFront(module, options.end ?? -1, rank)];
    if (start > end)
      throw new HopfcoleError(
        'BAD_ARGUMENT',
        `${module.describe()}: expected "start" before "end", got ${start}, ${end}`,
        {
          argument: 'start',
        },
      );
    if (start === end) return x;
    if (start === 1 && end === rank - 1) return op.flatten(x, { axis: 1 });
    const shape = op.shape(x);
    const joined = (x.shape ?? []).slice(start, end + 1);
    const known = joined.every((size) => typeof size === 'number');
    const size = known
      ? ints(joined.reduce<number>((all, one) => all * Number(one), 1))
      : op.reduceProd(op.slice(shape, ints(start), ints(end + 1), ints(0)), ints(0), { keepdims: true });
    const before = start === 0 ? [] : [op.slice(shape, ints(0), ints(start), ints(0))];
    const after = end === rank - 1 ? [] : [op.slice(shape, ints(end + 1), ints(rank), ints(0))];
    return op.reshape(x, op.concat([...before, size, ...after], { axis: 0 }), { allowzero: true });
  });
}

function fromFront(module: Module, axis: number, rank: number): number {
  const place = axis < 0 ? axis + rank : axis;
  if (Number.isInteger(axis) && place >= 0 && place < rank) return place;
  throw new HopfcoleError(
    'BAD_ARGUMENT',
    `${module.describe()}: expected an axis of an input of ${rank} axes, got ${axis}`,
    { argument: 'start' },
  );
}
