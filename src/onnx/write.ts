import { HopfcoleError } from '../files/error.ts';
import type { ByteSink } from '../files/sink.ts';
import type { AnyMessage, MessageName, ModelInit, TensorInit } from './messages.ts';
import { encodePieces, type Piece } from './pieces.ts';
import { sizeLimit, tooLarge } from './skim.ts';

/**
 * A model as bytes, for one that is in memory. The same model gives the same bytes.
 * @throws STORED_TENSOR where weights are still in a file, MODEL_TOO_LARGE above 2 GiB, NESTED_TOO_DEEP.
 */
export function encodeModel(model: ModelInit): Uint8Array {
  return encodeMessage('ModelProto', model as AnyMessage);
}

/** A tensor as the bytes of a tensor file (`.pb`). */
export function encodeTensor(tensor: TensorInit): Uint8Array {
  return encodeMessage('TensorProto', tensor as AnyMessage);
}

export function encodeMessage(type: MessageName, message: AnyMessage): Uint8Array {
  const { size, pieces } = encodePieces(type, message);
  if (size > sizeLimit) throw tooLarge(type);
  const bytes = new Uint8Array(size);
  let offset = 0;
  for (const piece of pieces) {
    if (!(piece instanceof Uint8Array))
      throw new HopfcoleError(
        'STORED_TENSOR',
        `a tensor of ${piece.length} bytes is still in its file`,
        { file: piece.source.name, at: piece.offset },
        'Use writeModel, which streams it',
      );
    bytes.set(piece, offset);
    offset += piece.byteLength;
  }
  return bytes;
}

/**
 * Writes a model to a sink, the same bytes as `encodeModel`: weights go out from where they are, chunk by chunk.
 * @throws MODEL_TOO_LARGE above 2 GiB (before anything is written), NESTED_TOO_DEEP, and what source and sink throw.
 */
export async function writeModel(model: ModelInit, sink: ByteSink): Promise<void> {
  const { size, pieces } = encodePieces('ModelProto', model as AnyMessage);
  if (size > sizeLimit) throw tooLarge('the model');
  await writePieces(pieces, sink);
}

const bufferSize = 256 * 1024;
const chunkSize = 4 * 1024 * 1024;

/** Small pieces are gathered, large ones handed on in chunks. */
export async function writePieces(pieces: Iterable<Piece>, sink: ByteSink): Promise<void> {
  const buffer = new Uint8Array(bufferSize);
  let filled = 0;
  const flush = async () => {
    if (filled > 0) await sink.write(buffer.subarray(0, filled));
    filled = 0;
  };
  const write = async (bytes: Uint8Array) => {
    if (filled + bytes.byteLength > bufferSize) await flush();
    if (bytes.byteLength >= bufferSize) await sink.write(bytes);
    else {
      buffer.set(bytes, filled);
      filled += bytes.byteLength;
    }
  };
  for (const piece of pieces) {
    const length = piece instanceof Uint8Array ? piece.byteLength : piece.length;
    for (let done = 0; done < length; done += chunkSize) {
      const count = Math.min(chunkSize, length - done);
      if (piece instanceof Uint8Array) await write(piece.subarray(done, done + count));
      else await write(await piece.source.read(piece.offset + done, count));
    }
  }
  await flush();
}
