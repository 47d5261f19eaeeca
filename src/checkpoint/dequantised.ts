import { dtypes } from '../files/dtype.ts';
import { lazySource } from '../files/lazy.ts';
import { type AnyTensor, elementCount, fromNumbers, load, type Tensor, toNumbers } from '../files/tensor.ts';
import type { PyQuantised, PyTensor } from './pickle/value.ts';
import type { Given } from './tensors.ts';

/** A quantised tensor as the float32 numbers it stands for, (q - zero) * scale, made when it is read: as `Tensor.dequantize` gives them. */
export function dequantised(
  { shape, dtype, scheme }: PyQuantised,
  integers: AnyTensor,
  view: (tensor: PyTensor) => AnyTensor,
): Given {
  const perChannel = 'axis' in scheme ? { scales: view(scheme.scales), zeros: view(scheme.zeros) } : undefined;
  const make = async (): Promise<Tensor> => {
    const values = toNumbers(await load(integers));
    const scales = perChannel === undefined ? [] : toNumbers(await load(perChannel.scales));
    const zeros = perChannel === undefined ? [] : toNumbers(await load(perChannel.zeros));
    const axis = 'axis' in scheme ? scheme.axis : 0;
    const inner = elementCount(shape.slice(axis + 1));
    const channels = shape[axis] ?? 1;
    for (let i = 0; i < values.length; i++) {
      const channel = Math.floor(i / inner) % channels;
      // PyTorch multiplies by one scale as float32 and by those of channels as float64.
      const scale = 'axis' in scheme ? (scales[channel] as number) : Math.fround(scheme.scale);
      const zero = 'axis' in scheme ? (zeros[channel] as number) : scheme.zero;
      values[i] = ((values[i] as number) - zero) * scale;
    }
    return fromNumbers('float32', shape, values);
  };
  const how =
    perChannel === undefined ? 'one scale' : `a scale for each index of axis ${'axis' in scheme ? scheme.axis : 0}`;
  return {
    tensor: made(integers, 'float32', shape, make),
    changed: `quantised (${dtype}, ${how}), given as the float32 numbers it stands for`,
  };
}

/** complex32 as complex64: the same numbers. */
export function fromHalves(tensor: PyTensor, view: (tensor: PyTensor) => AnyTensor): Given {
  const { shape, strides, offset, conjugate, negative } = tensor;
  const parts = view({
    ...tensor,
    dtype: 'float16',
    offset: 2 * offset,
    shape: [...shape, 2],
    strides: [...strides.map((stride) => 2 * stride), 1],
    conjugate: false,
    negative: false,
  });
  const make = async (): Promise<Tensor> => {
    const values = toNumbers(await load(parts));
    for (let i = 0; i < values.length; i++)
      if (negative !== (conjugate && i % 2 === 1)) values[i] = -(values[i] as number);
    return { dtype: 'complex64', shape, bytes: fromNumbers('float32', [values.length], values).bytes };
  };
  return { tensor: made(parts, 'complex64', shape, make), changed: 'complex32, given as complex64' };
}

/** A tensor that is made of another's bytes when it is read. */
function made(
  from: AnyTensor,
  dtype: 'float32' | 'complex64',
  shape: readonly number[],
  make: () => Promise<Tensor>,
): AnyTensor {
  const length = (elementCount(shape) * dtypes[dtype].bits) / 8;
  const name = 'range' in from ? from.range.source.name : 'memory';
  const source = lazySource(name, length, async () => (await make()).bytes);
  return { dtype, shape, range: { source, offset: 0, length } };
}
