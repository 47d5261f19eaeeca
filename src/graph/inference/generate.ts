import type { DType } from '../../files/dtype.ts';
import { isStored, type Tensor, tensorOf } from '../../files/tensor.ts';
import { addDims, ceilDivideDims, compareDims, floorDivideDims, maxDim, subtractDims } from '../dim.ts';
import type { Call, InferRule } from '../rule.ts';
import { type Dim, describeShape } from '../type.ts';
import type { KnownDims } from '../value.ts';
import { badAttribute, dtypeAttribute, intAttribute, intsAttribute } from './attributes.ts';
import { checkRank, dtypeOf, mismatch, sharedDtype, tensor, unknownOutput } from './call.ts';
import { knownLimit, knownOfTensor, knownScalar } from './constant.ts';
import { representable } from './known.ts';
import { listedShape } from './reshape.ts';

/** Constant: its value in one of nine attributes. */
const constantNode: InferRule = (call) => {
  for (const [name, attribute] of call.attributes) {
    switch (attribute.kind) {
      case 'tensor': {
        const { value } = attribute;
        return [tensor(value.dtype, value.shape, isStored(value) ? undefined : knownOfTensor(value))];
      }
      case 'int':
        return [tensor('int64', [], integers([attribute.value]))];
      case 'ints':
        return [tensor('int64', [attribute.value.length], integers(attribute.value))];
      case 'float':
        return [tensor('float32', [], [attribute.value])];
      case 'floats':
        return [tensor('float32', [attribute.value.length], short(attribute.value))];
      case 'string':
        return [tensor('string', [])];
      case 'strings':
        return [tensor('string', [attribute.value.length])];
      case 'reference':
        return [tensor(constantDtypes[attribute.of], constantRanks[attribute.of])];
      default:
        if (name !== 'sparse_value') return [unknownOutput];
    }
  }
  return [unknownOutput];
};

const constantDtypes: Readonly<Partial<Record<string, DType>>> = {
  int: 'int64',
  ints: 'int64',
  float: 'float32',
  floats: 'float32',
  string: 'string',
  strings: 'string',
};

const constantRanks: Readonly<Partial<Record<string, readonly Dim[]>>> = {
  int: [],
  float: [],
  string: [],
  ints: [undefined],
  floats: [undefined],
  strings: [undefined],
};

function integers(values: readonly (number | bigint)[]): KnownDims | undefined {
  return short(values)?.map((value) => (Number.isSafeInteger(Number(value)) ? Number(value) : undefined));
}

function short<T>(values: readonly T[]): readonly T[] | undefined {
  return values.length <= knownLimit ? values : undefined;
}

const constantOfShape: InferRule = (call) => {
  checkRank(call, 0, 'input', [1]);
  const shape = listedShape(call, 0);
  if (shape?.some((dim) => compareDims(dim, 0) === -1))
    throw mismatch('SHAPE_MISMATCH', call, 'input', 'a list of sizes', describeShape(shape));
  const value = filler(call);
  if (value === undefined) return [tensor(call.attributes.has('value') ? undefined : 'float32', shape)];
  const count = shape?.length === 0 ? 1 : shape?.[0];
  const small = shape !== undefined && shape.length <= 1 && typeof count === 'number' && count <= knownLimit;
  const [element] = knownOfTensor({ ...value, shape: [1] }) ?? [];
  const known = small && element !== undefined ? new Array<Dim>(count).fill(element) : undefined;
  return [tensor(value.dtype, shape, known)];
};

const zero = tensorOf('float32', [1], new Float32Array(1));

function filler(call: Call): Tensor | undefined {
  const attribute = call.attributes.get('value');
  if (attribute === undefined) return zero;
  if (attribute.kind !== 'tensor' || isStored(attribute.value)) return undefined;
  return attribute.value;
}

const range: InferRule = (call) => {
  const names = ['start', 'limit', 'delta'];
  const dtype = sharedDtype(call, [0, 1, 2], names);
  const [start, limit, delta] = names.map((_, index) => knownScalar(call.inputs[index]));
  if (delta === 0) throw mismatch('SHAPE_MISMATCH', call, 'delta', 'other than 0', '0');
  const length = rangeLength(start, limit, delta);
  return [tensor(dtype, [length], rangeContents(start, delta, length, dtype))];
};

function rangeLength(start: Dim, limit: Dim, delta: Dim): Dim {
  if (typeof start === 'number' && typeof limit === 'number' && typeof delta === 'number') {
    const count = Math.max(Math.ceil((limit - start) / delta), 0);
    return Number.isSafeInteger(count) ? count : undefined;
  }
  if (typeof delta !== 'number' || !Number.isInteger(delta)) return undefined;
  const span = delta > 0 ? subtractDims(limit, start) : subtractDims(start, limit);
  const count = ceilDivideDims(span, Math.abs(delta));
  return compareDims(addDims(count, 1), 0) === 1 ? count : maxDim(count, 0);
}

function rangeContents(start: Dim, delta: Dim, length: Dim, dtype: DType | undefined): KnownDims | undefined {
  if (typeof length !== 'number' || length > knownLimit || typeof delta !== 'number' || start === undefined)
    return undefined;
  return Array.from({ length }, (_, index) =>
    representable(typeof start === 'number' ? start + index * delta : addDims(start, index * delta), dtype),
  );
}

const randomShape: InferRule = (call) => [
  tensor(dtypeAttribute(call, 'dtype', 'float32'), checkedSizes(call, intsAttribute(call, 'shape'))),
];

function checkedSizes(call: Call, shape: readonly number[] | undefined): readonly number[] | undefined {
  if (shape?.some((dim) => dim < 0)) throw badAttribute(call, 'shape', 'a list of sizes', `[${shape.join(', ')}]`);
  return shape;
}

const randomLike: InferRule = (call) => [
  tensor(dtypeAttribute(call, 'dtype', dtypeOf(call, 0)), call.inputs[0]?.shape),
];

const multinomial: InferRule = (call) => {
  checkRank(call, 0, 'input', [2]);
  const samples = intAttribute(call, 'sample_size', 1);
  return [tensor(dtypeAttribute(call, 'dtype', 'int32'), [call.inputs[0]?.shape?.[0], samples])];
};

/** HannWindow and its like: a vector of `size`. */
const windowOperator: InferRule = (call) => {
  const length = knownScalar(call.inputs[0]);
  if (compareDims(length, 0) === -1) throw mismatch('SHAPE_MISMATCH', call, 'size', '0 or more', String(length));
  return [tensor(dtypeAttribute(call, 'output_datatype', 'float32'), [length])];
};

const melWeights: InferRule = (call) => {
  const [bins, length] = [0, 1].map((index) => knownScalar(call.inputs[index]));
  const bands = addDims(floorDivideDims(length, 2), 1);
  return [tensor(dtypeAttribute(call, 'output_datatype', 'float32'), [bands, bins])];
};

export const generateRules: Readonly<Record<string, InferRule>> = {
  Bernoulli: randomLike,
  BlackmanWindow: windowOperator,
  Constant: constantNode,
  ConstantOfShape: constantOfShape,
  HammingWindow: windowOperator,
  HannWindow: windowOperator,
  MelWeightMatrix: melWeights,
  Multinomial: multinomial,
  RandomNormal: randomShape,
  RandomNormalLike: randomLike,
  RandomUniform: randomShape,
  RandomUniformLike: randomLike,
  Range: range,
};
