/** hopfcole for Node: everything of `hopfcole/web`, and what needs files, processes and ONNX Runtime. */

// Models for others: opset, IR version, functions inlined, weights beside the model.
export { exportOnnx, type OnnxTarget } from '../exporters/onnx/export.ts';
export { exportWeights, type WeightFormat } from '../exporters/weights/export.ts';

// Files: read at any offset without being loaded, written whole or not at all.
export { openFile } from './files/node/file.ts';
export { fileFolder } from './files/node/folder.ts';
export { atomicWrite, atomicWriteGroup } from './files/node/write.ts';

// Running models in ONNX Runtime.
export { doctor, type Health, type ProviderHealth } from './runtime/node/doctor.ts';
export { openSession } from './runtime/node/open.ts';
export type { ExternalData, KernelOptions, ModelSource, OpenOptions } from './runtime/node/options.ts';
export * from './web.ts';
