import { dtypes } from '../files/dtype.ts';
import { HopfcoleError } from '../files/error.ts';
import { numpyTensor, numpyType } from '../files/npy.ts';
import { countOf } from '../files/safetensors.ts';
import type { AnyTensor } from '../files/tensor.ts';
import { dense } from './dense.ts';
import { dequantised, fromHalves } from './dequantised.ts';
import type { Leaf, PyArray, PyTensor } from './pickle/value.ts';
import type { Storages } from './storages.ts';
import { isPlain, type Layout } from './strided.ts';

/** A tensor of a checkpoint, and in what it differs from the one in the file. */
export interface Given {
  readonly tensor: AnyTensor;
  readonly changed?: string | undefined;
}

/**
 * What a leaf of a state dict is as a tensor of ours: a range of the file where its elements stand in order, otherwise made when it is read.
 * @throws BAD_CHECKPOINT; UNSUPPORTED_TENSOR for what is no dense tensor and cannot be made one.
 */
export function tensorOf(leaf: Leaf, storages: Storages, file: string): Given {
  switch (leaf.kind) {
    case 'unsupported':
      throw unsupported(leaf.what);
    case 'array':
      return { tensor: arrayOf(leaf, file) };
    case 'quantised': {
      const view = (of: PyTensor) => viewOf(of, storages);
      const integers = view({ ...leaf, kind: 'tensor', conjugate: false, negative: false });
      return dequantised(leaf, integers, view);
    }
    case 'sparse':
      return dense(leaf, (of) => viewOf(of, storages), storages);
    default:
      return leaf.dtype === 'complex32'
        ? fromHalves(leaf, (of) => viewOf(of, storages))
        : { tensor: viewOf(leaf, storages), changed: leaf.note };
  }
}

function unsupported(what: string): HopfcoleError {
  return new HopfcoleError(
    'UNSUPPORTED_TENSOR',
    `it is ${what}, which is not read`,
    {},
    'Save it as a plain dense tensor',
  );
}

function arrayOf(leaf: PyArray, file: string): AnyTensor {
  if (leaf.state === undefined) throw new HopfcoleError('BAD_PICKLE', 'a numpy array that was never given its data');
  const { descr, shape, fortran, bytes } = leaf.state;
  return numpyTensor(numpyType(descr, file), shape, fortran, bytes, file);
}

function viewOf(tensor: PyTensor, storages: Storages): AnyTensor {
  const { dtype, shape, strides, storage } = tensor;
  const fail = (message: string) => new HopfcoleError('BAD_CHECKPOINT', message);
  if (dtype === 'complex32') throw unsupported('a complex32 tensor here');
  const source = storages.find(storage);
  const width = dtypes[dtype].bits / 8;
  const count = countOf(shape);
  const begin = tensor.offset * width;
  let end = begin;
  if (count !== 0) {
    const last = shape.reduce((sum, dim, axis) => sum + (dim - 1) * (strides[axis] ?? 0), tensor.offset);
    end = (last + 1) * width;
  }
  if (count === undefined || !Number.isSafeInteger(end) || end > source.size)
    throw fail(
      `shape [${shape}] with strides [${strides}] from ${tensor.offset} leaves its storage of ${source.size} bytes`,
    );
  const length = count * width;
  const layout: Layout = { dtype, shape, strides, begin, end, conjugate: tensor.conjugate, negative: tensor.negative };
  if (isPlain(layout) && (storages.order === 'little' || width === 1))
    return { dtype, shape, range: { source, offset: begin, length } };
  if (length > end - begin) storages.repeat(length - (end - begin));
  return { dtype, shape, range: { source: storages.view(storage, source, layout), offset: 0, length } };
}
