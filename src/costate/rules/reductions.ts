import * as op from '../../graph/op.ts';
import { constantIntegers } from '../../graph/passes/constants.ts';
import type { Value } from '../../graph/value.ts';
import { fromFront, type Rule, type RuleCall, rule } from '../call.ts';
import { cast, expandTo, ints, shapeOf } from '../pieces.ts';

/** Reductions over axes. */
export const reductionRules: Readonly<Record<string, Rule>> = {
  ReduceSum: rule('g, spread over the axes', (call) => [call.to(0, () => spread(call, call.g()))]),
  ReduceMean: rule('g / n, spread over the axes', (call) => [
    call.to(0, () => spread(call, op.div(call.g(), counted(call)))),
  ]),
};

/** Whether the call reduces nothing: no axes and noop_with_empty_axes. */
export function isNoop(call: RuleCall): boolean {
  if (call.int('noop_with_empty_axes', 0) === 0) return false;
  const axes = call.maybe(1);
  return axes === undefined || axes.shape?.[0] === 0;
}

/** A value of the output's shape with the reduced axes back as ones, so that it broadcasts against the input. */
export function kept(call: RuleCall, value: Value): Value {
  if (call.int('keepdims', 1) !== 0 || isNoop(call)) return value;
  const axes = axesOf(call);
  return axes === undefined ? allOnes(call, value) : op.unsqueeze(value, axes);
}

/** The axes as the call gives them; undefined for all. */
function axesOf(call: RuleCall): Value | undefined {
  const axes = call.maybe(1);
  if (axes === undefined) return undefined;
  const known = constantIntegers(axes);
  if (known?.length === 0) return undefined;
  // An empty list that is only seen at run time also means all axes.
  return axes;
}

function allOnes(call: RuleCall, value: Value): Value {
  const rank = call.x(0).shape?.length;
  if (rank !== undefined) return op.reshape(value, ints(...new Array<number>(rank).fill(1)));
  return op.reshape(value, op.expand(ints(1), op.shape(op.shape(call.x(0)))));
}

function spread(call: RuleCall, g: Value): Value {
  return expandTo(kept(call, g), call.x(0));
}

/** How many elements each sum has, in the element type of the co-state. */
function counted(call: RuleCall): Value {
  const x = call.x(0);
  const dtype = call.g().dtype ?? 'float32';
  const axes = constantIntegers(call.maybe(1));
  const every = call.maybe(1) === undefined || axes?.length === 0;
  if (isNoop(call)) return cast(ints(1), dtype);
  const sizes = shapeOf(x);
  const rank = x.shape?.length;
  if (every) return cast(op.reduceProd(sizes, undefined, { keepdims: 0 }), dtype);
  const over =
    axes !== undefined && rank !== undefined ? ints(...axes.map((axis) => fromFront(axis, rank))) : call.x(1);
  return cast(op.reduceProd(op.gather(sizes, over), undefined, { keepdims: 0 }), dtype);
}
