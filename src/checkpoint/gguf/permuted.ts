import { byteLengthOf } from '../../files/dtype.ts';
import { type ByteSource, checkRange } from '../../files/source.ts';
import { elementCount, type StoredTensor } from '../../files/tensor.ts';

/**
 * The rows of queries or keys in the order of Hugging Face. ggml turns the pairs (2j, 2j+1) of a head, Hugging Face's code the pairs (j, j + half):
 * llama.cpp lays the rows of each head out anew when it converts, and this is the way back. A head at a time is read and gathered.
 */
export function halvesOfHeads(tensor: StoredTensor, heads: number): StoredTensor {
  const { dtype, shape, range } = tensor;
  const rows = shape[0] ?? 0;
  const row = byteLengthOf(dtype, elementCount(shape.slice(1)));
  const dim = rows / heads;
  const size = dim * row;
  const source: ByteSource = {
    name: range.source.name,
    size: range.length,
    async read(offset, length) {
      checkRange(range.source.name, range.length, offset, length);
      if (length === 0) return new Uint8Array(0);
      const first = Math.floor(offset / size);
      const last = Math.ceil((offset + length) / size);
      const out = new Uint8Array((last - first) * size);
      for (let head = first; head < last; head++) {
        const stored = await range.source.read(range.offset + head * size, size);
        const begin = (head - first) * size;
        for (let i = 0; i < dim; i++) {
          const from = i < dim / 2 ? 2 * i : 2 * (i - dim / 2) + 1;
          out.set(stored.subarray(from * row, (from + 1) * row), begin + i * row);
        }
      }
      return out.subarray(offset - first * size, offset - first * size + length);
    },
  };
  return { dtype, shape, range: { source, offset: 0, length: range.length } };
}
