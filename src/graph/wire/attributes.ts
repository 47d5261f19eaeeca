import { HopfcoleError } from '../../files/error.ts';
import type { AnyTensor } from '../../files/tensor.ts';
import { type GraphInit, onnx, type TensorInit } from '../../onnx/messages.ts';
import type { Attribute, Attributes } from '../attribute.ts';
import type { Graph } from '../graph.ts';
import { fromLong, toLong } from './integers.ts';
import { copyOf, keep, originOf, setOrigin } from './origins.ts';
import { tensorMessage } from './tensors.ts';
import { typeFromProto, typeToProto } from './types.ts';

type AttributeInit = onnx.AttributeProto.$Properties;
type Kind = Exclude<Attribute['kind'], 'reference'>;

const kinds: Readonly<Record<number, Kind>> = {
  1: 'float',
  2: 'int',
  3: 'string',
  4: 'tensor',
  5: 'graph',
  6: 'floats',
  7: 'ints',
  8: 'strings',
  9: 'tensors',
  10: 'graphs',
  11: 'carried',
  12: 'carried',
  13: 'type',
  14: 'types',
};

const codes: Readonly<Record<Exclude<Kind, 'carried'>, number>> = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  tensors: 9,
  graphs: 10,
  type: 13,
  types: 14,
};

/** What reading an attribute needs of its surroundings. */
export interface AttributeContext {
  readonly tensor: (proto: TensorInit) => AnyTensor;
  readonly graph: (proto: GraphInit) => Graph;
}

const none: Attributes = new Map();

/** @throws DUPLICATE_NAME when two attributes of a node have one name. */
export function attributesFromProto(protos: readonly AttributeInit[], context: AttributeContext): Attributes {
  if (protos.length === 0) return none;
  const attributes = new Map<string, Attribute>();
  for (const proto of protos) {
    const name = proto.name ?? '';
    if (attributes.has(name))
      throw new HopfcoleError('DUPLICATE_NAME', `the attribute '${name}' is given twice`, { argument: name });
    const attribute = readAttribute(proto, context);
    setOrigin(attribute, proto);
    attributes.set(name, attribute);
  }
  return attributes;
}

function readAttribute(proto: AttributeInit, context: AttributeContext): Attribute {
  const kind = kinds[proto.type ?? 0] ?? kindByContent(proto);
  if (proto.refAttrName) return { kind: 'reference', value: proto.refAttrName, of: kind };
  switch (kind) {
    case 'float':
      return { kind, value: proto.f ?? 0 };
    case 'int':
      return { kind, value: fromLong(proto.i ?? 0) };
    case 'string':
      return { kind, value: readString(proto.s ?? new Uint8Array(0)) };
    case 'tensor':
      return proto.t ? { kind, value: context.tensor(proto.t) } : missing(proto, 't');
    case 'graph':
      return proto.g ? { kind, value: context.graph(proto.g) } : missing(proto, 'g');
    case 'floats':
      return { kind, value: proto.floats ?? [] };
    case 'ints':
      return { kind, value: (proto.ints ?? []).map(fromLong) };
    case 'strings':
      return { kind, value: (proto.strings ?? []).map(readString) };
    case 'tensors':
      return { kind, value: (proto.tensors ?? []).map(context.tensor) };
    case 'graphs':
      return { kind, value: (proto.graphs ?? []).map(context.graph) };
    case 'type':
      return { kind, value: typeFromProto(proto.tp) };
    case 'types':
      return { kind, value: (proto.typeProtos ?? []).map(typeFromProto) };
    case 'carried':
      return { kind, value: proto };
  }
}

function missing(proto: AttributeInit, field: string): never {
  throw new HopfcoleError('BAD_ATTRIBUTE', `the attribute '${proto.name ?? ''}' has no value in its field '${field}'`, {
    argument: proto.name ?? '',
  });
}

/** The oldest files give no type: the field that is there tells. */
function kindByContent(proto: AttributeInit): Kind {
  if (proto.type !== null && proto.type !== undefined && proto.type !== 0) return 'carried';
  const single = { f: 'float', i: 'int', s: 'string', t: 'tensor', g: 'graph', tp: 'type' } as const;
  for (const [field, kind] of Object.entries(single))
    if (proto[field as keyof typeof single] !== null && proto[field as keyof typeof single] !== undefined) return kind;
  for (const kind of ['floats', 'ints', 'strings', 'tensors', 'graphs'] as const)
    if ((proto[kind]?.length ?? 0) > 0) return kind;
  return 'carried';
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Bytes as text where they are text, which is nearly always. */
function readString(bytes: Uint8Array): string | Uint8Array {
  try {
    return decoder.decode(bytes);
  } catch {
    return bytes;
  }
}

function writeString(value: string | Uint8Array): Uint8Array {
  return typeof value === 'string' ? encoder.encode(value) : value;
}

export function attributesToProto(attributes: Attributes, graph: (graph: Graph) => GraphInit): AttributeInit[] {
  return [...attributes].map(([name, attribute]) => attributeToProto(name, attribute, graph));
}

function attributeToProto(name: string, attribute: Attribute, graph: (graph: Graph) => GraphInit): AttributeInit {
  const origin = originOf<AttributeInit>(attribute);
  const head = origin === undefined ? { name } : { ...copyOf(origin), name: keep(origin.name, name) ?? null };
  if (attribute.kind === 'graph') return { type: codes.graph, ...head, g: graph(attribute.value) };
  if (attribute.kind === 'graphs') return { type: codes.graphs, ...head, graphs: attribute.value.map(graph) };
  if (origin !== undefined) return head.name === origin.name ? origin : head;
  if (attribute.kind === 'reference')
    return { name, refAttrName: attribute.value, type: attribute.of === 'carried' ? 11 : codes[attribute.of] };
  if (attribute.kind === 'carried') return carriedToProto(name, attribute.value);
  return { name, type: codes[attribute.kind], ...payload(attribute) };
}

type Plain = Exclude<Attribute, { kind: 'graph' | 'graphs' | 'reference' | 'carried' }>;

function payload(attribute: Plain): AttributeInit {
  switch (attribute.kind) {
    case 'float':
      return { f: attribute.value };
    case 'int':
      return { i: toLong(attribute.value) };
    case 'string':
      return { s: writeString(attribute.value) };
    case 'tensor':
      return { t: tensorMessage('', attribute.value) };
    case 'floats':
      return { floats: [...attribute.value] };
    case 'ints':
      return { ints: attribute.value.map(toLong) };
    case 'strings':
      return { strings: attribute.value.map(writeString) };
    case 'tensors':
      return { tensors: attribute.value.map((tensor) => tensorMessage('', tensor)) };
    case 'type':
      return { tp: typeToProto(attribute.value) ?? null };
    case 'types':
      return { typeProtos: attribute.value.map((type) => typeToProto(type) ?? {}) };
  }
}

/** A sparse tensor message that was given to a constructor, or a whole attribute that was read. */
function carriedToProto(name: string, value: unknown): AttributeInit {
  if (value instanceof onnx.AttributeProto) return value.name === name ? value : { ...value, name };
  return { name, type: 11, sparseTensor: value as onnx.SparseTensorProto.$Properties };
}
