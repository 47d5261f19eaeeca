import { byteLengthOf, type DType } from './dtype.ts';
import { HopfcoleError } from './error.ts';
import type { ByteRange } from './source.ts';

/**
 * The one tensor of the house: graph constants, checkpoint entries, inputs and outputs of a run.
 * `bytes` are row-major little-endian raw data (ONNX raw_data packing), a view wherever that is possible;
 * a tensor that has not been read yet is a `ByteRange`; strings stand in `strings` instead.
 */
export interface Tensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
  readonly strings?: readonly string[];
}

/** A tensor whose bytes are still in a file. */
export interface StoredTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly range: ByteRange;
}

/** A tensor in memory, or still in a file: `load` gives the first of both. */
export type AnyTensor = Tensor | StoredTensor;

/** Whether a tensor's bytes are still in a file. */
export function isStored(tensor: AnyTensor): tensor is StoredTensor {
  return 'range' in tensor;
}

/** The tensor in memory (one read for a stored one, no copy for one that is there). */
export async function load(tensor: AnyTensor): Promise<Tensor> {
  if (!isStored(tensor)) return tensor;
  const { source, offset, length } = tensor.range;
  return makeTensor(tensor.dtype, tensor.shape, await source.read(offset, length));
}

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

/**
 * A tensor over raw bytes.
 * @throws BAD_TENSOR when the shape is no list of non-negative integers or does not fit the bytes.
 */
export function makeTensor(dtype: DType, shape: readonly number[], bytes: Uint8Array): Tensor {
  const expected = byteLengthOf(dtype, checkedCount(shape));
  if (dtype === 'string' || bytes.byteLength !== expected)
    throw new HopfcoleError(
      'BAD_TENSOR',
      `a ${dtype} tensor of shape [${shape.join(', ')}] takes ${dtype === 'string' ? 'strings' : `${expected} bytes`}, got ${bytes.byteLength} bytes`,
    );
  return { dtype, shape, bytes };
}

/** A tensor of strings, row-major. @throws BAD_TENSOR when shape and number of strings do not agree. */
export function stringTensor(shape: readonly number[], strings: readonly string[]): Tensor {
  const count = checkedCount(shape);
  if (count !== strings.length)
    throw new HopfcoleError('BAD_TENSOR', `shape [${shape.join(', ')}] takes ${count} strings, got ${strings.length}`);
  return { dtype: 'string', shape, bytes: new Uint8Array(0), strings };
}

function checkedCount(shape: readonly number[]): number {
  const count = elementCount(shape);
  if (!shape.every((dim) => Number.isSafeInteger(dim) && dim >= 0) || !Number.isSafeInteger(count))
    throw new HopfcoleError('BAD_TENSOR', `expected a shape of non-negative integers, got [${shape.join(', ')}]`);
  return count;
}

const views = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
  /** Bit patterns: use `toNumbers` for their values. */
  float16: Uint16Array,
  bfloat16: Uint16Array,
} as const;

export type ViewedDType = keyof typeof views;
export type View<D extends ViewedDType> = InstanceType<(typeof views)[D]>;

/** A typed view of the bytes: no copy where they are aligned, one copy where they are not. float16 and bfloat16 give bit patterns. */
export function viewOf<D extends ViewedDType>(tensor: Tensor, dtype: D): View<D> {
  if (tensor.dtype !== dtype)
    throw new HopfcoleError('DTYPE_MISMATCH', `expected a ${dtype} tensor, got ${tensor.dtype}`);
  const make = views[dtype];
  const size = make.BYTES_PER_ELEMENT;
  const { bytes } = tensor;
  const whole = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
  return new make(whole.buffer as ArrayBuffer, whole.byteOffset, whole.byteLength / size) as View<D>;
}

/** A tensor that shares a typed array's memory. float16 and bfloat16 take bit patterns in a Uint16Array. */
export function tensorOf<D extends ViewedDType>(dtype: D, shape: readonly number[], data: View<D>): Tensor {
  return makeTensor(dtype, shape, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

/** A tensor of any numeric dtype up to 64 bits from JavaScript numbers or bigints (rounded to nearest, as IEEE says; integers are taken modulo their width). */
export function fromNumbers(dtype: DType, shape: readonly number[], values: ArrayLike<number | bigint>): Tensor {
  const count = checkedCount(shape);
  if (values.length !== count)
    throw new HopfcoleError('BAD_TENSOR', `shape [${shape.join(', ')}] takes ${count} values, got ${values.length}`);
  const bytes = new Uint8Array(byteLengthOf(dtype, count));
  const write = writers[dtype];
  if (write === undefined) throw new HopfcoleError('UNSUPPORTED_DTYPE', `cannot write ${dtype} values from numbers`);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < count; i++) write(view, i, values[i] as number | bigint);
  return { dtype, shape, bytes };
}

/** The values as JavaScript numbers (int64 beyond 2^53 is rounded: use `viewOf` where that matters). */
export function toNumbers(tensor: Tensor): Float64Array {
  const read = readers[tensor.dtype];
  if (read === undefined) throw new HopfcoleError('UNSUPPORTED_DTYPE', `cannot read ${tensor.dtype} values as numbers`);
  const count = elementCount(tensor.shape);
  const view = new DataView(tensor.bytes.buffer, tensor.bytes.byteOffset, tensor.bytes.byteLength);
  const out = new Float64Array(count);
  for (let i = 0; i < count; i++) out[i] = read(view, i);
  return out;
}

type Writer = (view: DataView, index: number, value: number | bigint) => void;
type Reader = (view: DataView, index: number) => number;

const writers: Partial<Record<DType, Writer>> = {
  float32: (v, i, x) => v.setFloat32(i * 4, Number(x), true),
  float64: (v, i, x) => v.setFloat64(i * 8, Number(x), true),
  float16: (v, i, x) => v.setUint16(i * 2, float16Bits(Number(x)), true),
  bfloat16: (v, i, x) => v.setUint16(i * 2, bfloat16Bits(Number(x)), true),
  int8: (v, i, x) => v.setInt8(i, Number(x)),
  int16: (v, i, x) => v.setInt16(i * 2, Number(x), true),
  int32: (v, i, x) => v.setInt32(i * 4, Number(x), true),
  int64: (v, i, x) => v.setBigInt64(i * 8, BigInt(x), true),
  uint8: (v, i, x) => v.setUint8(i, Number(x)),
  uint16: (v, i, x) => v.setUint16(i * 2, Number(x), true),
  uint32: (v, i, x) => v.setUint32(i * 4, Number(x), true),
  uint64: (v, i, x) => v.setBigUint64(i * 8, BigInt(x), true),
  bool: (v, i, x) => v.setUint8(i, Number(x) === 0 ? 0 : 1),
  int4: (v, i, x) => setPacked(v, i, 4, Number(x)),
  uint4: (v, i, x) => setPacked(v, i, 4, Number(x)),
  int2: (v, i, x) => setPacked(v, i, 2, Number(x)),
  uint2: (v, i, x) => setPacked(v, i, 2, Number(x)),
};

const readers: Partial<Record<DType, Reader>> = {
  float32: (v, i) => v.getFloat32(i * 4, true),
  float64: (v, i) => v.getFloat64(i * 8, true),
  float16: (v, i) => float16Value(v.getUint16(i * 2, true)),
  bfloat16: (v, i) => bfloat16Value(v.getUint16(i * 2, true)),
  int8: (v, i) => v.getInt8(i),
  int16: (v, i) => v.getInt16(i * 2, true),
  int32: (v, i) => v.getInt32(i * 4, true),
  int64: (v, i) => Number(v.getBigInt64(i * 8, true)),
  uint8: (v, i) => v.getUint8(i),
  uint16: (v, i) => v.getUint16(i * 2, true),
  uint32: (v, i) => v.getUint32(i * 4, true),
  uint64: (v, i) => Number(v.getBigUint64(i * 8, true)),
  bool: (v, i) => v.getUint8(i),
  float8e4m3fn: (v, i) => smallFloat(v.getUint8(i), 4, 3, 7, 'fn'),
  float8e4m3fnuz: (v, i) => smallFloat(v.getUint8(i), 4, 3, 8, 'fnuz'),
  float8e5m2: (v, i) => smallFloat(v.getUint8(i), 5, 2, 15, 'ieee'),
  float8e5m2fnuz: (v, i) => smallFloat(v.getUint8(i), 5, 2, 16, 'fnuz'),
  float8e8m0: (v, i) => (v.getUint8(i) === 255 ? Number.NaN : 2 ** (v.getUint8(i) - 127)),
  float4e2m1: (v, i) => smallFloat(getPacked(v, i, 4), 2, 1, 1, 'finite'),
  int4: (v, i) => signed(getPacked(v, i, 4), 4),
  uint4: (v, i) => getPacked(v, i, 4),
  int2: (v, i) => signed(getPacked(v, i, 2), 2),
  uint2: (v, i) => getPacked(v, i, 2),
  float6e2m3: (v, i) => smallFloat(getSixBits(v, i), 2, 3, 1, 'finite'),
  float6e3m2: (v, i) => smallFloat(getSixBits(v, i), 3, 2, 3, 'finite'),
};

/** Four elements in three bytes, the first in the lowest bits. */
function getSixBits(view: DataView, index: number): number {
  const bit = index * 6;
  const at = bit >> 3;
  const next = at + 1 < view.byteLength ? view.getUint8(at + 1) : 0;
  return ((view.getUint8(at) | (next << 8)) >> (bit & 7)) & 0x3f;
}

function getPacked(view: DataView, index: number, bits: number): number {
  const bit = index * bits;
  return (view.getUint8(bit >> 3) >> (bit & 7)) & ((1 << bits) - 1);
}

function setPacked(view: DataView, index: number, bits: number, value: number): void {
  const bit = index * bits;
  const mask = ((1 << bits) - 1) << (bit & 7);
  view.setUint8(bit >> 3, (view.getUint8(bit >> 3) & ~mask) | ((value << (bit & 7)) & mask));
}

function signed(value: number, bits: number): number {
  return value >= 1 << (bits - 1) ? value - (1 << bits) : value;
}

/** The 8- and 4-bit floats: `ieee` has infinities, `fn` one NaN pattern per sign, `fnuz` one NaN in place of -0, `finite` neither. */
function smallFloat(
  bits: number,
  exponentBits: number,
  mantissaBits: number,
  bias: number,
  rule: 'ieee' | 'fn' | 'fnuz' | 'finite',
): number {
  const mantissa = bits & ((1 << mantissaBits) - 1);
  const exponent = (bits >> mantissaBits) & ((1 << exponentBits) - 1);
  const negative = bits >> (mantissaBits + exponentBits) === 1;
  const top = exponent === (1 << exponentBits) - 1;
  if (rule === 'fnuz' && negative && mantissa === 0 && exponent === 0) return Number.NaN;
  if (rule === 'fn' && top && mantissa === (1 << mantissaBits) - 1) return Number.NaN;
  if (rule === 'ieee' && top) return mantissa !== 0 ? Number.NaN : negative ? -Infinity : Infinity;
  const scale = 2 ** mantissaBits;
  const magnitude =
    exponent === 0 ? 2 ** (1 - bias) * (mantissa / scale) : 2 ** (exponent - bias) * (1 + mantissa / scale);
  return negative ? -magnitude : magnitude;
}

const scratch = new DataView(new ArrayBuffer(8));

function float16Value(bits: number): number {
  return smallFloat(bits, 5, 10, 15, 'ieee');
}

/** Round to nearest even straight from float64, with subnormals, infinities and NaN. */
function float16Bits(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(value);
  if (magnitude >= 65520) return sign | 0x7c00;
  if (magnitude < 2 ** -14) return sign | roundHalfEven(magnitude * 2 ** 24);
  const exponent = Math.floor(Math.log2(magnitude));
  // log2 can be off by one next to a power of two; mend it rather than trust it.
  const e = 2 ** exponent > magnitude ? exponent - 1 : 2 ** (exponent + 1) <= magnitude ? exponent + 1 : exponent;
  return sign | (((e + 15) << 10) + roundHalfEven((magnitude / 2 ** e - 1) * 1024));
}

function bfloat16Value(bits: number): number {
  scratch.setUint32(0, bits << 16);
  return scratch.getFloat32(0);
}

/** Round to nearest even from float32 (a float64 is rounded to float32 first, as PyTorch does). */
function bfloat16Bits(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0;
  scratch.setFloat32(0, value);
  const bits = scratch.getUint32(0);
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
