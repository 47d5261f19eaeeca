import type { DType } from '../../files/dtype.ts';
import { HopfcoleError } from '../../files/error.ts';
import { makeTensor, stringTensor, type Tensor, type ViewedDType, viewOf } from '../../files/tensor.ts';
import type { TensorDescription } from '../session.ts';
import type { OrtModule, OrtTensor } from './ort.ts';

const passed: ReadonlySet<DType> = new Set<DType>([
  'float32',
  'float64',
  'float16',
  'int8',
  'int16',
  'int32',
  'int64',
  'uint8',
  'uint16',
  'uint32',
  'uint64',
  'bool',
  'string',
  'bfloat16',
]);

/** @throws UNSUPPORTED_DTYPE for an input or output that onnxruntime-node cannot pass (bfloat16 is cast at the boundary). */
export function checkDtypes(descriptions: readonly TensorDescription[], file: string): void {
  const refused = descriptions.find(({ dtype }) => !passed.has(dtype));
  if (refused !== undefined)
    throw new HopfcoleError(
      'UNSUPPORTED_DTYPE',
      `onnxruntime-node passes no ${refused.dtype} tensors`,
      { file, tensor: refused.name },
      'Cast at the boundary of the model: to int8 or uint8 for integers, to float32 for floats',
    );
}

/** A tensor as onnxruntime-node takes it: a view of ours where the memory is aligned and not shared. */
export function toOrt(ort: OrtModule, tensor: Tensor): OrtTensor {
  const dims = [...tensor.shape];
  if (tensor.dtype === 'string') return new ort.Tensor('string', [...(tensor.strings ?? [])], dims);
  const owned = tensor.bytes.buffer instanceof ArrayBuffer ? tensor : { ...tensor, bytes: tensor.bytes.slice() };
  const data = viewOf(owned, tensor.dtype as ViewedDType);
  if (tensor.dtype === 'float16') return new ort.Tensor('float16', halves(data as Uint16Array) as Uint16Array, dims);
  const make = ort.Tensor as unknown as new (type: string, data: unknown, dims: number[]) => OrtTensor;
  return new make(tensor.dtype, data, dims);
}

export function fromOrt(tensor: OrtTensor): Tensor {
  const shape = [...tensor.dims];
  if (tensor.type === 'string') return stringTensor(shape, tensor.data as string[]);
  const data = tensor.data as Uint8Array;
  return makeTensor(tensor.type as DType, shape, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

/** Where JavaScript has Float16Array (Node 24 and newer), ONNX Runtime wants that; before, the bits. */
function halves(bits: Uint16Array): unknown {
  const Half = (
    globalThis as { Float16Array?: new (buffer: ArrayBufferLike, offset: number, length: number) => unknown }
  ).Float16Array;
  return Half === undefined ? bits : new Half(bits.buffer, bits.byteOffset, bits.length);
}
