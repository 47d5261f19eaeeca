import protobuf from 'protobufjs/minimal.js';
import { HopfcoleError } from '../files/error.ts';
import { type ByteSource, memorySource } from '../files/source.ts';
import { attach } from './elided.ts';
import { type AnyMessage, codecOf, type MessageName, type ModelProto, type onnx } from './messages.ts';
import { type Skeleton, sizeLimit, skim, tooDeep } from './skim.ts';

/** How much of a file is read at once. */
export interface ReadOptions {
  /**
   * Leave tensor payloads of this many bytes and more in the source, which must then stay open (see `elisionsOf`,
   * `tensorFromProto`): for looking into a large file without reading its tensors. Without it the file is read whole
   * and raw data are views of it. Files above 2 GiB are always read this way, from 1 KiB on.
   */
  readonly keepFrom?: number;
}

/** Packed typed data decode to arrays of many times their size: from here on they stay packed until asked for. */
const keepPackedFrom = 4 * 1024;
const keepFromInHuge = 1024;

/**
 * Reads a model: all of its fields, also those this version does not know.
 * @throws NOT_ONNX, BAD_PROTOBUF, TRUNCATED, NESTED_TOO_DEEP, MODEL_TOO_LARGE, TOO_MANY_FIELDS.
 */
export async function readModel(source: ByteSource, options: ReadOptions = {}): Promise<ModelProto> {
  await refuseOtherFormats(source);
  const model = (await readMessage('ModelProto', source, options)) as unknown as ModelProto;
  if (model.irVersion === null && model.graph === null && model.opsetImport.length === 0)
    throw new HopfcoleError('NOT_ONNX', 'the file has none of the fields of an ONNX model', { file: source.name });
  return model;
}

/** Reads a tensor file (`.pb`), as the data sets beside ONNX's test models are. */
export async function readTensor(source: ByteSource, options: ReadOptions = {}): Promise<onnx.TensorProto> {
  return (await readMessage('TensorProto', source, options)) as unknown as onnx.TensorProto;
}

/** Reads any message of the descriptor. */
export async function readMessage(
  type: MessageName,
  source: ByteSource,
  options: ReadOptions = {},
): Promise<AnyMessage> {
  const keepFrom = options.keepFrom ?? (source.size > sizeLimit ? keepFromInHuge : undefined);
  if (keepFrom !== undefined) return decode(type, await skim(source, type, keepFrom), source.name);
  const read = await source.read(0, source.size);
  const whole = new Uint8Array(read.buffer, read.byteOffset, read.byteLength);
  const skeleton = await skim(memorySource(whole, source.name), type, keepPackedFrom);
  return decode(type, skeleton, source.name, whole);
}

/** The package's reader takes damaged strings for replacement characters and drops what it does not know: this one does neither. */
class StrictReader extends protobuf.Reader {
  override discardUnknown = false;
  override string(): string {
    return this.stringVerify();
  }
}

function decode(type: MessageName, skeleton: Skeleton, file: string, whole?: Uint8Array): AnyMessage {
  let message: AnyMessage;
  try {
    message = codecOf(type).decode(new StrictReader(skeleton.bytes)) as AnyMessage;
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
    if (what.includes('max depth')) throw tooDeep(file);
    throw new HopfcoleError('BAD_PROTOBUF', `the message does not decode: ${what}`, { file }, '', { cause: error });
  }
  attach(message, type, skeleton, whole);
  return message;
}

const formats: readonly { name: string; magic: readonly number[]; hint: string }[] = [
  { name: 'a zip archive', magic: [0x50, 0x4b, 0x03, 0x04], hint: 'a PyTorch checkpoint is read by import' },
  { name: 'a pickle', magic: [0x80, 0x02, 0x8a], hint: 'a PyTorch checkpoint is read by import' },
  { name: 'an HDF5 file', magic: [0x89, 0x48, 0x44, 0x46], hint: 'Convert the Keras model to ONNX first' },
  { name: 'a NumPy array', magic: [0x93, 0x4e, 0x55, 0x4d], hint: 'Give it as an input, not as a model' },
  { name: 'a gzip archive', magic: [0x1f, 0x8b], hint: 'Decompress it first' },
];

async function refuseOtherFormats(source: ByteSource): Promise<void> {
  if (source.size === 0)
    throw new HopfcoleError('NOT_ONNX', 'expected an ONNX model, got an empty file', { file: source.name });
  const head = await source.read(0, Math.min(16, source.size));
  const other =
    formats.find(({ magic }) => magic.every((byte, i) => head[i] === byte)) ??
    // safetensors: an 8-byte length below 2^40, then a JSON object.
    (head[8] === 0x7b && head[5] === 0 && head[6] === 0 && head[7] === 0
      ? { name: 'a safetensors file', hint: 'Weights alone are read by import' }
      : undefined);
  if (other !== undefined)
    throw new HopfcoleError('NOT_ONNX', `expected an ONNX model, got ${other.name}`, { file: source.name }, other.hint);
}
