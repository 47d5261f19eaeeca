/** The ONNX wire format over byte sources: messages, tensors, external data. */
export { elisionsOf, rawRange } from './elided.ts';
export { equalMessages } from './equal.ts';
export { closeExternal, type ExternalData, externalData, isExternal, verifyChecksum } from './external.ts';
export {
  type ExternalOptions,
  type ExternalPlan,
  embedExternal,
  planExternal,
  writeExternal,
} from './externalise.ts';
export {
  type AttributeProto,
  type FunctionProto,
  type GraphInit,
  type GraphProto,
  type ModelInit,
  type ModelProto,
  type NodeProto,
  onnx,
  type TensorInit,
  type TensorProto,
  type TypeProto,
  tensorsOf,
  type ValueInfoProto,
} from './messages.ts';
export { type ReadOptions, readModel, readTensor } from './read.ts';
export { inlineTensor, type TensorHeader, tensorFromProto, tensorHeader, tensorToProto } from './tensor.ts';
export { encodeModel, encodeTensor, writeModel } from './write.ts';
