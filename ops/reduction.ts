import * as op from '../src/graph/op.ts';
import type { Value } from '../src/graph/value.ts';
import { as, floatTypeOf, ints } from './precision.ts';

/**
 * A co-state summed to the shape of the input it belongs to, which had been broadcast, and in its element type.
 * Axes that are 1 or missing in `like` are summed; where that is only known at run time it is found there.
 */
export function summedTo(value: Value, like: Value): Value {
  return as(shapedLike(value, like), floatTypeOf(like));
}

function shapedLike(value: Value, like: Value): Value {
  const from = value.shape;
  const to = like.shape;
  if (to?.every((dim) => dim === 1)) return summedToOne(value, to.length);
  if (from === undefined || to === undefined) return summedAtRunTime(value, like, from?.length, to?.length);
  const extra = from.length - to.length;
  const padded = [...new Array<number>(Math.max(extra, 0)).fill(1), ...to];
  const open = padded.some((dim, axis) => dim !== 1 && typeof dim !== 'number' && dim !== from[axis]);
  if (open) return summedAtRunTime(value, like, from.length, to.length);
  const axes = padded.flatMap((dim, axis) => (dim === 1 && from[axis] !== 1 ? [axis] : []));
  const summed = axes.length === 0 ? value : op.reduceSum(value, ints(...axes), { keepdims: 1 });
  const leading = Array.from({ length: extra }, (_, axis) => axis);
  return extra > 0 ? op.squeeze(summed, ints(...leading)) : summed;
}

function summedToOne(value: Value, rank: number): Value {
  const total = op.reduceSum(value, undefined, { keepdims: 0 });
  return rank === 0 ? total : op.reshape(total, ints(...new Array<number>(rank).fill(1)));
}

function summedAtRunTime(value: Value, like: Value, fromRank: number | undefined, toRank: number | undefined): Value {
  const target = op.shape(like);
  const extra = fromRank !== undefined && toRank !== undefined ? fromRank - toRank : 0;
  const padded = extra > 0 ? op.concat([ints(...new Array<number>(extra).fill(1)), target], { axis: 0 }) : target;
  const shared = op.not(op.equal(padded, op.shape(value)));
  const axes = op.squeeze(op.nonZero(shared), ints(0));
  return op.reshape(op.reduceSum(value, axes, { keepdims: 1, noopWithEmptyAxes: 1 }), target);
}
