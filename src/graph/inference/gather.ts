import { differentDims, unifyDims } from '../dim.ts';
import type { Call, InferRule } from '../rule.ts';
import { type Dim, describeShape, type Shape } from '../type.ts';
import type { KnownDims } from '../value.ts';
import { badAttribute, intAttribute } from './attributes.ts';
import {
  badShape,
  checkedAxis,
  checkRank,
  checkRankAtLeast,
  checkShape,
  dtypeOf,
  mismatch,
  shapeOf,
  sharedDtype,
  tensor,
  unknownDims,
} from './call.ts';
import { knownDims, knownNumbers, knownScalar } from './constant.ts';

const gather: InferRule = (call) => {
  checkRankAtLeast(call, 0, 'data', 1);
  const data = shapeOf(call, 0);
  const indices = shapeOf(call, 1);
  const axis = intAttribute(call, 'axis', 0);
  const dtype = dtypeOf(call, 0);
  if (data === undefined || indices === undefined) return [tensor(dtype, undefined)];
  if (axis === undefined) return [tensor(dtype, unknownDims(data.length + indices.length - 1))];
  const along = checkedAxis(call, axis, data.length);
  const shape = [...data.slice(0, along), ...indices, ...data.slice(along + 1)];
  return [tensor(dtype, shape, picked(call, data.length === 1 && indices.length <= 1))];
};

/** Elements of a known vector at known places. */
function picked(call: Call, flat: boolean): KnownDims | undefined {
  const known = flat ? knownDims(call.inputs[0]) : undefined;
  const places = known && knownNumbers(call.inputs[1]);
  return known && places?.map((place) => known[place < 0 ? place + known.length : place]);
}

const gatherElements: InferRule = (call) => {
  const data = shapeOf(call, 0);
  const indices = shapeOf(call, 1);
  const axis = intAttribute(call, 'axis', 0);
  if (data !== undefined && axis !== undefined) checkedAxis(call, axis, data.length);
  if (data !== undefined && indices !== undefined && data.length !== indices.length)
    throw badShape(call, 'indices', `of rank ${data.length} as data is`, indices);
  return [tensor(dtypeOf(call, 0), indices ?? (data && unknownDims(data.length)))];
};

/** What the index tuples of GatherND and ScatterND leave of `data`: leading axes of the indices, then the axes no tuple names. */
function tupleShape(call: Call, batch: number): Shape {
  checkRankAtLeast(call, 0, 'data', 1);
  checkRankAtLeast(call, 1, 'indices', 1);
  const data = shapeOf(call, 0);
  const indices = shapeOf(call, 1);
  const length = indices?.at(-1);
  if (data === undefined || indices === undefined || typeof length !== 'number') return undefined;
  if (length + batch > data.length)
    throw badShape(
      call,
      'indices',
      `tuples of ${data.length - batch} at most, as data is ${describeShape(data)}`,
      indices,
    );
  return [...indices.slice(0, -1), ...data.slice(batch + length)];
}

const gatherND: InferRule = (call) => {
  const batch = intAttribute(call, 'batch_dims', 0);
  const dtype = dtypeOf(call, 0);
  if (batch === undefined) return [tensor(dtype, undefined)];
  const data = shapeOf(call, 0);
  const indices = shapeOf(call, 1);
  const least = Math.min(data?.length ?? Number.POSITIVE_INFINITY, indices?.length ?? Number.POSITIVE_INFINITY);
  if (batch < 0 || batch >= least) throw badAttribute(call, 'batch_dims', `in [0, ${least - 1}]`, String(batch));
  const shape = tupleShape(call, batch);
  for (let axis = 0; axis < batch; axis++)
    if (differentDims(data?.[axis], indices?.[axis]))
      throw badShape(call, 'indices', `of size ${data?.[axis]} in axis ${axis}`, indices);
  return [tensor(dtype, shape, batch === 0 && indices?.at(-1) === 1 ? picked(call, data?.length === 1) : undefined)];
};

const scatterElements: InferRule = (call) => {
  const dtype = sharedDtype(call, [0, 2], ['data', 'updates']);
  const data = shapeOf(call, 0);
  const indices = shapeOf(call, 1);
  const axis = intAttribute(call, 'axis', 0);
  if (data !== undefined && axis !== undefined) checkedAxis(call, axis, data.length);
  if (data !== undefined && indices !== undefined && data.length !== indices.length)
    throw badShape(call, 'indices', `of rank ${data.length} as data is`, indices);
  if (indices !== undefined) checkShape(call, 2, 'updates', indices);
  return [tensor(dtype, data)];
};

const scatterND: InferRule = (call) => {
  const dtype = sharedDtype(call, [0, 2], ['data', 'updates']);
  const expected = tupleShape(call, 0);
  if (expected !== undefined) checkShape(call, 2, 'updates', expected);
  return [tensor(dtype, shapeOf(call, 0))];
};

const tensorScatter: InferRule = (call) => {
  const dtype = sharedDtype(call, [0, 1], ['past_cache', 'update']);
  const cache = shapeOf(call, 0);
  const update = shapeOf(call, 1);
  const axis = intAttribute(call, 'axis', -2);
  checkRank(call, 2, 'write_indices', [1]);
  if (cache === undefined || axis === undefined) return [tensor(dtype, cache)];
  const along = checkedAxis(call, axis, cache.length);
  if (update !== undefined) {
    checkShape(call, 1, 'update', cache.with(along, undefined));
    const [length, space] = [update[along], cache[along]];
    if (typeof length === 'number' && typeof space === 'number' && length > space)
      throw badShape(call, 'update', `of ${space} at most in axis ${along}`, update);
  }
  return [tensor(dtype, cache)];
};

const oneHot: InferRule = (call) => {
  const indices = shapeOf(call, 0);
  const axis = intAttribute(call, 'axis', -1);
  const dtype = dtypeOf(call, 2);
  checkShape(call, 2, 'values', [2]);
  if (indices === undefined) return [tensor(dtype, undefined)];
  if (axis === undefined) return [tensor(dtype, unknownDims(indices.length + 1))];
  const along = checkedAxis(call, axis, indices.length + 1);
  return [tensor(dtype, indices.toSpliced(along, 0, knownScalar(call.inputs[1])))];
};

const nonZero: InferRule = (call) => [tensor('int64', [shapeOf(call, 0)?.length, undefined])];

const unique: InferRule = (call) => {
  const shape = shapeOf(call, 0);
  const axis = intAttribute(call, 'axis', undefined);
  const counts = tensor('int64', [undefined]);
  const lists = [counts, counts, counts];
  const dtype = dtypeOf(call, 0);
  if (!call.attributes.has('axis')) return [tensor(dtype, [undefined]), ...lists];
  if (shape === undefined || axis === undefined) return [tensor(dtype, shape && unknownDims(shape.length)), ...lists];
  return [tensor(dtype, shape.with(checkedAxis(call, axis, shape.length), undefined)), ...lists];
};

const topK: InferRule = (call) => {
  const shape = shapeOf(call, 0);
  const axis = intAttribute(call, 'axis', -1);
  const count: Dim = call.attributes.has('k') ? intAttribute(call, 'k', undefined) : knownScalar(call.inputs[1]);
  const dtype = dtypeOf(call, 0);
  if (shape === undefined || axis === undefined) {
    const dims = shape && unknownDims(shape.length);
    return [tensor(dtype, dims), tensor('int64', dims)];
  }
  const along = checkedAxis(call, axis, shape.length);
  const size = shape[along];
  if (typeof count === 'number' && (count < 0 || (typeof size === 'number' && count > size)))
    throw mismatch('SHAPE_MISMATCH', call, 'K', `in [0, ${size ?? '...'}], the size of axis ${along}`, String(count));
  const dims = shape.with(along, count);
  return [tensor(dtype, dims), tensor('int64', dims)];
};

/** Of the batch axis of two inputs, what is known. @throws SHAPE_MISMATCH */
export function sharedBatch(call: Call, first: number, second: number, argument: string): Dim {
  const a = shapeOf(call, first)?.[0];
  const b = shapeOf(call, second)?.[0];
  if (differentDims(a, b)) throw badShape(call, argument, `of ${a} in axis 0`, shapeOf(call, second));
  return unifyDims(a, b);
}

export const gatherRules: Readonly<Record<string, InferRule>> = {
  Gather: gather,
  GatherElements: gatherElements,
  GatherND: gatherND,
  NonZero: nonZero,
  OneHot: oneHot,
  Scatter: scatterElements,
  ScatterElements: scatterElements,
  ScatterND: scatterND,
  TensorScatter: tensorScatter,
  TopK: topK,
  Unique: unique,
};
