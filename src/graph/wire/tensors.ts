import { HopfcoleError } from '../../files/error.ts';
import type { Folder } from '../../files/source.ts';
import type { AnyTensor } from '../../files/tensor.ts';
import { elisionsOf, setElisions } from '../../onnx/elided.ts';
import { isExternal } from '../../onnx/external.ts';
import { type AnyMessage, type ModelInit, type TensorInit, tensorsOf } from '../../onnx/messages.ts';
import { inlineTensor, tensorFromProto, tensorToProto } from '../../onnx/tensor.ts';
import { copyOf, keep, originOf, setOrigin } from './origins.ts';

/** Every tensor of a model read (their data not: what is in a file stays there), for the reader, which is synchronous. */
export async function tensorsOfModel(model: ModelInit, folder?: Folder): Promise<(proto: TensorInit) => AnyTensor> {
  const read = new Map<TensorInit, AnyTensor>();
  for (const proto of tensorsOf(model as AnyMessage, 'ModelProto')) {
    const inMemory = !isExternal(proto) && elisionsOf(proto).length === 0;
    try {
      read.set(proto, inMemory ? inlineTensor(proto) : await tensorFromProto(proto, folder));
    } catch (error) {
      throw error instanceof HopfcoleError ? error.at({ tensor: proto.name ?? '' }) : error;
    }
  }
  return (proto) => {
    const tensor = read.get(proto);
    if (tensor === undefined)
      throw new HopfcoleError('BAD_TENSOR', 'a tensor stands where none can be read', { tensor: proto.name ?? '' });
    setOrigin(tensor, proto);
    return tensor;
  };
}

/** The message of a tensor: the one it was read from where it was, under the name asked for. */
export function tensorMessage(name: string, tensor: AnyTensor): TensorInit {
  const origin = originOf<TensorInit>(tensor);
  if (origin === undefined) {
    const proto = tensorToProto(name, tensor);
    if (name === '') proto.name = null;
    return proto;
  }
  // Inside an attribute a tensor keeps whatever name it had.
  if (name === '' || keep(origin.name, name) === origin.name) return origin;
  const renamed: TensorInit = { ...copyOf(origin), name };
  setElisions(renamed, elisionsOf(origin));
  return renamed;
}
