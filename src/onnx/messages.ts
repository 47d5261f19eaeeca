/**
 * The ONNX messages of IR 14 as protobufjs classes (generated). Repeated fields are arrays (a frozen empty one where absent), absent singular fields null,
 * 64-bit integers `Long`, and fields this version does not know are kept in `$unknowns`.
 */
import { fields } from './generated/fields.ts';
import { onnx } from './generated/onnx.js';

export { onnx };

export type ModelProto = onnx.ModelProto;
export type GraphProto = onnx.GraphProto;
export type NodeProto = onnx.NodeProto;
export type AttributeProto = onnx.AttributeProto;
export type TensorProto = onnx.TensorProto;
export type SparseTensorProto = onnx.SparseTensorProto;
export type TypeProto = onnx.TypeProto;
export type ValueInfoProto = onnx.ValueInfoProto;
export type FunctionProto = onnx.FunctionProto;
export type StringStringEntryProto = onnx.StringStringEntryProto;

/** What the writers take: a message that was read, or a plain object with the fields that are present. */
export type ModelInit = onnx.ModelProto.$Properties;
export type GraphInit = onnx.GraphProto.$Properties;
export type TensorInit = onnx.TensorProto.$Properties;

/** Message names as in the descriptor, nested ones with a dot: `TensorProto.Segment`. */
export type MessageName = keyof typeof fields;

export type FieldKind = 'message' | 'enum' | 'string' | 'bytes' | 'float' | 'double' | 'int32' | 'int64' | 'uint64';

export interface FieldFacts {
  /** The property of the generated class. */
  readonly name: string;
  readonly kind: FieldKind;
  readonly repeated?: boolean;
  /** The message a field of kind `message` holds. */
  readonly of?: MessageName;
}

/** The fields of a message by their numbers. */
export function fieldsOf(message: MessageName): ReadonlyMap<number, FieldFacts> {
  return tables[message];
}

const tables = Object.fromEntries(
  Object.entries(fields).map(([message, facts]) => [
    message,
    new Map(Object.entries(facts).map(([id, fact]) => [Number(id), fact])),
  ]),
) as unknown as Record<MessageName, ReadonlyMap<number, FieldFacts>>;

/** Any message, field by field: what code that walks by the table sees. */
export type AnyMessage = { [field: string]: unknown; $unknowns?: Uint8Array[] };

/** The submessages of a message under one field. */
export function childrenOf(message: AnyMessage, field: FieldFacts): readonly AnyMessage[] {
  const value = message[field.name];
  if (value === null || value === undefined) return [];
  return (field.repeated ? value : [value]) as readonly AnyMessage[];
}

const leadToTensors = new Set<MessageName>(['TensorProto']);
for (let before = 0; before < leadToTensors.size; ) {
  before = leadToTensors.size;
  for (const [message, table] of Object.entries(tables))
    if ([...table.values()].some(({ of }) => of !== undefined && leadToTensors.has(of)))
      leadToTensors.add(message as MessageName);
}

/** Whether a TensorProto can stand somewhere in such a message. */
export function holdsTensors(message: MessageName): boolean {
  return leadToTensors.has(message);
}

/** Every TensorProto inside a message, at any depth. */
export function* tensorsOf(message: AnyMessage, type: MessageName): Generator<TensorProto> {
  if (type === 'TensorProto') yield message as unknown as TensorProto;
  for (const field of fieldsOf(type).values())
    if (field.of !== undefined && holdsTensors(field.of))
      for (const child of childrenOf(message, field)) yield* tensorsOf(child, field.of);
}

interface Codec {
  encode(message: object, writer?: unknown, depth?: number): { finish(): Uint8Array };
  decode(reader: unknown): object;
}

/** The generated encoder and decoder of a message. */
export function codecOf(message: MessageName): Codec {
  const [outer = '', inner] = message.split('.');
  const namespace = onnx as unknown as Record<string, Codec & Record<string, Codec>>;
  const codec = inner === undefined ? namespace[outer] : namespace[outer]?.[inner];
  if (codec === undefined) throw new Error(`no generated code for ${message}`);
  return codec;
}
