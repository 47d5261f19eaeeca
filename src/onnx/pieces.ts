import protobuf from 'protobufjs/minimal.js';
import { HopfcoleError } from '../files/error.ts';
import type { ByteRange } from '../files/source.ts';
import { varint } from './bytes.ts';
import { elisionsOf } from './elided.ts';
import {
  type AnyMessage,
  childrenOf,
  codecOf,
  fieldsOf,
  holdsTensors,
  type MessageName,
  type TensorInit,
} from './messages.ts';
import { depthLimit, tooDeep } from './skim.ts';

/** A stretch of an encoded message: bytes, or a range of a source that is read when it is written. */
export type Piece = Uint8Array | ByteRange;

/** An encoded message in pieces: large payloads are views or ranges, never copied. */
export interface Pieces {
  readonly size: number;
  readonly pieces: readonly Piece[];
}

/** Payloads below this are simply encoded with the message around them. */
const large = 4096;

/**
 * Encodes a message, fields in the order of their numbers and unknown ones at the end, as the generated encoder does;
 * only what holds large tensors is framed here.
 * @throws NESTED_TOO_DEEP, BAD_MESSAGE.
 */
export function encodePieces(type: MessageName, message: AnyMessage): Pieces {
  const heavy = new Set<AnyMessage>();
  markHeavy(type, message, heavy, 0);
  return encode(type, message, heavy, 0);
}

/** Puts every message that holds a large payload, at any depth, into `heavy`. */
function markHeavy(type: MessageName, message: AnyMessage, heavy: Set<AnyMessage>, depth: number): boolean {
  if (depth > depthLimit) throw tooDeep('the model');
  let found = type === 'TensorProto' && isHeavyTensor(message as TensorInit);
  for (const field of fieldsOf(type).values())
    if (field.of !== undefined && holdsTensors(field.of))
      for (const child of childrenOf(message, field)) found = markHeavy(field.of, child, heavy, depth + 1) || found;
  if (found) heavy.add(message);
  return found;
}

function isHeavyTensor(tensor: TensorInit): boolean {
  return (tensor.rawData?.byteLength ?? 0) >= large || elisionsOf(tensor).length > 0;
}

function encode(type: MessageName, message: AnyMessage, heavy: ReadonlySet<AnyMessage>, depth: number): Pieces {
  const out = new PieceList();
  if (!heavy.has(message)) {
    out.push(encodeLight(type, message, depth));
    return out;
  }
  const elisions = elisionsOf(message as TensorInit);
  let light: AnyMessage = {};
  const flush = () => {
    if (Object.keys(light).length > 0) out.push(encodeLight(type, light, depth));
    light = {};
  };
  for (const [id, field] of fieldsOf(type)) {
    const value = Object.hasOwn(message, field.name) ? message[field.name] : undefined;
    const elided = type === 'TensorProto' ? elisions.filter((elision) => elision.field === id) : [];
    if (elided.length > 0) {
      if (field.repeated) light[field.name] = value;
      flush();
      for (const { range, bytes } of elided) out.field(id, bytes ?? range, range.length);
    } else if (value instanceof Uint8Array && value.byteLength >= large) {
      flush();
      out.field(id, value, value.byteLength);
    } else if (field.of !== undefined && childrenOf(message, field).some((child) => heavy.has(child))) {
      flush();
      for (const child of childrenOf(message, field)) {
        const inner = encode(field.of, child, heavy, depth + 1);
        out.header(id, inner.size);
        out.append(inner);
      }
    } else if (value !== undefined && value !== null) light[field.name] = value;
  }
  if (Object.hasOwn(message, '$unknowns') && message.$unknowns !== undefined) light.$unknowns = message.$unknowns;
  flush();
  return out;
}

function encodeLight(type: MessageName, message: AnyMessage, depth: number): Uint8Array {
  try {
    return codecOf(type).encode(message, new StrictWriter(), depth).finish();
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
    if (what.includes('max depth')) throw tooDeep('the model');
    throw new HopfcoleError('BAD_MESSAGE', `cannot encode ${type}: ${what}`, {}, '', { cause: error });
  }
}

/** Half a surrogate pair has no UTF-8: what the package makes of one, no reader takes. */
class StrictWriter extends protobuf.Writer {
  override string(value: string): protobuf.Writer {
    if (/\p{Surrogate}/u.test(value))
      throw new Error(`the string ${JSON.stringify(value.slice(0, 100))} holds half a surrogate pair`);
    return super.string(value);
  }
}

/** Pieces in order. */
class PieceList implements Pieces {
  readonly pieces: Piece[] = [];
  size = 0;

  push(piece: Piece): void {
    const length = piece instanceof Uint8Array ? piece.byteLength : piece.length;
    if (length === 0) return;
    this.size += length;
    this.pieces.push(piece);
  }

  header(field: number, length: number): void {
    this.push(varint(field * 8 + 2));
    this.push(varint(length));
  }

  field(field: number, payload: Piece, length: number): void {
    this.header(field, length);
    this.push(payload);
  }

  append(inner: Pieces): void {
    for (const piece of inner.pieces) this.push(piece);
  }
}
