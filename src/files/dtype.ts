/**
 * Element types by their ONNX names in lower case; the number is TensorProto.DataType (IR 14).
 * `bits` is the width of one element as packed in raw data (two int4 to a byte, four int2, four float6 to three bytes), 0 for strings.
 */
export const dtypes = {
  float32: { code: 1, bits: 32, kind: 'float' },
  uint8: { code: 2, bits: 8, kind: 'uint' },
  int8: { code: 3, bits: 8, kind: 'int' },
  uint16: { code: 4, bits: 16, kind: 'uint' },
  int16: { code: 5, bits: 16, kind: 'int' },
  int32: { code: 6, bits: 32, kind: 'int' },
  int64: { code: 7, bits: 64, kind: 'int' },
  string: { code: 8, bits: 0, kind: 'string' },
  bool: { code: 9, bits: 8, kind: 'bool' },
  float16: { code: 10, bits: 16, kind: 'float' },
  float64: { code: 11, bits: 64, kind: 'float' },
  uint32: { code: 12, bits: 32, kind: 'uint' },
  uint64: { code: 13, bits: 64, kind: 'uint' },
  complex64: { code: 14, bits: 64, kind: 'complex' },
  complex128: { code: 15, bits: 128, kind: 'complex' },
  bfloat16: { code: 16, bits: 16, kind: 'float' },
  float8e4m3fn: { code: 17, bits: 8, kind: 'float' },
  float8e4m3fnuz: { code: 18, bits: 8, kind: 'float' },
  float8e5m2: { code: 19, bits: 8, kind: 'float' },
  float8e5m2fnuz: { code: 20, bits: 8, kind: 'float' },
  uint4: { code: 21, bits: 4, kind: 'uint' },
  int4: { code: 22, bits: 4, kind: 'int' },
  float4e2m1: { code: 23, bits: 4, kind: 'float' },
  float8e8m0: { code: 24, bits: 8, kind: 'float' },
  uint2: { code: 25, bits: 2, kind: 'uint' },
  int2: { code: 26, bits: 2, kind: 'int' },
  float6e2m3: { code: 27, bits: 6, kind: 'float' },
  float6e3m2: { code: 28, bits: 6, kind: 'float' },
} as const satisfies Record<string, { code: number; bits: number; kind: string }>;

/** An element type, as NumPy and PyTorch call it. */
export type DType = keyof typeof dtypes;

const byCode = new Map<number, DType>(Object.entries(dtypes).map(([name, { code }]) => [code, name as DType]));

/** The element type of a TensorProto.DataType number, or undefined for one this version does not know. */
export function dtypeOfCode(code: number): DType | undefined {
  return byCode.get(code);
}

export function isFloat(dtype: DType): boolean {
  return dtypes[dtype].kind === 'float';
}

export function isInteger(dtype: DType): boolean {
  return dtypes[dtype].kind === 'int' || dtypes[dtype].kind === 'uint';
}

/** Bytes that `count` elements take in raw data; sub-byte elements are packed, the last byte padded. Strings have none. */
export function byteLengthOf(dtype: DType, count: number): number {
  return Math.ceil((dtypes[dtype].bits * count) / 8);
}
