import { byteLengthOf } from '../../files/dtype.ts';
import { HopfcoleError } from '../../files/error.ts';
import { fromNumbers, type Tensor, toNumbers } from '../../files/tensor.ts';
import type { onnx } from '../../onnx/messages.ts';
import { inlineTensor } from '../../onnx/tensor.ts';
import { fromLong } from './integers.ts';

type SparseInit = onnx.SparseTensorProto.$Properties;

/** A dense form is made only where it is not much larger than the sparse one, as the size is declared by the file. */
const alwaysDense = 1 << 20;
const mostGrowth = 64;

/**
 * The dense tensor a sparse initializer stands for; undefined where it would be much larger than the sparse one.
 * @throws BAD_TENSOR for indices outside the shape or not as many as values.
 */
export function denseOf(proto: SparseInit): Tensor | undefined {
  const { values: valuesProto, indices: indicesProto } = proto;
  if (!valuesProto || !indicesProto) throw bad(proto, 'a sparse tensor needs values and indices');
  const values = inlineTensor(valuesProto);
  const indices = toNumbers(inlineTensor(indicesProto));
  const shape = (proto.dims ?? []).map((dim) => Number(fromLong(dim)));
  const count = shape.reduce((product, dim) => product * dim, 1);
  if (!Number.isSafeInteger(count) || shape.some((dim) => dim < 0))
    throw bad(proto, `a shape of [${shape.join(', ')}]`);
  const bytes = byteLengthOf(values.dtype, count);
  if (bytes > Math.max(alwaysDense, values.bytes.byteLength * mostGrowth)) return undefined;
  const width = byteLengthOf(values.dtype, 1);
  if (values.dtype === 'string' || byteLengthOf(values.dtype, 2) !== 2 * width) return undefined;
  const number = values.shape[0] ?? 0;
  const rank = indices.length === number ? 1 : shape.length;
  if (indices.length !== number * rank) throw bad(proto, `${indices.length} indices for ${number} values`);
  const dense = fromNumbers('uint8', [bytes], new Uint8Array(bytes)).bytes;
  for (let i = 0; i < number; i++) {
    const at = flatIndex(
      indices.subarray(i * rank, (i + 1) * rank),
      rank === 1 && shape.length !== 1 ? [count] : shape,
    );
    if (at === undefined) throw bad(proto, `the index of value ${i} lies outside [${shape.join(', ')}]`);
    dense.set(values.bytes.subarray(i * width, (i + 1) * width), at * width);
  }
  return { dtype: values.dtype, shape, bytes: dense };
}

function flatIndex(index: Float64Array, shape: readonly number[]): number | undefined {
  let flat = 0;
  for (const [axis, dim] of shape.entries()) {
    const at = index[axis] ?? -1;
    if (!Number.isInteger(at) || at < 0 || at >= dim) return undefined;
    flat = flat * dim + at;
  }
  return flat;
}

function bad(proto: SparseInit, what: string): HopfcoleError {
  return new HopfcoleError('BAD_TENSOR', `expected a sparse tensor that is whole, got ${what}`, {
    tensor: proto.values?.name ?? '',
  });
}
