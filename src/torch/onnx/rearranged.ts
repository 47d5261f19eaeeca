import { dtypes } from '../../files/dtype.ts';
import { lazySource } from '../../files/lazy.ts';
import { type AnyTensor, isStored, load, makeTensor } from '../../files/tensor.ts';

/** A tensor whose bytes are those of another moved about: at once where they are in memory, otherwise when they are asked for. */
function rearranged(tensor: AnyTensor, shape: readonly number[], move: (bytes: Uint8Array) => Uint8Array): AnyTensor {
  if (!isStored(tensor)) return makeTensor(tensor.dtype, shape, move(tensor.bytes));
  const { length, source } = tensor.range;
  const lazy = lazySource(source.name, length, async () => move((await load(tensor)).bytes));
  return { dtype: tensor.dtype, shape, range: { source: lazy, offset: 0, length } };
}

/** The same numbers in another shape. */
export function reshaped(tensor: AnyTensor, shape: readonly number[]): AnyTensor {
  return isStored(tensor)
    ? { dtype: tensor.dtype, shape, range: tensor.range }
    : makeTensor(tensor.dtype, shape, tensor.bytes);
}

/** [a, b] -> [b, a]. */
export function transposed(tensor: AnyTensor): AnyTensor {
  const [rows = 0, columns = 0] = tensor.shape;
  const width = dtypes[tensor.dtype].bits / 8;
  return rearranged(tensor, [columns, rows], (bytes) => {
    const out = new Uint8Array(bytes.length);
    for (let row = 0; row < rows; row++)
      for (let column = 0; column < columns; column++) {
        const [from, to] = [(row * columns + column) * width, (column * rows + row) * width];
        for (let i = 0; i < width; i++) out[to + i] = bytes[from + i] ?? 0;
      }
    return out;
  });
}

/**
 * Part `index` of `parts` equal ones along the first axis, its blocks of rows put where they stood: block k of the result is block
 * `order[k]` of the part. [parts * n, ...] -> [n, ...].
 */
export function blocksOf(
  tensor: AnyTensor,
  shape: readonly number[],
  part: { readonly index: number; readonly parts: number },
  order: readonly number[],
): AnyTensor {
  const whole = isStored(tensor) ? tensor.range.length : tensor.bytes.length;
  const size = whole / part.parts;
  const block = size / order.length;
  const cut = (bytes: Uint8Array): Uint8Array => {
    const out = new Uint8Array(size);
    order.forEach((from, k) => {
      out.set(bytes.subarray(part.index * size + from * block, part.index * size + (from + 1) * block), k * block);
    });
    return out;
  };
  if (!isStored(tensor)) return makeTensor(tensor.dtype, shape, cut(tensor.bytes));
  const lazy = lazySource(tensor.range.source.name, size, async () => cut((await load(tensor)).bytes));
  return { dtype: tensor.dtype, shape, range: { source: lazy, offset: 0, length: size } };
}
