import { ceilDivideDims, multiplyDims } from '../dim.ts';
import type { Call, InferRule, Inferred } from '../rule.ts';
import { type Dim, type Shape, tensorType, type ValueType } from '../type.ts';
import { dtypeAttribute, graphAttribute, intAttribute } from './attributes.ts';
import {
  checkedAxis,
  dtypeOf,
  isGiven,
  mismatch,
  shapeOf,
  tensor,
  typeOf,
  unknownDims,
  unknownOutput,
} from './call.ts';
import { knownDims } from './constant.ts';
import { joinTypes } from './merge.ts';
import { concatenated } from './parts.ts';

function sequenceOf(element: ValueType): Inferred {
  return { type: { kind: 'sequence', element } };
}

function elementOf(call: Call, index: number): ValueType {
  const type = typeOf(call, index);
  return type?.kind === 'sequence' ? type.element : undefined;
}

function tensorElement(call: Call, index: number): { dtype: ReturnType<typeof dtypeOf>; shape: Shape } {
  const element = elementOf(call, index);
  return element?.kind === 'tensor' ? element : { dtype: undefined, shape: undefined };
}

const construct: InferRule = (call) => {
  const [first, ...others] = call.inputs.map((input) => input?.type);
  for (const [index, type] of others.entries()) checkSameDtype(call, `inputs[${index + 1}]`, first, type);
  return [sequenceOf(others.reduce<ValueType>(joinTypes, first))];
};

function checkSameDtype(call: Call, argument: string, a: ValueType, b: ValueType): void {
  if (a?.kind !== 'tensor' || b?.kind !== 'tensor' || a.dtype === undefined || b.dtype === undefined) return;
  if (a.dtype !== b.dtype) throw mismatch('DTYPE_MISMATCH', call, argument, a.dtype, b.dtype);
}

const empty: InferRule = (call) => [sequenceOf(tensorType(dtypeAttribute(call, 'dtype', 'float32')))];

const at: InferRule = (call) => [{ type: elementOf(call, 0) }];

const erase: InferRule = (call) => [{ type: typeOf(call, 0) }];

const insert: InferRule = (call) => {
  const element = elementOf(call, 0);
  checkSameDtype(call, 'tensor', element, typeOf(call, 1));
  return [sequenceOf(joinTypes(element, typeOf(call, 1)))];
};

const length: InferRule = () => [tensor('int64', [])];

const concatSequence: InferRule = (call) => {
  const { dtype, shape } = tensorElement(call, 0);
  const axis = intAttribute(call, 'axis', undefined);
  const added = intAttribute(call, 'new_axis', 0);
  if (shape === undefined || added === undefined) return [tensor(dtype, undefined)];
  const rank = shape.length + (added === 0 ? 0 : 1);
  if (axis === undefined) return [tensor(dtype, unknownDims(rank))];
  const along = checkedAxis(call, axis, rank);
  const dims = added === 0 ? concatenated(call, [shape], along) : shape.toSpliced(along, 0, undefined);
  return [tensor(dtype, dims?.with(along, undefined))];
};

const splitToSequence: InferRule = (call) => {
  const shape = shapeOf(call, 0);
  const dtype = dtypeOf(call, 0);
  const axis = intAttribute(call, 'axis', 0);
  const keep = isGiven(call, 1) ? 1 : intAttribute(call, 'keepdims', 1);
  if (shape === undefined || axis === undefined || keep === undefined)
    return [sequenceOf(tensorType(dtype, undefined))];
  const along = checkedAxis(call, axis, shape.length);
  if (keep === 0) return [sequenceOf(tensorType(dtype, shape.toSpliced(along, 1)))];
  return [sequenceOf(tensorType(dtype, shape.with(along, isGiven(call, 1) ? chunkSize(call, shape[along]) : 1)))];
};

/** The size that all chunks have, where they are known to have one. */
function chunkSize(call: Call, dim: Dim): Dim {
  const sizes = knownDims(call.inputs[1]);
  const [first, ...others] = sizes ?? [];
  if (shapeOf(call, 1)?.length === 0)
    return typeof dim === 'number' && multiplyDims(ceilDivideDims(dim, first), first) === dim ? first : undefined;
  return others.every((size) => size === first) ? first : undefined;
}

const sequenceMap: InferRule = (call) => {
  const body = graphAttribute(call, 'body');
  return (body?.outputs ?? []).map(({ value }) => sequenceOf(value.type));
};

const optional: InferRule = (call) => {
  const attribute = call.attributes.get('type');
  const element = attribute?.kind === 'type' ? attribute.value : typeOf(call, 0);
  return [{ type: { kind: 'optional', element } }];
};

const getElement: InferRule = (call) => {
  const type = typeOf(call, 0);
  return [type === undefined ? unknownOutput : { type: type.kind === 'optional' ? type.element : type }];
};

const hasElement: InferRule = (call) => {
  const type = typeOf(call, 0);
  const certain = type !== undefined && type.kind !== 'optional';
  return [tensor('bool', [], certain ? [1] : undefined)];
};

export const sequenceRules: Readonly<Record<string, InferRule>> = {
  ConcatFromSequence: concatSequence,
  Optional: optional,
  OptionalGetElement: getElement,
  OptionalHasElement: hasElement,
  SequenceAt: at,
  SequenceConstruct: construct,
  SequenceEmpty: empty,
  SequenceErase: erase,
  SequenceInsert: insert,
  SequenceLength: length,
  SequenceMap: sequenceMap,
  SplitToSequence: splitToSequence,
};
