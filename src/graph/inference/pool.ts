import { addDims, multiplyDims, subtractDims } from '../dim.ts';
import type { Call, InferRule } from '../rule.ts';
import type { Dim, Shape } from '../type.ts';
import { badAttribute, intAttribute, intsAttribute, isReference } from './attributes.ts';
import {
  checkRank,
  checkRankAtLeast,
  checkShape,
  dtypeOf,
  isGiven,
  shapeOf,
  sharedDtype,
  tensor,
  unknownDims,
} from './call.ts';
import { knownDims } from './constant.ts';
import { extentOf, windowCount, windowsOf } from './window.ts';

function kernelShape(call: Call, rank: number): readonly Dim[] {
  const kernel = intsAttribute(call, 'kernel_shape');
  if (kernel === undefined && isReference(call, 'kernel_shape')) return unknownDims(rank);
  if (kernel?.length !== rank || kernel.some((size) => size < 1))
    throw badAttribute(
      call,
      'kernel_shape',
      `${rank} sizes`,
      kernel === undefined ? 'nothing' : `[${kernel.join(', ')}]`,
    );
  return kernel;
}

function pooled(call: Call): Shape {
  checkRankAtLeast(call, 0, 'X', 3);
  const shape = shapeOf(call, 0);
  if (shape === undefined) return undefined;
  const spatial = shape.slice(2);
  const kernel = kernelShape(call, spatial.length);
  const windows = windowsOf(call, spatial.length);
  const ceil = intAttribute(call, 'ceil_mode', 0);
  const sizes = spatial.map((size, axis) => {
    if (ceil === undefined) return undefined;
    return windowCount(call, 'X', size, extentOf(kernel[axis], windows.dilations[axis]), windows, axis, ceil !== 0);
  });
  return [shape[0], shape[1], ...sizes];
}

const pool: InferRule = (call) => [tensor(dtypeOf(call, 0), pooled(call))];

const maxPool: InferRule = (call) => {
  const shape = pooled(call);
  return [tensor(dtypeOf(call, 0), shape), tensor('int64', shape)];
};

const globalPool: InferRule = (call) => {
  checkRankAtLeast(call, 0, 'X', 2);
  const shape = shapeOf(call, 0);
  return [tensor(dtypeOf(call, 0), shape && [shape[0], shape[1], ...shape.slice(2).map(() => 1)])];
};

const maxUnpool: InferRule = (call) => {
  const shape = shapeOf(call, 0);
  checkRankAtLeast(call, 0, 'X', 3);
  if (shape !== undefined) checkShape(call, 1, 'I', shape);
  const dtype = dtypeOf(call, 0);
  if (isGiven(call, 2)) return [tensor(dtype, knownDims(call.inputs[2]) ?? (shape && unknownDims(shape.length)))];
  if (shape === undefined) return [tensor(dtype, undefined)];
  const spatial = shape.slice(2);
  const kernel = kernelShape(call, spatial.length);
  const { strides, begins, ends } = windowsOf(call, spatial.length);
  const sizes = spatial.map((size, axis) => {
    const open = addDims(multiplyDims(subtractDims(size, 1), strides[axis]), kernel[axis]);
    return subtractDims(open, addDims(begins[axis], ends[axis]));
  });
  return [tensor(dtype, [shape[0], shape[1], ...sizes])];
};

const maxRoiPool: InferRule = (call) => {
  const dtype = sharedDtype(call, [0, 1], ['X', 'rois']);
  checkRank(call, 0, 'X', [4]);
  checkShape(call, 1, 'rois', [undefined, 5]);
  const size = intsAttribute(call, 'pooled_shape');
  if (size === undefined ? !isReference(call, 'pooled_shape') : size.length !== 2)
    throw badAttribute(call, 'pooled_shape', '2 sizes', size === undefined ? 'nothing' : `[${size.join(', ')}]`);
  return [tensor(dtype, [shapeOf(call, 1)?.[0], shapeOf(call, 0)?.[1], size?.[0], size?.[1]])];
};

export const poolRules: Readonly<Record<string, InferRule>> = {
  AveragePool: pool,
  GlobalAveragePool: globalPool,
  GlobalLpPool: globalPool,
  GlobalMaxPool: globalPool,
  LpPool: pool,
  MaxPool: maxPool,
  MaxRoiPool: maxRoiPool,
  MaxUnpool: maxUnpool,
};
