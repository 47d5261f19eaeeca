import type { DType } from '../../files/dtype.ts';
import type { StorageType } from './value.ts';

const storages: Readonly<Record<string, StorageType | 'untyped'>> = {
  FloatStorage: 'float32',
  DoubleStorage: 'float64',
  HalfStorage: 'float16',
  BFloat16Storage: 'bfloat16',
  LongStorage: 'int64',
  IntStorage: 'int32',
  ShortStorage: 'int16',
  CharStorage: 'int8',
  ByteStorage: 'uint8',
  BoolStorage: 'bool',
  ComplexFloatStorage: 'complex64',
  ComplexDoubleStorage: 'complex128',
  ComplexHalfStorage: 'complex32',
  QInt8Storage: 'qint8',
  QUInt8Storage: 'quint8',
  QInt32Storage: 'qint32',
  QUInt4x2Storage: 'packed',
  QUInt2x4Storage: 'packed',
  UntypedStorage: 'untyped',
};

const types: Readonly<Record<string, DType | 'complex32'>> = {
  float32: 'float32',
  float: 'float32',
  float64: 'float64',
  double: 'float64',
  float16: 'float16',
  half: 'float16',
  bfloat16: 'bfloat16',
  int64: 'int64',
  long: 'int64',
  int32: 'int32',
  int: 'int32',
  int16: 'int16',
  short: 'int16',
  int8: 'int8',
  uint8: 'uint8',
  uint16: 'uint16',
  uint32: 'uint32',
  uint64: 'uint64',
  bool: 'bool',
  complex32: 'complex32',
  chalf: 'complex32',
  complex64: 'complex64',
  cfloat: 'complex64',
  complex128: 'complex128',
  cdouble: 'complex128',
  float8_e4m3fn: 'float8e4m3fn',
  float8_e5m2: 'float8e5m2',
  float8_e4m3fnuz: 'float8e4m3fnuz',
  float8_e5m2fnuz: 'float8e5m2fnuz',
  float8_e8m0fnu: 'float8e8m0',
};

/** dtypes of PyTorch that have no counterpart here. */
const others = /^(q?u?int[1-8](x[24])?|qint(8|32)|quint(8|4x2|2x4)|float4_e2m1fn_x2|bits\w+|bit)$/;

export interface UnsupportedType {
  readonly unsupported: string;
}

/** The element type of `torch.<X>Storage`; undefined when the name is no storage type. */
export function storageType(name: string): StorageType | 'untyped' | undefined {
  return name.startsWith('torch.') && Object.hasOwn(storages, name.slice(6)) ? storages[name.slice(6)] : undefined;
}

/** The element type of `torch.<dtype>`; undefined when the name is no dtype. */
export function torchType(name: string): DType | 'complex32' | UnsupportedType | undefined {
  if (!name.startsWith('torch.')) return undefined;
  const word = name.slice(6);
  if (Object.hasOwn(types, word)) return types[word];
  return others.test(word) ? { unsupported: word } : undefined;
}
