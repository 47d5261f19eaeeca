import { HopfcoleError } from '../files/error.ts';
import { checkRelativePath } from '../files/path.ts';
import type { ByteSink } from '../files/sink.ts';
import type { Folder } from '../files/source.ts';
import { type AnyTensor, isStored } from '../files/tensor.ts';
import { elisionsOf, setElisions } from './elided.ts';
import { isExternal } from './external.ts';
import {
  type AnyMessage,
  childrenOf,
  fieldsOf,
  holdsTensors,
  type MessageName,
  type ModelInit,
  type TensorInit,
} from './messages.ts';
import type { Piece } from './pieces.ts';
import { depthLimit, tooDeep } from './skim.ts';
import { tensorFromProto, tensorHeader, tensorToProto } from './tensor.ts';
import { writePieces } from './write.ts';

export interface ExternalOptions {
  /** The data file's path relative to the model's folder, with `/`: `model.onnx.data`. */
  readonly location: string;
  /** Initializers of at least this many bytes go out; 1024 as in onnx. */
  readonly threshold?: number;
  /** Where the model's present external data are. */
  readonly folder?: Folder;
}

/** A model whose large initializers are in a second file, and what is to be written there. */
export interface ExternalPlan {
  readonly model: ModelInit;
  /** Bytes of the data file. */
  readonly size: number;
  readonly pieces: readonly Piece[];
}

/** Large tensors begin at a page, so that they can be mapped; small ones at a cache line. */
const page = 4096;
const line = 64;

/**
 * Lays the large initializers of all graphs out in one data file, in the order of the model; tensors of one and the same
 * memory share their place. The given model is not changed, and no data are read or copied.
 * @throws PATH_OUTSIDE_MODEL for the location, and what `tensorFromProto` throws.
 */
export async function planExternal(model: ModelInit, options: ExternalOptions): Promise<ExternalPlan> {
  const { location, threshold = 1024, folder } = options;
  checkRelativePath(location, 'external data');
  const pieces: Piece[] = [];
  const places = new Map<string, number>();
  const identify = identifier();
  let size = 0;
  const changed = await mapTensors(model, async (proto, isInitializer) => {
    const header = tensorHeader(proto);
    const wasExternal = isExternal(proto);
    if (header.dtype === 'string' || !(wasExternal || (isInitializer && header.byteLength >= threshold))) return proto;
    const tensor = await tensorFromProto(proto, folder);
    if (header.byteLength < threshold) return withData(proto, tensor);
    const key = identify(tensor);
    let offset = places.get(key);
    if (offset === undefined) {
      const step = header.byteLength >= page ? page : line;
      offset = Math.ceil(size / step) * step;
      if (offset > size) pieces.push(new Uint8Array(offset - size));
      pieces.push(isStored(tensor) ? tensor.range : tensor.bytes);
      size = offset + header.byteLength;
      places.set(key, offset);
    }
    return { ...withoutData(proto), dataLocation: 1, externalData: entries(location, offset, header.byteLength) };
  });
  return { model: changed, size, pieces };
}

/** Streams the data file of a plan. */
export async function writeExternal(plan: ExternalPlan, sink: ByteSink): Promise<void> {
  await writePieces(plan.pieces, sink);
}

/**
 * The same model with its external data inside (still unread: `writeModel` streams them), for a file that stands alone.
 * @throws what `tensorFromProto` throws about external data.
 */
export async function embedExternal(model: ModelInit, folder: Folder): Promise<ModelInit> {
  return mapTensors(model, async (proto) =>
    isExternal(proto) ? withData(proto, await tensorFromProto(proto, folder)) : proto,
  );
}

function entries(location: string, offset: number, length: number) {
  return [
    { key: 'location', value: location },
    { key: 'offset', value: String(offset) },
    { key: 'length', value: String(length) },
  ];
}

/** All of a tensor's message but its data and where they are. */
function withoutData(proto: TensorInit): TensorInit {
  const { rawData, floatData, int32Data, int64Data, doubleData, uint64Data, ...rest } = shallow(proto as AnyMessage);
  const { externalData, dataLocation, ...kept } = rest;
  return kept as TensorInit;
}

function withData(proto: TensorInit, tensor: AnyTensor): TensorInit {
  const kept = withoutData(proto);
  const { rawData } = tensorToProto('', tensor);
  if (!isStored(tensor)) return { ...kept, ...(rawData === null ? {} : { rawData }) };
  setElisions(kept, [{ field: 9, range: tensor.range }]);
  return kept;
}

/** A plain copy, one level deep, with unknown fields and with what was left in the file. */
function shallow(message: AnyMessage): AnyMessage {
  const copy: AnyMessage = { ...message };
  if (message.$unknowns !== undefined) copy.$unknowns = message.$unknowns;
  setElisions(copy as TensorInit, elisionsOf(message as TensorInit));
  return copy;
}

type Change = (tensor: TensorInit, isInitializer: boolean) => Promise<TensorInit>;

/** The model with each tensor replaced, in order; what does not change is shared with the one given. */
async function mapTensors(model: ModelInit, change: Change): Promise<ModelInit> {
  return (await mapMessage(model as AnyMessage, 'ModelProto', change, false, 0)) as ModelInit;
}

async function mapMessage(
  message: AnyMessage,
  type: MessageName,
  change: Change,
  isInitializer: boolean,
  depth: number,
): Promise<AnyMessage> {
  if (depth > depthLimit) throw tooDeep('the model');
  if (type === 'TensorProto') return (await change(message as TensorInit, isInitializer)) as AnyMessage;
  let copy: AnyMessage | undefined;
  for (const field of fieldsOf(type).values()) {
    if (field.of === undefined || !holdsTensors(field.of)) continue;
    const before = childrenOf(message, field);
    const after: AnyMessage[] = [];
    const initializers = type === 'GraphProto' && field.name === 'initializer';
    for (const child of before) after.push(await mapMessage(child, field.of, change, initializers, depth + 1));
    if (after.every((child, i) => child === before[i])) continue;
    copy ??= shallow(message);
    copy[field.name] = field.repeated ? after : after[0];
  }
  return copy ?? message;
}

/** Names the memory (or the range) of a tensor: equal for tensors that share it. */
function identifier(): (tensor: AnyTensor) => string {
  const owners = new Map<object, number>();
  const of = (owner: object) => {
    const known = owners.get(owner) ?? owners.size;
    owners.set(owner, known);
    return known;
  };
  return (tensor) => {
    if (isStored(tensor)) return `${of(tensor.range.source)}:${tensor.range.offset}:${tensor.range.length}`;
    const { bytes } = tensor;
    if (tensor.strings !== undefined) throw new HopfcoleError('BAD_TENSOR', 'strings cannot be external');
    return `${of(bytes.buffer)}:${bytes.byteOffset}:${bytes.byteLength}`;
  };
}
