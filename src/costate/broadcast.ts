import * as op from '../graph/op.ts';
import type { Dim } from '../graph/type.ts';
import type { Value } from '../graph/value.ts';
import { type Rule, type RuleCall, rule } from './call.ts';
import { cast, ints, isHalf, isSingle, layoutOf, sumOver } from './pieces.ts';

/**
 * A co-state summed to the shape of the input `like`, which had been broadcast to the co-state's shape. Nothing is added where both
 * are known to be the same; what is only known at run time is found there. `others` are the other inputs that were broadcast
 * with it: where each of them holds one number, or is the same value, `like` cannot have been broadcast.
 */
export function summedTo(bar: Value, like: Value, others: readonly Value[] = []): Value {
  const { source } = bar;
  const negated = source.kind === 'output' && source.node.opType === 'Neg' ? source.node.inputs[0] : undefined;
  if (negated === undefined) return summed(bar, like, others);
  // The sum first: it is smaller, and the same sum may be there without the sign.
  const sum = summed(negated, like, others);
  return sum === negated ? bar : op.neg(sum);
}

function summed(bar: Value, like: Value, others: readonly Value[]): Value {
  const [from, to] = [bar.shape, like.shape];
  if (to?.every((dim) => dim === 1)) return summedToOne(bar, to.length);
  if (others.length > 0 && others.every((other) => cannotStretch(other, like))) return bar;
  if (from === undefined || to === undefined || from.length < to.length) return summedAtRunTime(bar, like);
  const extra = from.length - to.length;
  const padded: readonly Dim[] = [...new Array<number>(extra).fill(1), ...to];
  const open = padded.some(
    (dim, axis) => dim !== 1 && typeof dim !== 'number' && (dim === undefined || dim !== from[axis]),
  );
  if (open) return summedAtRunTime(bar, like);
  const leading = Array.from({ length: extra }, (_, axis) => axis);
  const inner = padded.flatMap((dim, axis) => (axis >= extra && dim === 1 && from[axis] !== 1 ? [axis] : []));
  if (inner.length === 0) return extra === 0 ? bar : sumOver(bar, ints(...leading), false);
  if (extra === 0) return sumOver(bar, ints(...inner), true);
  return op.reshape(sumOver(bar, ints(...leading, ...inner), false), layoutOf(like));
}

/** Whether broadcasting with `other` is known to leave `like` as it is. */
function cannotStretch(other: Value, like: Value): boolean {
  if (other === like) return true;
  const [a, b] = [other.shape, like.shape];
  if (a === undefined || b === undefined || a.length > b.length) return false;
  return a.every((dim, index) => {
    const there = b[b.length - a.length + index];
    return dim === 1 || (dim !== undefined && dim === there);
  });
}

function summedToOne(bar: Value, rank: number): Value {
  if (bar.shape?.length === rank && isSingle(bar)) return bar;
  const sum = sumOver(bar, undefined, false);
  return rank === 0 ? sum : op.reshape(sum, ints(...new Array<number>(rank).fill(1)));
}

function summedAtRunTime(bar: Value, like: Value): Value {
  const target = op.shape(like);
  const shape = op.shape(bar);
  const [from, to] = [bar.shape?.length, like.shape?.length];
  const padded = from !== undefined && from === to ? target : padLeft(target, shape);
  const axes = op.squeeze(op.nonZero(op.sub(padded, shape)), ints(0));
  return op.reshape(sumWhere(bar, axes), target, { allowzero: 1 });
}

/** The target's sizes with ones before them, as many as the co-state's rank asks for. */
function padLeft(target: Value, shape: Value): Value {
  const missing = op.sub(op.shape(shape), op.shape(target));
  return op.concat([op.expand(ints(1), missing), target], { axis: 0 });
}

function sumWhere(bar: Value, axes: Value): Value {
  const wide = isHalf(bar) ? op.cast(bar, { to: 'float32' }) : bar;
  return cast(op.reduceSum(wide, axes, { keepdims: 1, noopWithEmptyAxes: 1 }), bar.dtype ?? 'float32');
}

type Side = (g: Value, a: Value, b: Value, y: Value, call: RuleCall) => Value | undefined;

/** A rule of two inputs that are broadcast with each other. */
export function binary(says: string, toA: Side, toB: Side, note?: string): Rule {
  return rule(
    says,
    (call) => {
      const [g, a, b, y] = [call.g(), call.x(0), call.x(1), call.y()];
      const side = (index: number, make: Side, like: Value, other: Value): Value | undefined =>
        call.to(index, () => {
          const bar = make(g, a, b, y, call);
          return bar === undefined ? undefined : summedTo(bar, like, [other]);
        });
      return [side(0, toA, a, b), side(1, toB, b, a)];
    },
    note === undefined ? {} : { note },
  );
}
