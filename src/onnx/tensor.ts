import Long from 'long';
import { byteLengthOf, type DType, dtypeOfCode, dtypes } from '../files/dtype.ts';
import { HopfcoleError } from '../files/error.ts';
import type { Folder } from '../files/source.ts';
import { type AnyTensor, isStored, makeTensor, stringTensor, type Tensor } from '../files/tensor.ts';
import { elisionsOf, rawRange, setElisions } from './elided.ts';
import { externalRange, isExternal } from './external.ts';
import { onnx, type TensorInit, type TensorProto } from './messages.ts';
import { filledFields, type Payloads, rawLikeField, typedBytes } from './typed.ts';

export { isExternal };

/** A tensor's element type, shape and size, known without its data. */
export interface TensorHeader {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Elements. */
  readonly count: number;
  /** Bytes as raw data; 0 for strings. */
  readonly byteLength: number;
}

/** @throws UNKNOWN_DTYPE, BAD_TENSOR (a dimension that is negative or beyond 2^53, or a product beyond it). */
export function tensorHeader(proto: TensorInit): TensorHeader {
  const name = proto.name ?? '';
  const where = { tensor: name };
  const dtype = dtypeOfCode(proto.dataType ?? 0);
  if (dtype === undefined)
    throw new HopfcoleError(
      'UNKNOWN_DTYPE',
      `expected an element type from 1 to ${Math.max(...Object.values(dtypes).map(({ code }) => code))}, got ${proto.dataType ?? 'none'}`,
      where,
    );
  const shape: number[] = [];
  let empty = false;
  let count = 1;
  for (const dim of proto.dims ?? []) {
    const size = Number(dim.toString());
    if (!Number.isSafeInteger(size) || size < 0)
      throw new HopfcoleError('BAD_TENSOR', `expected dimensions of 0 to 2^53, got ${dim.toString()}`, where);
    shape.push(size);
    if (size === 0) empty = true;
    else count *= size;
  }
  if (empty) count = 0;
  const byteLength = byteLengthOf(dtype, count);
  if (!Number.isSafeInteger(count) || !Number.isSafeInteger(byteLength))
    throw new HopfcoleError('BAD_TENSOR', `the shape ${shapeText(shape)} has more than 2^53 elements or bytes`, where);
  return { name, dtype, shape, count, byteLength };
}

/**
 * The tensor of a message. Raw data become views; data left in a file (kept there by `readModel`, or external data of
 * the folder) a StoredTensor whose range is checked to lie inside the file; typed fields are converted to raw.
 * @throws UNKNOWN_DTYPE, BAD_TENSOR, BAD_EXTERNAL_DATA, PATH_OUTSIDE_MODEL, FILE_NOT_FOUND, TRUNCATED.
 */
export async function tensorFromProto(proto: TensorInit, folder?: Folder): Promise<AnyTensor> {
  const header = tensorHeader(proto);
  if (isExternal(proto)) {
    const range = await externalRange(proto, header, folder);
    return { dtype: header.dtype, shape: header.shape, range };
  }
  const range = rawRange(proto) ?? rawLikeRange(proto, header.dtype);
  if (range !== undefined) {
    refuseSeveral(proto, header, 1);
    if (header.dtype === 'string' || range.length !== header.byteLength) throw wrongLength(header, range.length);
    return { dtype: header.dtype, shape: header.shape, range };
  }
  return inMessage(proto, header, await readPayloads(proto));
}

/**
 * The same for a tensor whose data all stand in the message itself.
 * @throws STORED_TENSOR where they do not, UNKNOWN_DTYPE, BAD_TENSOR.
 */
export function inlineTensor(proto: TensorInit): Tensor {
  const header = tensorHeader(proto);
  const elisions = elisionsOf(proto);
  if (isExternal(proto) || elisions.some(({ bytes }) => bytes === undefined))
    throw new HopfcoleError('STORED_TENSOR', 'the data of the tensor are in a file', { tensor: header.name });
  return inMessage(proto, header, payloadsOf(elisions.map(({ field, bytes = nothing }) => ({ field, bytes }))));
}

function inMessage(proto: TensorInit, header: TensorHeader, payloads: Payloads): Tensor {
  const { dtype, shape, count } = header;
  if (proto.segment !== null && proto.segment !== undefined)
    throw new HopfcoleError(
      'BAD_TENSOR',
      'the tensor is one segment of a larger one',
      { tensor: header.name },
      'Store the tensor whole',
    );
  refuseSeveral(proto, header, payloads.size);
  if (dtype === 'string') return stringTensor(shape, stringsOf(proto, header));
  const { rawData } = proto;
  if (rawData !== null && rawData !== undefined) {
    if (rawData.byteLength !== header.byteLength) throw wrongLength(header, rawData.byteLength);
    return makeTensor(dtype, shape, rawData);
  }
  return makeTensor(dtype, shape, typedBytes(proto, dtype, count, payloads));
}

/**
 * The message of a tensor: raw data (a view; a stored tensor's stay in its file until the model is written),
 * strings in `string_data`.
 */
export function tensorToProto(name: string, tensor: AnyTensor): TensorProto {
  const proto = new onnx.TensorProto({
    name,
    dims: tensor.shape.map((dim) => Long.fromNumber(dim)),
    dataType: dtypes[tensor.dtype].code,
  });
  if (isStored(tensor)) setElisions(proto, [{ field: 9, range: tensor.range }]);
  else if (tensor.dtype === 'string') {
    const encoder = new TextEncoder();
    proto.stringData = (tensor.strings ?? []).map((text) => encoder.encode(text));
  } else proto.rawData = tensor.bytes;
  return proto;
}

/** Packed floats are raw data as they stand: where one stretch of the file holds all of them, nothing need be read. */
function rawLikeRange(proto: TensorInit, dtype: DType) {
  const elisions = elisionsOf(proto);
  const [only] = elisions;
  if (only === undefined || only.bytes !== undefined || elisions.length > 1 || filledFields(proto).length > 0)
    return undefined;
  return only.field === rawLikeField(dtype) ? only.range : undefined;
}

async function readPayloads(proto: TensorInit): Promise<Payloads> {
  const parts: { field: number; bytes: Uint8Array }[] = [];
  for (const { field, range, bytes } of elisionsOf(proto))
    parts.push({ field, bytes: bytes ?? (await range.source.read(range.offset, range.length)) });
  return payloadsOf(parts);
}

const nothing = new Uint8Array(0);

function payloadsOf(parts: readonly { field: number; bytes: Uint8Array }[]): Payloads {
  const payloads = new Map<number, Uint8Array[]>();
  for (const { field, bytes } of parts) {
    const known = payloads.get(field);
    if (known === undefined) payloads.set(field, [bytes]);
    else known.push(bytes);
  }
  return payloads;
}

/** A tensor has its data in one place. `kept` of them are in the file still. */
function refuseSeveral(proto: TensorInit, header: TensorHeader, kept: number): void {
  const filled = filledFields(proto);
  const raw = proto.rawData !== null && proto.rawData !== undefined ? 1 : 0;
  // One field may be decoded in part and kept in part.
  if (raw + Math.max(filled.length, kept) > 1)
    throw new HopfcoleError('BAD_TENSOR', 'the tensor has data in more than one field', { tensor: header.name });
}

/** A hostile shape may have a million dimensions; a line of text should not. */
function shapeText(shape: readonly number[]): string {
  return `[${shape.slice(0, 8).join(', ')}${shape.length > 8 ? `, ... ${shape.length} dimensions` : ''}]`;
}

function wrongLength({ name, dtype, shape, byteLength }: TensorHeader, got: number): HopfcoleError {
  const expected = dtype === 'string' ? 'string_data' : `${byteLength} bytes of raw data`;
  return new HopfcoleError(
    'BAD_TENSOR',
    `a ${dtype} tensor of shape ${shapeText(shape)} takes ${expected}, got ${got} bytes`,
    {
      tensor: name,
    },
  );
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function stringsOf(proto: TensorInit, header: TensorHeader): string[] {
  const where = { tensor: header.name };
  const bytes = proto.stringData ?? [];
  const { rawData } = proto;
  if (rawData !== null && rawData !== undefined) throw wrongLength(header, rawData.byteLength);
  if (bytes.length !== header.count)
    throw new HopfcoleError(
      'BAD_TENSOR',
      `${header.count} strings are expected, string_data has ${bytes.length}`,
      where,
    );
  return bytes.map((element, index) => {
    try {
      return strict.decode(element);
    } catch {
      throw new HopfcoleError('BAD_TENSOR', `string ${index} is not UTF-8`, where);
    }
  });
}
