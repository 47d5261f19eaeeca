import { floorDivideDims, multiplyDims, unifyDims } from '../dim.ts';
import type { Call, InferRule } from '../rule.ts';
import { type Dim, describeShape, type Shape } from '../type.ts';
import type { KnownDims } from '../value.ts';
import {
  badAttribute,
  floatsAttribute,
  intAttribute,
  intsAttribute,
  isReference,
  stringAttribute,
} from './attributes.ts';
import {
  badShape,
  checkedAxes,
  checkRank,
  checkShape,
  dtypeOf,
  mismatch,
  shapeOf,
  sharedDtype,
  tensor,
  unknownDims,
  versionOf,
} from './call.ts';
import { constantNumbers, knownDims } from './constant.ts';
import { sharedBatch } from './gather.ts';

const resize: InferRule = (call) => {
  const shape = shapeOf(call, 0);
  const dtype = dtypeOf(call, 0);
  if (shape === undefined) return [tensor(dtype, undefined)];
  const axes = isReference(call, 'axes') ? undefined : (intsAttribute(call, 'axes') ?? [...shape.keys()]);
  if (axes === undefined) return [tensor(dtype, unknownDims(shape.length))];
  const resized = checkedAxes(call, axes, shape.length);
  const scales = floatList(call, versionOf(call) < 11 ? 1 : 2);
  if (scales !== undefined && scales.length > 0) return [tensor(dtype, scaled(call, shape, resized, scales))];
  const sizes = knownDims(call.inputs[3]);
  const dims = [...shape];
  if (sizes === undefined || sizes.length === 0) for (const axis of resized) dims[axis] = undefined;
  else if (sizes.length !== resized.length)
    throw mismatch('SHAPE_MISMATCH', call, 'sizes', `of ${resized.length} elements`, describeShape(sizes));
  else for (const [index, size] of fitted(call, shape, resized, sizes).entries()) dims[resized[index] ?? 0] = size;
  return [tensor(dtype, dims)];
};

function floatList(call: Call, index: number): KnownDims | undefined {
  return knownDims(call.inputs[index]) ?? constantNumbers(call.inputs[index], 64);
}

function scaled(call: Call, shape: readonly Dim[], axes: readonly number[], scales: KnownDims): readonly Dim[] {
  const bad = scales.find((scale) => typeof scale === 'number' && !(scale > 0));
  if (scales.length !== axes.length || bad !== undefined)
    throw mismatch('SHAPE_MISMATCH', call, 'scales', `${axes.length} positive numbers`, describeShape(scales));
  const dims = [...shape];
  for (const [index, axis] of axes.entries()) dims[axis] = scaledSize(shape[axis], scales[index]);
  return dims;
}

/** floor(size * scale); undefined where float32 and float64 round to different sizes, as runtimes do one or the other. */
function scaledSize(size: Dim, scale: Dim): Dim {
  if (typeof scale !== 'number') return undefined;
  if (scale === 1) return size;
  if (typeof size === 'number') {
    const single = Math.floor(Math.fround(size * scale));
    return single === Math.floor(size * scale) && Number.isSafeInteger(single) ? single : undefined;
  }
  for (let under = 1; under <= 1024; under *= 2)
    if (Number.isInteger(scale * under)) return floorDivideDims(multiplyDims(size, scale * under), under);
  return undefined;
}

/** Target sizes as the aspect-ratio policy makes them. */
function fitted(call: Call, shape: readonly Dim[], axes: readonly number[], sizes: KnownDims): KnownDims {
  const policy = stringAttribute(call, 'keep_aspect_ratio_policy', 'stretch');
  if (policy === 'stretch') return sizes;
  if (policy !== undefined && policy !== 'not_larger' && policy !== 'not_smaller')
    throw badAttribute(
      call,
      'keep_aspect_ratio_policy',
      'stretch, not_larger or not_smaller',
      `'${policy.slice(0, 40)}'`,
    );
  const froms = axes.map((axis) => shape[axis]);
  const ratios = sizes.map((size, index) => Number(size) / Number(froms[index]));
  if (policy === undefined || !ratios.every(Number.isFinite)) return unknownDims(sizes.length);
  const ratio = policy === 'not_larger' ? Math.min(...ratios) : Math.max(...ratios);
  return froms.map((from) => Math.floor(ratio * Number(from) + 0.5));
}

const upsample: InferRule = (call) => {
  const shape = shapeOf(call, 0);
  const dtype = dtypeOf(call, 0);
  if (shape === undefined) return [tensor(dtype, undefined)];
  const [width, height] = ['width_scale', 'height_scale'].map((name) => call.attributes.get(name));
  const old = width?.kind === 'float' && height?.kind === 'float' ? [1, 1, height.value, width.value] : undefined;
  const scales = old ?? floatsAttribute(call, 'scales') ?? floatList(call, 1);
  return [
    tensor(dtype, scales === undefined ? unknownDims(shape.length) : scaled(call, shape, [...shape.keys()], scales)),
  ];
};

const gridSample: InferRule = (call) => {
  const shape = shapeOf(call, 0);
  const grid = shapeOf(call, 1);
  if (shape !== undefined && grid !== undefined && shape.length !== grid.length)
    throw badShape(call, 'grid', `of rank ${shape.length} as X is`, grid);
  const spatial = shape && shape.length - 2;
  const coordinates = grid?.at(-1);
  if (spatial !== undefined && typeof coordinates === 'number' && coordinates !== spatial)
    throw badShape(call, 'grid', `of ${spatial} coordinates in its last axis`, grid);
  const batch = sharedBatch(call, 0, 1, 'grid');
  const output: Shape = grid
    ? [batch, shape?.[1], ...grid.slice(1, -1)]
    : shape && [batch, shape[1], ...unknownDims(shape.length - 2)];
  return [tensor(dtypeOf(call, 0), output)];
};

/** theta [N, 2, 3] or [N, 3, 4] and the size [N, C, (D,) H, W] to [N, (D,) H, W, 2 or 3]. */
const affineGrid: InferRule = (call) => {
  checkRank(call, 0, 'theta', [3]);
  const theta = shapeOf(call, 0);
  const size = knownDims(call.inputs[1]);
  const count = size?.length ?? shapeOf(call, 1)?.[0] ?? (typeof theta?.[1] === 'number' ? theta[1] + 2 : undefined);
  if (typeof count === 'number' && count !== 4 && count !== 5)
    throw mismatch('SHAPE_MISMATCH', call, 'size', '4 or 5 sizes', String(count));
  if (typeof count !== 'number') return [tensor(dtypeOf(call, 0), undefined)];
  checkShape(call, 0, 'theta', [undefined, count - 2, count - 1]);
  const spatial = size?.slice(2) ?? unknownDims(count - 2);
  return [tensor(dtypeOf(call, 0), [unifyDims(size?.[0], theta?.[0]), ...spatial, count - 2])];
};

const roiAlign: InferRule = (call) => {
  const dtype = sharedDtype(call, [0, 1], ['X', 'rois']);
  checkRank(call, 0, 'X', [4]);
  checkShape(call, 1, 'rois', [undefined, 4]);
  checkRank(call, 2, 'batch_indices', [1]);
  const count = sharedBatch(call, 1, 2, 'batch_indices');
  const [height, width] = ['output_height', 'output_width'].map((name) => intAttribute(call, name, 1));
  return [tensor(dtype, [count, shapeOf(call, 0)?.[1], height, width])];
};

/** Boxes [batches, boxes, 4] and scores [batches, classes, boxes] to as many index triples as survive. */
const suppression: InferRule = (call) => {
  checkShape(call, 0, 'boxes', [undefined, undefined, 4]);
  checkRank(call, 1, 'scores', [3]);
  const boxes = shapeOf(call, 0);
  if (boxes !== undefined) checkShape(call, 1, 'scores', [boxes[0], undefined, boxes[1]]);
  return [tensor('int64', [undefined, 3])];
};

const decoder: InferRule = (call) => {
  checkRank(call, 0, 'encoded_stream', [1]);
  const format = stringAttribute(call, 'pixel_format', 'RGB');
  if (format !== undefined && !['RGB', 'BGR', 'Grayscale'].includes(format))
    throw badAttribute(call, 'pixel_format', 'RGB, BGR or Grayscale', `'${format.slice(0, 40)}'`);
  const channels = format === undefined ? undefined : format === 'Grayscale' ? 1 : 3;
  return [tensor('uint8', [undefined, undefined, channels])];
};

export const imageRules: Readonly<Record<string, InferRule>> = {
  AffineGrid: affineGrid,
  GridSample: gridSample,
  ImageDecoder: decoder,
  NonMaxSuppression: suppression,
  Resize: resize,
  RoiAlign: roiAlign,
  Upsample: upsample,
};
