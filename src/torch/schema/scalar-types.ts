import type { DType } from '../../files/dtype.ts';

/** PyTorch's ScalarType numbers, as its export schema has them. Half-precision complex numbers have no dtype here. */
const byCode: Readonly<Record<number, DType>> = {
  1: 'uint8',
  2: 'int8',
  3: 'int16',
  4: 'int32',
  5: 'int64',
  6: 'float16',
  7: 'float32',
  8: 'float64',
  10: 'complex64',
  11: 'complex128',
  12: 'bool',
  13: 'bfloat16',
  28: 'uint16',
  29: 'float8e4m3fn',
  30: 'float8e5m2',
  31: 'float8e4m3fnuz',
  32: 'float8e5m2fnuz',
  33: 'float8e8m0',
  34: 'uint32',
  35: 'uint64',
};

export function dtypeOfScalarType(code: number): DType | undefined {
  return Object.hasOwn(byCode, code) ? byCode[code] : undefined;
}
