import { byteLengthOf, type DType } from './dtype.ts';
import { type ByteSource, checkRange } from './source.ts';
import {
  type AnyTensor,
  elementCount,
  fromNumbers,
  isStored,
  makeTensor,
  type StoredTensor,
  toNumbers,
} from './tensor.ts';

/** Elements of any width fill whole bytes by the eight. */
const group = 8;

/**
 * A tensor in another type that holds all of its values (bfloat16 as float32, int4 as int8), made piece by piece as it is read: never more of it
 * than a piece lies in memory.
 */
export function widened(tensor: AnyTensor, wider: DType): StoredTensor {
  const { dtype, shape } = tensor;
  const count = elementCount(shape);
  const width = byteLengthOf(wider, 1);
  const size = byteLengthOf(wider, count);
  const name = isStored(tensor) ? tensor.range.source.name : 'memory';
  const stored = async (begin: number, length: number) =>
    isStored(tensor)
      ? tensor.range.source.read(tensor.range.offset + begin, length)
      : tensor.bytes.subarray(begin, begin + length);
  const source: ByteSource = {
    name,
    size,
    async read(offset, length) {
      checkRange(name, size, offset, length);
      const first = Math.floor(offset / width / group) * group;
      const end = Math.min(count, Math.ceil((offset + length) / width / group) * group);
      const begin = byteLengthOf(dtype, first);
      const bytes = await stored(begin, byteLengthOf(dtype, end) - begin);
      const values = toNumbers(makeTensor(dtype, [end - first], bytes));
      const at = offset - first * width;
      return fromNumbers(wider, [end - first], values).bytes.subarray(at, at + length);
    },
  };
  return { dtype: wider, shape, range: { source, offset: 0, length: size } };
}
