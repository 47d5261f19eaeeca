import { HopfcoleError, type Where } from '../../files/error.ts';
import { toNumbers } from '../../files/tensor.ts';
import { elisionsOf, rawRange } from '../../onnx/elided.ts';
import type { SparseTensorProto, TensorProto } from '../../onnx/messages.ts';
import { inlineTensor, isExternal, tensorHeader } from '../../onnx/tensor.ts';
import type { Problems } from './problem.ts';

/** Element type, shape and amount of data of a tensor. External files are looked for by the reader, not here. */
export function checkTensor(proto: TensorProto, problems: Problems, where: Where): void {
  if (problems.full) return;
  try {
    const header = tensorHeader(proto);
    if (isExternal(proto)) checkLocation(proto, header.name);
    else if (elisionsOf(proto).length === 0) inlineTensor(proto);
    else {
      const range = rawRange(proto);
      if (range !== undefined && range.length !== header.byteLength)
        throw new HopfcoleError('BAD_TENSOR', `expected ${header.byteLength} bytes of data, got ${range.length}`);
    }
  } catch (error) {
    problems.caught(error, where);
  }
}

function checkLocation(proto: TensorProto, name: string): void {
  if ((proto.rawData?.length ?? 0) > 0 || rawRange(proto) !== undefined)
    throw new HopfcoleError(
      'BAD_EXTERNAL_DATA',
      `the data of '${name}' are said to be in a file, and stand in the model too`,
    );
  const entries = new Map((proto.externalData ?? []).map(({ key, value }) => [key ?? '', value ?? '']));
  const location = entries.get('location') ?? '';
  if (location === '')
    throw new HopfcoleError('BAD_EXTERNAL_DATA', "expected a 'location' of the external data, got none");
  const parts = location.split(/[\\/]/);
  if (/^([\\/]|[A-Za-z]:)/.test(location) || parts.includes('..'))
    throw new HopfcoleError(
      'PATH_OUTSIDE_MODEL',
      `the external data '${location.slice(0, 200)}' are outside the model's folder`,
      {},
      'External data must stand in the folder of the model',
    );
  for (const key of ['offset', 'length']) {
    const text = entries.get(key);
    if (text !== undefined && !(/^\d+$/.test(text) && Number.isSafeInteger(Number(text))))
      throw new HopfcoleError('BAD_EXTERNAL_DATA', `expected a whole number as '${key}', got '${text.slice(0, 40)}'`);
  }
}

/** Values of rank 1, indices int64 of [count] or [count, rank], inside the shape and ascending. */
export function checkSparseTensor(proto: SparseTensorProto, problems: Problems, where: Where): void {
  const { values, indices } = proto;
  try {
    if (!values) throw bad('it has no values');
    const shape = (proto.dims ?? []).map(Number);
    if (shape.length === 0 || !shape.every((dim) => Number.isSafeInteger(dim) && dim > 0))
      throw bad(`expected a shape of positive sizes, got [${shape.join(', ')}]`);
    checkTensor(values, problems, where);
    const header = tensorHeader(values);
    const count = header.shape[0] ?? 0;
    if (header.shape.length !== 1) throw bad(`expected values of rank 1, got rank ${header.shape.length}`);
    if (!indices) {
      if (count > 0) throw bad('it has no indices');
      return;
    }
    const places = tensorHeader(indices);
    const linear = places.shape.length === 1;
    const fits =
      places.shape[0] === count && (linear || (places.shape.length === 2 && places.shape[1] === shape.length));
    if (places.dtype !== 'int64' || !fits)
      throw bad(
        `expected int64 indices of [${count}] or [${count}, ${shape.length}], got ${places.dtype} [${places.shape.join(', ')}]`,
      );
    if (!isExternal(indices) && elisionsOf(indices).length === 0)
      checkIndices(
        toNumbers(inlineTensor(indices)),
        linear ? undefined : shape,
        shape.reduce((a, b) => a * b, 1),
      );
  } catch (error) {
    problems.caught(error, where);
  }
}

function checkIndices(indices: Float64Array, shape: readonly number[] | undefined, size: number): void {
  const rank = shape?.length ?? 1;
  let before = -1;
  for (let i = 0; i < indices.length; i += rank) {
    let place = 0;
    for (let k = 0; k < rank; k++) {
      const index = indices[i + k] ?? -1;
      const limit = shape?.[k] ?? size;
      if (index < 0 || index >= limit) throw bad(`index ${index} is outside 0 to ${limit - 1}`);
      place = place * (shape === undefined ? 1 : limit) + index;
    }
    if (place <= before) throw bad('its indices are not in ascending order');
    before = place;
  }
}

function bad(message: string): HopfcoleError {
  return new HopfcoleError('BAD_SPARSE_TENSOR', `the sparse tensor is not valid: ${message}`);
}
