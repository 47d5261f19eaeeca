import {
  addDims,
  ceilDivideDims,
  compareDims,
  differentDims,
  divideExactly,
  multiplyDims,
  subtractDims,
  unifyDims,
} from '../dim.ts';
import type { Call, InferRule, Inferred } from '../rule.ts';
import { type Dim, describeShape, type Shape } from '../type.ts';
import type { KnownDims } from '../value.ts';
import { badAttribute, intAttribute, intsAttribute, isReference } from './attributes.ts';
import {
  badShape,
  checkedAxes,
  checkedAxis,
  checkRank,
  checkRankAtLeast,
  dtypeOf,
  isGiven,
  mismatch,
  shapeOf,
  sharedDtype,
  tensor,
  unknownDims,
  versionOf,
} from './call.ts';
import { knownDims, knownLimit, knownNumbers } from './constant.ts';
import { slice } from './slice.ts';

const concat: InferRule = (call) => {
  const indices = call.inputs.map((_, index) => index);
  const names = indices.map((index) => `inputs[${index}]`);
  const dtype = sharedDtype(call, indices, names);
  const axis = intAttribute(call, 'axis', versionOf(call) < 4 ? 1 : undefined);
  if (axis === undefined && !isReference(call, 'axis')) throw badAttribute(call, 'axis', 'given', 'nothing');
  return [
    tensor(
      dtype,
      concatenated(
        call,
        indices.map((index) => shapeOf(call, index)),
        axis,
      ),
      joinedContents(call),
    ),
  ];
};

/** Shapes put together along an axis. @throws SHAPE_MISMATCH where ranks or other axes differ. */
export function concatenated(call: Call, shapes: readonly Shape[], axis: number | undefined): Shape {
  const first = shapes.find((shape) => shape !== undefined);
  if (first === undefined) return undefined;
  if (first.length === 0) throw badShape(call, 'inputs[0]', 'of rank 1 or more', first);
  const along = axis === undefined ? undefined : checkedAxis(call, axis, first.length);
  let joined: Dim[] = [...first];
  let length: Dim = 0;
  for (const [index, shape] of shapes.entries()) {
    if (shape === undefined) {
      length = undefined;
      continue;
    }
    const fits =
      shape.length === first.length && !shape.some((dim, at) => at !== along && differentDims(dim, joined[at]));
    if (!fits && along !== undefined)
      throw badShape(call, `inputs[${index}]`, `like ${describeShape(joined)} but for axis ${along}`, shape);
    if (shape.length !== first.length) return undefined;
    joined = joined.map((dim, at) => unifyDims(dim, shape[at]));
    if (along !== undefined) length = addDims(length, shape[along]);
  }
  return along === undefined ? unknownDims(first.length) : joined.with(along, length);
}

function joinedContents(call: Call): KnownDims | undefined {
  const parts: Dim[] = [];
  let some = false;
  for (const [index, input] of call.inputs.entries()) {
    const known = knownDims(input);
    const length = known?.length ?? shapeOf(call, index)?.[0];
    if (shapeOf(call, index)?.length !== 1 || typeof length !== 'number' || parts.length + length > knownLimit)
      return undefined;
    some ||= known !== undefined;
    parts.push(...(known ?? unknownDims(length)));
  }
  return some ? parts : undefined;
}

const split: InferRule = (call) => {
  const shape = shapeOf(call, 0);
  const axis = intAttribute(call, 'axis', 0);
  const dtype = dtypeOf(call, 0);
  if (shape === undefined || axis === undefined)
    return repeated(call.outputCount, () => tensor(dtype, shape && unknownDims(shape.length)));
  const along = checkedAxis(call, axis, shape.length);
  const sizes = splitSizes(call, shape[along]);
  const contents = shape.length === 1 ? knownDims(call.inputs[0]) : undefined;
  let offset: Dim = 0;
  return repeated(call.outputCount, (index) => {
    const size = sizes[index];
    const known =
      contents && typeof offset === 'number' && typeof size === 'number'
        ? contents.slice(offset, offset + size)
        : undefined;
    offset = addDims(offset, size);
    return tensor(dtype, shape.with(along, size), known);
  });
};

function splitSizes(call: Call, dim: Dim): readonly Dim[] {
  if (isReference(call, 'split') || isReference(call, 'num_outputs')) return [];
  const listed: KnownDims | undefined = intsAttribute(call, 'split') ?? knownDims(call.inputs[1]);
  if (listed !== undefined) {
    const total = listed.reduce<Dim>((sum, size) => addDims(sum, size), 0);
    if (listed.some((size) => compareDims(size, 0) === -1) || differentDims(total, dim))
      throw mismatch('SHAPE_MISMATCH', call, 'split', `sizes that sum to ${dim}`, describeShape(listed));
    if (listed.length < call.outputCount)
      throw mismatch(
        'SHAPE_MISMATCH',
        call,
        'split',
        `of ${call.outputCount} sizes, one per output`,
        describeShape(listed),
      );
    return filledIn(listed, dim);
  }
  if (isGiven(call, 1)) return [];
  const count = intAttribute(call, 'num_outputs', call.outputCount) ?? call.outputCount;
  if (count < call.outputCount || count < 1)
    throw badAttribute(call, 'num_outputs', `${call.outputCount}, the number of outputs`, String(count));
  if (!call.attributes.has('num_outputs') || versionOf(call) < 18) {
    const size = divideExactly(dim, count);
    if (typeof dim === 'number' && size === undefined)
      throw badShape(call, 'input', `divisible into ${count} equal parts`, shapeOf(call, 0));
    return new Array<Dim>(call.outputCount).fill(size ?? ceilDivideDims(dim, count));
  }
  const size = ceilDivideDims(dim, count);
  const last = subtractDims(dim, multiplyDims(size, count - 1));
  return repeated(call.outputCount, (index) => (index === count - 1 ? last : size));
}

/** The one size that is not known is what the others leave. */
function filledIn(sizes: readonly Dim[], total: Dim): readonly Dim[] {
  const open = sizes.indexOf(undefined);
  if (open < 0 || sizes.lastIndexOf(undefined) !== open) return sizes;
  const others = sizes.reduce<Dim>((sum, size) => (size === undefined ? sum : addDims(sum, size)), 0);
  return sizes.with(open, subtractDims(total, others));
}

function repeated<T>(count: number, make: (index: number) => T): readonly T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

const pad: InferRule = (call) => {
  const shape = shapeOf(call, 0);
  const dtype = sharedDtype(call, isGiven(call, 2) ? [0, 2] : [0], ['data', 'constant_value']);
  const pads: KnownDims | undefined =
    intsAttribute(call, 'pads') ?? intsAttribute(call, 'paddings') ?? knownDims(call.inputs[1]);
  if (shape === undefined) return [tensor(dtype, undefined)];
  const axes = isGiven(call, 3) ? knownNumbers(call.inputs[3]) : [...shape.keys()];
  if (axes === undefined || pads === undefined) return [tensor(dtype, unknownDims(shape.length))];
  const padded = checkedAxes(call, axes, shape.length);
  if (pads.length !== 2 * padded.length)
    throw mismatch('SHAPE_MISMATCH', call, 'pads', `of ${2 * padded.length} elements`, describeShape(pads));
  const dims = [...shape];
  for (const [index, axis] of padded.entries())
    dims[axis] = addDims(addDims(dims[axis], pads[index]), pads[index + padded.length]);
  if (dims.some((dim) => compareDims(dim, 0) === -1))
    throw mismatch(
      'SHAPE_MISMATCH',
      call,
      'pads',
      `no larger a cut than data ${describeShape(shape)}`,
      describeShape(pads),
    );
  return [tensor(dtype, dims)];
};

const centerCropPad: InferRule = (call) => {
  const shape = shapeOf(call, 0);
  const dtype = dtypeOf(call, 0);
  if (shape === undefined) return [tensor(dtype, undefined)];
  const sizes = knownDims(call.inputs[1]);
  const axes = intsAttribute(call, 'axes') ?? (isReference(call, 'axes') ? undefined : [...shape.keys()]);
  if (axes === undefined) return [tensor(dtype, unknownDims(shape.length))];
  const cut = checkedAxes(call, axes, shape.length);
  if (sizes !== undefined && sizes.length !== cut.length)
    throw mismatch('SHAPE_MISMATCH', call, 'shape', `of ${cut.length} sizes`, describeShape(sizes));
  const dims = [...shape];
  for (const [index, axis] of cut.entries()) dims[axis] = sizes?.[index];
  return [tensor(dtype, dims)];
};

const compress: InferRule = (call) => {
  const shape = shapeOf(call, 0);
  checkRank(call, 1, 'condition', [1]);
  const axis = intAttribute(call, 'axis', undefined);
  const known = knownNumbers(call.inputs[1]);
  const count = known?.reduce((sum, bit) => sum + bit, 0);
  const dtype = dtypeOf(call, 0);
  if (!call.attributes.has('axis')) return [tensor(dtype, [count])];
  if (shape === undefined || axis === undefined) return [tensor(dtype, shape && unknownDims(shape.length))];
  return [tensor(dtype, shape.with(checkedAxis(call, axis, shape.length), count))];
};

const reverseSequence: InferRule = (call) => {
  checkRankAtLeast(call, 0, 'input', 2);
  checkRank(call, 1, 'sequence_lens', [1]);
  return [tensor(dtypeOf(call, 0), shapeOf(call, 0))];
};

function blockRule(compute: (shape: readonly Dim[], block: number, call: Call) => readonly Dim[]): InferRule {
  return (call): readonly Inferred[] => {
    const shape = shapeOf(call, 0);
    checkRank(call, 0, 'input', [4]);
    const block = intAttribute(call, 'blocksize', undefined);
    if (block === undefined && !isReference(call, 'blocksize'))
      throw badAttribute(call, 'blocksize', 'given', 'nothing');
    if (block !== undefined && block < 1) throw badAttribute(call, 'blocksize', '1 or more', String(block));
    const known = shape !== undefined && block !== undefined;
    return [tensor(dtypeOf(call, 0), known ? compute(shape, block, call) : unknownDims(4))];
  };
}

function shared(call: Call, shape: readonly Dim[], axis: number, by: number): Dim {
  const dim = shape[axis];
  if (typeof dim === 'number' && dim % by !== 0)
    throw badShape(call, 'input', `of a multiple of ${by} in axis ${axis}`, shape);
  return divideExactly(dim, by) ?? ceilDivideDims(dim, by);
}

const depthToSpace = blockRule((shape, block, call) => [
  shape[0],
  shared(call, shape, 1, block * block),
  multiplyDims(shape[2], block),
  multiplyDims(shape[3], block),
]);

const spaceToDepth = blockRule((shape, block, call) => [
  shape[0],
  multiplyDims(shape[1], block * block),
  shared(call, shape, 2, block),
  shared(call, shape, 3, block),
]);

export const partRules: Readonly<Record<string, InferRule>> = {
  CenterCropPad: centerCropPad,
  Compress: compress,
  Concat: concat,
  DepthToSpace: depthToSpace,
  Pad: pad,
  ReverseSequence: reverseSequence,
  Slice: slice,
  SpaceToDepth: spaceToDepth,
  Split: split,
};
