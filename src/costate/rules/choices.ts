import { toNumbers } from '../../files/tensor.ts';
import * as op from '../../graph/op.ts';
import { constantTensor } from '../../graph/passes/constants.ts';
import type { Value } from '../../graph/value.ts';
import { summedTo } from '../broadcast.ts';
import { type Rule, type RuleCall, rule } from '../call.ts';
import { masked, staysFinite } from '../masked.ts';
import { cast, isHalf, numbers, scalarLike } from '../pieces.ts';

/** Operators that pass on one of their inputs. */
export const choiceRules: Readonly<Record<string, Rule>> = {
  Max: extreme('the greatest', op.greater, op.max),
  Min: extreme('the least', op.less, op.min),
  Where: rule('g where the condition holds; g where it does not', (call) => {
    const [g, condition, a, b] = [call.g(), call.x(0), call.x(1), call.x(2)];
    // Not a product: masks are often there to keep what is not finite out.
    const nothing = scalarLike(g, 0);
    return [
      undefined,
      call.to(1, () => summedTo(op.where(condition, g, nothing), a, [condition, b])),
      call.to(2, () => summedTo(op.where(condition, nothing, g), b, [condition, a])),
    ];
  }),
  Clip: rule(
    'g where min <= x <= max; to min and max g where they hold x back',
    (call) => {
      const [g, x, low, high] = [call.g(), call.x(0), call.maybe(1), call.maybe(2)];
      return [
        call.to(0, () => (low === undefined && high === undefined ? g : masked(g, inside(x, low, high, call.y())))),
        call.to(1, () => (low === undefined ? undefined : summedTo(masked(g, under(x, low, high)), low))),
        call.to(2, () => (high === undefined ? undefined : summedTo(masked(g, over(x, low, high)), high))),
      ];
    },
    { note: 'passes at both bounds, as clamp does; min above max gives max everywhere, and all of g goes there' },
  ),
};

/**
 * Where x is let through. What comes out unchanged was inside, unless min may be above max, or x is of half precision: ONNX Runtime computes
 * that in float32 where it has no kernel and then leaves the rounding between two such nodes out, but its Clip has one, so that an
 * unclipped y is x rounded, which is another number. Bounds tell in any precision.
 */
function inside(x: Value, low: Value | undefined, high: Value | undefined, y: Value): Value {
  if (low === undefined) return high === undefined ? op.equal(x, y) : op.lessOrEqual(x, high);
  if (high === undefined) return op.greaterOrEqual(x, low);
  if (inOrder(low, high) && !isHalf(x)) return op.equal(x, y);
  return op.and(op.greaterOrEqual(x, low), op.lessOrEqual(x, high));
}

function inOrder(low: Value, high: Value): boolean {
  const [from, to] = [numberOf(low), numberOf(high)];
  return from !== undefined && to !== undefined && from <= to;
}

function numberOf(x: Value): number | undefined {
  const tensor = constantTensor(x);
  return tensor === undefined || tensor.dtype === 'string' ? undefined : toNumbers(tensor)[0];
}

function under(x: Value, low: Value, high: Value | undefined): Value {
  const below = op.less(x, low);
  return high === undefined ? below : op.and(below, op.lessOrEqual(low, high));
}

function over(x: Value, low: Value | undefined, high: Value): Value {
  const above = op.greater(x, high);
  return low === undefined ? above : op.or(above, op.greater(low, high));
}

/** Max and Min of any number of inputs. */
function extreme(which: string, wins: (a: Value, b: Value) => Value, of: (values: readonly Value[]) => Value): Rule {
  return rule(
    `g to the inputs that attain ${which}, shared evenly`,
    (call) => {
      const [a, b] = call.node.inputs;
      if (call.node.inputs.length === 1 || a === undefined) return [call.g()];
      return call.node.inputs.length === 2 && b !== undefined ? ofTwo(call, a, b, wins) : ofMany(call, of);
    },
    { note: 'ties are shared evenly, as by torch.maximum and torch.amax' },
  );
}

/** The winner takes all of g, an equal half of it. */
function ofTwo(
  call: RuleCall,
  a: Value,
  b: Value,
  wins: (a: Value, b: Value) => Value,
): readonly (Value | undefined)[] {
  const g = call.g();
  const [one, half, none] = [scalarLike(g, 1), scalarLike(g, 0.5), scalarLike(g, 0)];
  const share = (x: Value, other: Value): Value => {
    const [won, tied] = [wins(x, other), op.equal(a, b)];
    // As in `masked`: a product is faster, and safe where g is finite.
    return staysFinite(g)
      ? op.mul(g, op.where(won, one, op.where(tied, half, none)))
      : op.where(won, g, op.where(tied, op.mul(g, half), none));
  };
  return [call.to(0, () => summedTo(share(a, b), a, [b])), call.to(1, () => summedTo(share(b, a), b, [a]))];
}

function ofMany(call: RuleCall, of: (values: readonly Value[]) => Value): readonly (Value | undefined)[] {
  const { inputs } = call.node;
  const [g, y] = [call.g(), call.y()];
  // In half precision y may be none of them, see `inside`: what is compared is of float32 throughout.
  const given = inputs.map((x) => (x === undefined || !isHalf(y) ? x : cast(x, 'float32')));
  const best = isHalf(y) ? of(given.filter((x) => x !== undefined)) : y;
  const hits = given.map((x) => (x === undefined ? undefined : op.equal(x, best)));
  const share = op.div(g, op.sum(hits.filter((hit) => hit !== undefined).map((hit) => numbers(hit, g))));
  return inputs.map((x, index) => {
    const hit = hits[index];
    return call.to(index, () =>
      x === undefined || hit === undefined ? undefined : summedTo(masked(share, hit), x, without(inputs, index)),
    );
  });
}

/** All inputs that are there but one. */
export function without(inputs: readonly (Value | undefined)[], index: number): Value[] {
  return inputs.filter((value, at): value is Value => value !== undefined && at !== index);
}
