import { HopfcoleError } from '../files/error.ts';
import type { ByteRange, ByteSource } from '../files/source.ts';
import { ByteBuilder } from './bytes.ts';
import { type FieldFacts, fieldsOf, type MessageName } from './messages.ts';
import { Window } from './window.ts';

/** protobuf's own limit, in messages: what is deeper is refused by every reader. */
export const depthLimit = 100;
/** The longest message protobuf knows. */
export const sizeLimit = 2 ** 31 - 1;

/**
 * What a decoded message may take in memory, by estimate: a file made of tiny fields (two bytes each for a node, an
 * unknown field) decodes to some hundred times its size, and the engine's heap ends at about 4 GiB.
 */
const heapLimit = 2 ** 31;
const heapOf = { message: 320, unknown: 160, bytes: 160, string: 48, int64: 64, number: 10, elision: 480 };

/** Bytes of a tensor's field that stay where they are: the payload of `raw_data` or of a packed typed field. */
export interface Elision {
  readonly field: number;
  readonly range: ByteRange;
  /** The same bytes, where the file is in memory. */
  readonly bytes?: Uint8Array;
}

/**
 * A message without the payloads of its large tensors: each is replaced by an empty field of the number `marker`,
 * and is found in `elisions` by the offset of that field in `bytes`.
 */
export interface Skeleton {
  readonly bytes: Uint8Array;
  readonly elisions: ReadonlyMap<number, Elision>;
}

/** The largest field number there is. A file that uses it itself is safe: markers are known by their place. */
const marker = 2 ** 29 - 1;
const markerTag = Uint8Array.of(0xfa, 0xff, 0xff, 0xff, 0x0f, 0x00);

interface Frame {
  /** Undefined inside a group, which no ONNX message has: its fields are unknown ones. */
  readonly type: ReadonlyMap<number, FieldFacts> | undefined;
  readonly isTensor: boolean;
  readonly end: number;
  readonly field: number;
  /** Where the message's length stands in the skeleton, to be set when the message is complete. */
  readonly lengthAt: number;
  readonly lengthWidth: number;
  /** Whether its length changes, as something inside was elided. */
  changed: boolean;
  /** Fields of this tensor that were elided once: what else they hold must be kept in the same order. */
  readonly elided: Set<number>;
}

/** A tag, a length and what follows them up to here need no more than this. */
const headroom = 20;

/**
 * Walks the framing of a message, checks all of it, and copies all but the tensor payloads of `threshold` bytes and more.
 * Reads those bytes of the source that it copies, so that a large file is known by its headers.
 * @throws BAD_PROTOBUF, TRUNCATED, NESTED_TOO_DEEP, MODEL_TOO_LARGE, TOO_MANY_FIELDS.
 */
export async function skim(source: ByteSource, root: MessageName, threshold: number): Promise<Skeleton> {
  const window = new Window(source);
  const out = new ByteBuilder();
  const elisions = new Map<number, Elision>();
  const bad = (what: string, at: number) =>
    new HopfcoleError('BAD_PROTOBUF', what, { file: source.name, at }, 'The file is damaged or is no ONNX file');

  let pos = 0;
  /** What stands before this offset is in the skeleton already; up to `pos` it is in the window. */
  let copied = 0;
  let frame = openFrame(root, source.size, 0, 0, 0);
  const stack: Frame[] = [frame];
  let heap = 0;

  const copyTo = (end: number) => {
    if (out.length + end - copied > sizeLimit) throw tooLarge(source.name);
    if (end > copied) out.push(window.view(copied, end - copied));
    copied = end;
  };
  const need = async (count: number) => {
    copyTo(pos);
    await window.load(pos, count);
  };

  /** Reads a varint inside the current frame; the window holds it. */
  const readVarint = (what: string): number => {
    const { bytes, start } = window;
    let value = 0;
    for (let i = 0, scale = 1; i < 10; i++, scale *= 128) {
      if (pos >= frame.end) throw bad(`expected ${what}, but the ${stack.length > 1 ? 'message' : 'file'} ends`, pos);
      const byte = bytes[pos++ - start] as number;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
    throw bad(`expected ${what} of at most 10 bytes`, pos);
  };

  /** `last` is the payload's last byte, where it was read. */
  const checkPacked = (facts: FieldFacts | undefined, length: number, at: number, last = 0) => {
    const { kind } = facts ?? {};
    const width = widths[kind ?? ''] ?? 1;
    if (length % width !== 0 || (varints.has(kind ?? '') && last >= 128))
      throw bad(`${length} bytes are no whole number of packed ${kind} values`, at);
  };

  while (true) {
    while (pos === frame.end && frame.type !== undefined) {
      if (stack.length === 1) {
        copyTo(pos);
        return { bytes: out.bytes(), elisions };
      }
      if (frame.changed) {
        copyTo(pos);
        out.patchVarint(frame.lengthAt, frame.lengthWidth, out.length - frame.lengthAt - frame.lengthWidth);
      }
      const { changed } = frame;
      stack.pop();
      frame = stack[stack.length - 1] as Frame;
      frame.changed ||= changed;
    }
    if (!window.holds(pos, headroom)) await need(headroom);
    const fieldAt = pos;
    const tag = readVarint('a field');
    const wireType = tag % 8;
    const field = Math.floor(tag / 8);
    if (field === 0 || field > marker || pos - fieldAt > 5) throw bad(`no field has the tag ${tag}`, fieldAt);
    const facts = frame.type?.get(field);
    heap += heapFor(facts);
    if (heap > heapLimit) throw tooMany(source.name, fieldAt);
    switch (wireType) {
      case 0:
        readVarint('an integer');
        break;
      case 1:
      case 5:
        pos += wireType === 1 ? 8 : 4;
        if (pos > frame.end) throw bad(`expected ${wireType === 1 ? 8 : 4} bytes, but the message ends`, fieldAt);
        break;
      case 3:
        if (stack.length > depthLimit) throw tooDeep(source.name, fieldAt);
        frame = { ...frame, type: undefined, isTensor: false, field };
        stack.push(frame);
        break;
      case 4:
        if (frame.type !== undefined || frame.field !== field) throw bad('a group ends that was not begun', fieldAt);
        stack.pop();
        frame = stack[stack.length - 1] as Frame;
        break;
      case 2: {
        const lengthAt = pos;
        const length = readVarint('a length');
        if (length > frame.end - pos)
          throw new HopfcoleError(
            stack.length === 1 ? 'TRUNCATED' : 'BAD_PROTOBUF',
            `field ${field} declares ${length} bytes, but ${frame.end - pos} are left`,
            { file: source.name, at: fieldAt },
            'The file is cut short or damaged: fetch it again',
          );
        if (facts?.of !== undefined) {
          if (stack.length > depthLimit) throw tooDeep(source.name, fieldAt);
          let width = pos - lengthAt;
          if (width > 5) {
            // The decoder reads lengths of 5 bytes at most; what stays of a message that needs more fits them.
            copyTo(lengthAt);
            width = 5;
            out.skip(width);
            copied = pos;
          }
          const place = out.length + pos - copied - width;
          frame = openFrame(facts.of, pos + length, field, place, width);
          frame.changed = pos - lengthAt > 5;
          stack.push(frame);
        } else if (frame.isTensor && isPayload(facts) && (length >= threshold || frame.elided.has(field))) {
          checkPacked(facts, length, fieldAt);
          copyTo(fieldAt);
          frame.elided.add(field);
          heap += heapOf.elision;
          frame.changed = true;
          elisions.set(out.length, { field, range: { source, offset: pos, length } });
          out.push(markerTag);
          pos += length;
          copied = pos;
        } else {
          if (length > sizeLimit) throw tooLarge(source.name);
          if (pos - lengthAt > 5) throw bad('expected a length of at most 5 bytes', lengthAt);
          if (!window.holds(pos, length)) await need(length);
          if (facts?.repeated && length > 0) {
            checkPacked(facts, length, fieldAt, window.view(pos, length)[length - 1]);
            heap += heapOfPacked(facts, length);
          }
          if (facts?.kind === 'string' && !isUtf8(window.view(pos, length)))
            throw bad(`the string in field ${field} is not UTF-8`, fieldAt);
          pos += length;
        }
        break;
      }
      default:
        throw bad(`${wireType} is no wire type`, fieldAt);
    }
  }
}

function openFrame(name: MessageName, end: number, field: number, lengthAt: number, lengthWidth: number): Frame {
  const isTensor = name === 'TensorProto';
  const elided = isTensor ? new Set<number>() : none;
  return { type: fieldsOf(name), isTensor, end, field, lengthAt, lengthWidth, changed: false, elided };
}

const none: Set<number> = new Set();

const varints: ReadonlySet<string> = new Set(['int32', 'int64', 'uint64', 'enum']);
const widths: Partial<Record<string, number>> = { float: 4, double: 8 };

/** Numbers, packed or raw: strings stay, as each is a field of its own. */
function isPayload(facts: FieldFacts | undefined): boolean {
  return facts !== undefined && (facts.name === 'rawData' || (facts.repeated === true && payloads.has(facts.name)));
}

const payloads = new Set(['floatData', 'int32Data', 'int64Data', 'doubleData', 'uint64Data']);

const strict = new TextDecoder('utf-8', { fatal: true });

function isUtf8(bytes: Uint8Array): boolean {
  let high = 0;
  for (const byte of bytes) high |= byte;
  if (high < 128) return true;
  try {
    strict.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

function heapFor(facts: FieldFacts | undefined): number {
  switch (facts?.kind) {
    case undefined:
      return heapOf.unknown;
    case 'message':
    case 'bytes':
    case 'string':
      return heapOf[facts.kind];
    case 'int64':
    case 'uint64':
      return heapOf.int64;
    default:
      return heapOf.number;
  }
}

/** Varints of one byte each are the worst there is. */
function heapOfPacked({ kind }: FieldFacts, length: number): number {
  if (kind === 'int64' || kind === 'uint64') return length * heapOf.int64;
  if (kind === 'float' || kind === 'double') return (length / (widths[kind] ?? 1)) * heapOf.number;
  return kind === 'int32' ? length * heapOf.number : 0;
}

function tooMany(file: string, at: number): HopfcoleError {
  return new HopfcoleError(
    'TOO_MANY_FIELDS',
    `the file is made of so many small fields that decoding it would take more than ${heapLimit / 2 ** 30} GiB`,
    { file, at },
    'Store long lists of numbers as tensors with raw data',
  );
}

export function tooDeep(file: string, at?: number): HopfcoleError {
  return new HopfcoleError(
    'NESTED_TOO_DEEP',
    `messages are nested more than ${depthLimit} deep, protobuf's limit`,
    { file, at },
    'Each If, Loop or Scan takes three levels: flatten the control flow, or move bodies into functions',
  );
}

export function tooLarge(file: string): HopfcoleError {
  return new HopfcoleError(
    'MODEL_TOO_LARGE',
    'a protobuf file holds at most 2 GiB',
    { file },
    'Use external data for the weights',
  );
}
