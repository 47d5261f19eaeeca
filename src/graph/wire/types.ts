import { type DType, dtypeOfCode, dtypes } from '../../files/dtype.ts';
import type { onnx } from '../../onnx/messages.ts';
import { type Dim, type Shape, type TensorType, tensorType, type ValueType } from '../type.ts';
import { fromLong, toLong } from './integers.ts';
import { originOf, setOrigin } from './origins.ts';

type TypeInit = onnx.TypeProto.$Properties;

/** A declared type; what is missing or newer than this version is unknown. */
export function typeFromProto(proto: TypeInit | null | undefined): ValueType {
  if (proto === null || proto === undefined) return undefined;
  const type = readType(proto);
  if (type !== undefined) setOrigin(type, proto);
  return type;
}

function readType(proto: TypeInit): ValueType {
  const { tensorType: tensor, sparseTensorType: sparse, sequenceType, optionalType, mapType, opaqueType } = proto;
  if (tensor) return tensorType(dtypeOfCode(tensor.elemType ?? 0), readShape(tensor.shape));
  if (sparse) return { kind: 'sparse', dtype: dtypeOfCode(sparse.elemType ?? 0), shape: readShape(sparse.shape) };
  if (sequenceType) return { kind: 'sequence', element: typeFromProto(sequenceType.elemType) };
  if (optionalType) return { kind: 'optional', element: typeFromProto(optionalType.elemType) };
  if (mapType) {
    const key = dtypeOfCode(mapType.keyType ?? 0);
    return key === undefined ? undefined : { kind: 'map', key, value: typeFromProto(mapType.valueType) };
  }
  if (opaqueType) return { kind: 'opaque', domain: opaqueType.domain ?? '', name: opaqueType.name ?? '' };
  return undefined;
}

function readShape(shape: onnx.TensorShapeProto.$Properties | null | undefined): Shape {
  return shape === null || shape === undefined ? undefined : (shape.dim ?? []).map(readDim);
}

function readDim(dim: onnx.TensorShapeProto.Dimension.$Properties): Dim {
  // paddle2onnx calls every size that it does not know '?': no two of them need be equal.
  if (dim.dimParam) return dim.dimParam === '?' ? undefined : dim.dimParam;
  if (dim.dimValue === null || dim.dimValue === undefined) return undefined;
  const size = Number(fromLong(dim.dimValue));
  // Some exporters write -1 for a size that is not known.
  return size < 0 ? undefined : size;
}

/** The message of a type; undefined where not even its element type is known. */
export function typeToProto(type: ValueType): TypeInit | undefined {
  if (type === undefined) return undefined;
  const origin = originOf<TypeInit>(type);
  if (origin !== undefined) return origin;
  switch (type.kind) {
    case 'tensor':
      return type.dtype === undefined ? undefined : { tensorType: tensorMessage(type.dtype, type) };
    case 'sparse':
      return type.dtype === undefined ? undefined : { sparseTensorType: tensorMessage(type.dtype, type) };
    case 'sequence':
      return { sequenceType: { elemType: typeToProto(type.element) ?? null } };
    case 'optional':
      return { optionalType: { elemType: typeToProto(type.element) ?? null } };
    case 'map':
      return { mapType: { keyType: dtypes[type.key].code, valueType: typeToProto(type.value) ?? null } };
    case 'opaque':
      return { opaqueType: { domain: type.domain, name: type.name } };
  }
}

function tensorMessage(dtype: DType, type: TensorType): onnx.TypeProto.Tensor.$Properties {
  const elemType = dtypes[dtype].code;
  return type.shape === undefined ? { elemType } : { elemType, shape: { dim: type.shape.map(writeDim) } };
}

function writeDim(dim: Dim): onnx.TensorShapeProto.Dimension.$Properties {
  if (dim === undefined) return {};
  return typeof dim === 'number' ? { dimValue: toLong(dim) } : { dimParam: dim };
}
