import { addDims, maxDim, minDim, multiplyDims } from '../dim.ts';
import type { Call, InferRule } from '../rule.ts';
import type { Dim, Shape } from '../type.ts';
import type { KnownDims } from '../value.ts';
import { intAttribute, intsAttribute, isReference } from './attributes.ts';
import { checkedAxes, checkedAxis, dtypeOf, isGiven, shapeOf, tensor, unknownDims } from './call.ts';
import { knownDims, knownNumbers } from './constant.ts';
import { representable, someKnown } from './known.ts';

/** How a reduction combines known elements; those that are not here (norms, logarithms) are not followed. */
const folds: Readonly<Record<string, (a: Dim, b: Dim) => Dim>> = {
  ReduceSum: addDims,
  ReduceProd: multiplyDims,
  ReduceMax: maxDim,
  ReduceMin: minDim,
};

/**
 * The axes of an operator that takes them as an attribute (older versions) or as an input: a list, 'all' where they are left out or the
 * list is empty, or undefined where they are given but not known.
 */
export function axesOf(call: Call, input: number): readonly number[] | 'all' | undefined {
  if (isReference(call, 'axes')) return undefined;
  const listed = intsAttribute(call, 'axes');
  const axes = listed ?? (isGiven(call, input) ? knownNumbers(call.inputs[input]) : []);
  return axes?.length === 0 ? 'all' : axes;
}

/** How many axes an input lists, where its length is known though its contents are not. */
export function axisCount(call: Call, input: number): Dim {
  const shape = shapeOf(call, input);
  return shape?.length === 1 ? shape[0] : shape?.length === 0 ? 1 : undefined;
}

const reduce: InferRule = (call) => {
  const dtype = dtypeOf(call, 0);
  const shape = shapeOf(call, 0);
  const keep = intAttribute(call, 'keepdims', 1);
  // A list that is only known to be empty is as good as none.
  const axes = axesOf(call, 1) ?? (axisCount(call, 1) === 0 ? 'all' : undefined);
  const noop = axes === 'all' ? intAttribute(call, 'noop_with_empty_axes', 0) : 0;
  if (noop !== 0 && noop !== undefined) return [tensor(dtype, shape, knownDims(call.inputs[0]))];
  if (noop === undefined || shape === undefined) {
    const scalar = axes === 'all' && noop === 0 && keep === 0;
    return [tensor(dtype, scalar ? [] : undefined)];
  }
  if (axes === undefined) return [tensor(dtype, reducedSomehow(call, shape, keep))];
  const gone = new Set(axes === 'all' ? shape.keys() : checkedAxes(call, axes, shape.length));
  if (keep === undefined) return [tensor(dtype, gone.size === 0 ? shape : undefined)];
  const reduced =
    keep !== 0 ? shape.map((dim, axis) => (gone.has(axis) ? 1 : dim)) : shape.filter((_, axis) => !gone.has(axis));
  return [tensor(dtype, reduced, knownReduction(call, gone.size > 0))];
};

function reducedSomehow(call: Call, shape: readonly Dim[], keep: number | undefined): Shape {
  if (keep === undefined) return undefined;
  if (keep !== 0) return unknownDims(shape.length);
  const count = axisCount(call, 1);
  return typeof count === 'number' && count <= shape.length ? unknownDims(shape.length - count) : undefined;
}

function knownReduction(call: Call, reduces: boolean): KnownDims | undefined {
  const fold = folds[call.opType];
  const known = knownDims(call.inputs[0]);
  const [first, ...others] = known ?? [];
  if (fold === undefined || known === undefined || known.length === 0) return undefined;
  if (!reduces) return known;
  return someKnown([representable(others.reduce(fold, first), dtypeOf(call, 0))]);
}

const argument: InferRule = (call) => {
  const shape = shapeOf(call, 0);
  const keep = intAttribute(call, 'keepdims', 1);
  const axis = intAttribute(call, 'axis', 0);
  if (shape === undefined || keep === undefined) return [tensor('int64', undefined)];
  if (axis === undefined) return [tensor('int64', unknownDims(shape.length - (keep !== 0 ? 0 : 1)))];
  const gone = checkedAxis(call, axis, shape.length);
  const reduced = keep !== 0 ? shape.with(gone, 1) : shape.toSpliced(gone, 1);
  return [tensor('int64', reduced)];
};

const cumulative: InferRule = (call) => {
  const shape = shapeOf(call, 0);
  const [axis] = knownNumbers(call.inputs[1]) ?? [];
  if (shape !== undefined && axis !== undefined) checkedAxis(call, axis, shape.length);
  return [tensor(dtypeOf(call, 0), shape)];
};

const reductions = ['L1', 'L2', 'LogSum', 'LogSumExp', 'Max', 'Mean', 'Min', 'Prod', 'Sum', 'SumSquare'];

export const reductionRules: Readonly<Record<string, InferRule>> = {
  ...Object.fromEntries(reductions.map((name) => [`Reduce${name}`, reduce])),
  ArgMax: argument,
  ArgMin: argument,
  CumSum: cumulative,
  CumProd: cumulative,
};
