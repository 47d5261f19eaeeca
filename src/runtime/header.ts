import { type DType, dtypeOfCode } from '../files/dtype.ts';
import { HopfcoleError } from '../files/error.ts';
import type { Dim, Shape } from '../graph/type.ts';
import type { TensorDescription } from './session.ts';
import { type Field, fields, type RandomBytes, textOf } from './wire.ts';

/** What a session must know of a model before a runtime sees it; read without touching the weights. */
export interface ModelHeader {
  readonly irVersion: number;
  /** Domain ('' is ai.onnx) -> version. */
  readonly opsets: ReadonlyMap<string, number>;
  /** The inputs that must be given (those without a default in the file). */
  readonly inputs: readonly TensorDescription[];
  /** Inputs that have a default. */
  readonly optional: readonly string[];
  readonly outputs: readonly TensorDescription[];
  /** Every distinct `location` of external data in the file. */
  readonly external: readonly string[];
  /** Whether a call of a model-local function leaves an input of it empty: ONNX Runtime can crash on that. */
  readonly emptyCalls: boolean;
  /** Whether an input, an output or a stored tensor is bfloat16. */
  readonly bfloat16: boolean;
}

interface Found {
  readonly external: Set<string>;
  readonly initializers: Set<string>;
  /** Calls outside ai.onnx: what is called, with the fewest inputs that one of its calls fills. */
  readonly calls: Map<string, number>;
  /** Inputs of each model-local function. */
  readonly functions: Map<string, number>;
  /** Element types of the stored tensors. */
  readonly types: Set<number>;
}

/** ONNX Runtime's own protobuf reader stops at 100 nested messages. */
const deepest = 100;

/**
 * Reads the header of an ONNX model.
 * @throws BAD_PROTOBUF, TOO_DEEP, UNSUPPORTED_DTYPE for inputs and outputs that are no tensors of a known element type.
 */
export function readHeader(bytes: RandomBytes): ModelHeader {
  const opsets = new Map<string, number>();
  const found: Found = {
    external: new Set(),
    initializers: new Set(),
    calls: new Map(),
    functions: new Map(),
    types: new Set(),
  };
  const ends: { inputs: Field[]; outputs: Field[] } = { inputs: [], outputs: [] };
  let irVersion = 0;
  for (const part of fields(bytes)) {
    if (part.number === 1 && part.wireType === 0) irVersion = part.value;
    else if (part.wireType !== 2) continue;
    else if (part.number === 8) readOpset(bytes, part, opsets);
    else if (part.number === 7) {
      for (const inner of fields(bytes, part.start, part.end)) {
        if (inner.wireType !== 2) continue;
        if (inner.number === 11) ends.inputs.push(inner);
        else if (inner.number === 12) ends.outputs.push(inner);
      }
      visitGraph(bytes, part, found, found.initializers, 1);
    } else if (part.number === 25) visitFunction(bytes, part, found);
  }
  const inputs = ends.inputs.map((part) => ({ name: nameOf(bytes, part), part }));
  const outputs = ends.outputs.map((part) => describe(bytes, part, 'output'));
  const required = inputs
    .filter(({ name }) => !found.initializers.has(name))
    .map(({ part }) => describe(bytes, part, 'input'));
  return {
    irVersion,
    opsets,
    inputs: required,
    optional: inputs.map(({ name }) => name).filter((name) => found.initializers.has(name)),
    outputs,
    external: [...found.external],
    emptyCalls: [...found.functions].some(([key, count]) => (found.calls.get(key) ?? count) < count),
    bfloat16: found.types.has(16) || [...required, ...outputs].some(({ dtype }) => dtype === 'bfloat16'),
  };
}

function readOpset(bytes: RandomBytes, part: Field, opsets: Map<string, number>): void {
  let domain = '';
  let version = 0;
  for (const inner of fields(bytes, part.start, part.end)) {
    if (inner.number === 1 && inner.wireType === 2) domain = textOf(bytes, inner);
    else if (inner.number === 2 && inner.wireType === 0) version = inner.value;
  }
  opsets.set(domain === 'ai.onnx' ? '' : domain, version);
}

function visitGraph(
  bytes: RandomBytes,
  graph: Field,
  found: Found,
  names: Set<string> | undefined,
  depth: number,
): void {
  if (depth > deepest)
    throw new HopfcoleError(
      'TOO_DEEP',
      `expected at most ${deepest} graphs inside one another, got more`,
      { file: bytes.name, at: graph.at },
      'ONNX Runtime loads no such model',
    );
  for (const part of fields(bytes, graph.start, graph.end)) {
    if (part.wireType !== 2) continue;
    if (part.number === 1) visitNode(bytes, part, found, depth);
    else if (part.number === 5) visitTensor(bytes, part, found, names);
    else if (part.number === 15) visitSparse(bytes, part, found, names);
  }
}

function visitNode(bytes: RandomBytes, node: Field, found: Found, depth: number): void {
  let filled = 0;
  let operator = '';
  let domain = '';
  for (const part of fields(bytes, node.start, node.end)) {
    if (part.wireType !== 2) continue;
    if (part.number === 1 && part.end > part.start) filled++;
    else if (part.number === 4) operator = textOf(bytes, part);
    else if (part.number === 5) visitAttribute(bytes, part, found, depth);
    else if (part.number === 7) domain = textOf(bytes, part);
  }
  const key = `${domain}::${operator}`;
  if (domain !== '' && domain !== 'ai.onnx') found.calls.set(key, Math.min(filled, found.calls.get(key) ?? filled));
}

function visitAttribute(bytes: RandomBytes, attribute: Field, found: Found, depth: number): void {
  for (const part of fields(bytes, attribute.start, attribute.end)) {
    if (part.wireType !== 2) continue;
    if (part.number === 5 || part.number === 10) visitTensor(bytes, part, found, undefined);
    else if (part.number === 6 || part.number === 11) visitGraph(bytes, part, found, undefined, depth + 1);
    else if (part.number === 22 || part.number === 23) visitSparse(bytes, part, found, undefined);
  }
}

function visitFunction(bytes: RandomBytes, body: Field, found: Found): void {
  let inputs = 0;
  let name = '';
  let domain = '';
  for (const part of fields(bytes, body.start, body.end)) {
    if (part.wireType !== 2) continue;
    if (part.number === 1) name = textOf(bytes, part);
    else if (part.number === 4) inputs++;
    else if (part.number === 7) visitNode(bytes, part, found, 1);
    else if (part.number === 10) domain = textOf(bytes, part);
    else if (part.number === 11) visitAttribute(bytes, part, found, 1);
  }
  // Overloads differ in their inputs: the one with the most decides, and a call that fills all of a smaller one is mended in vain.
  const key = `${domain}::${name}`;
  found.functions.set(key, Math.max(inputs, found.functions.get(key) ?? 0));
}

function visitSparse(bytes: RandomBytes, sparse: Field, found: Found, names: Set<string> | undefined): void {
  for (const part of fields(bytes, sparse.start, sparse.end))
    if (part.wireType === 2 && (part.number === 1 || part.number === 2))
      visitTensor(bytes, part, found, part.number === 1 ? names : undefined);
}

function visitTensor(bytes: RandomBytes, tensor: Field, found: Found, names: Set<string> | undefined): void {
  for (const part of fields(bytes, tensor.start, tensor.end)) {
    if (part.number === 2 && part.wireType === 0) found.types.add(part.value);
    if (part.wireType !== 2) continue;
    if (part.number === 8) names?.add(textOf(bytes, part));
    else if (part.number === 13) {
      let key = '';
      let value = '';
      for (const inner of fields(bytes, part.start, part.end)) {
        if (inner.wireType !== 2) continue;
        if (inner.number === 1) key = textOf(bytes, inner);
        else if (inner.number === 2) value = textOf(bytes, inner);
      }
      if (key === 'location') found.external.add(value);
    }
  }
}

/** The name of a ValueInfo. */
export function nameOf(bytes: RandomBytes, valueInfo: Field): string {
  for (const part of fields(bytes, valueInfo.start, valueInfo.end))
    if (part.number === 1 && part.wireType === 2) return textOf(bytes, part);
  return '';
}

const otherTypes: Readonly<Record<number, string>> = {
  4: 'sequence',
  5: 'map',
  7: 'opaque',
  8: 'sparse tensor',
  9: 'optional',
};

function describe(bytes: RandomBytes, valueInfo: Field, role: 'input' | 'output'): TensorDescription {
  const name = nameOf(bytes, valueInfo);
  let got = 'a value without a type';
  for (const type of fields(bytes, valueInfo.start, valueInfo.end)) {
    if (type.number !== 2 || type.wireType !== 2) continue;
    for (const kind of fields(bytes, type.start, type.end)) {
      if (kind.wireType !== 2) continue;
      if (kind.number === 1) {
        const { code, shape } = tensorType(bytes, kind);
        const dtype: DType | undefined = dtypeOfCode(code);
        if (dtype !== undefined) return { name, dtype, shape };
        got = `element type ${code}`;
      } else if (otherTypes[kind.number] !== undefined) got = `a ${otherTypes[kind.number]}`;
    }
  }
  throw new HopfcoleError(
    'UNSUPPORTED_DTYPE',
    `expected the ${role} '${name}' to be a tensor, got ${got}`,
    { file: bytes.name },
    'onnxruntime-node takes and gives tensors only: convert it inside the model',
  );
}

function tensorType(bytes: RandomBytes, type: Field): { code: number; shape: Shape } {
  let code = 0;
  let shape: Dim[] | undefined;
  for (const part of fields(bytes, type.start, type.end)) {
    if (part.number === 1 && part.wireType === 0) code = part.value;
    else if (part.number === 2 && part.wireType === 2) {
      shape = [];
      for (const dim of fields(bytes, part.start, part.end))
        if (dim.number === 1 && dim.wireType === 2) shape.push(dimension(bytes, dim));
    }
  }
  return { code, shape };
}

function dimension(bytes: RandomBytes, dim: Field): Dim {
  let known: Dim;
  for (const part of fields(bytes, dim.start, dim.end)) {
    if (part.number === 1 && part.wireType === 0) known = part.value >= 0 ? part.value : undefined;
    else if (part.number === 2 && part.wireType === 2) known = textOf(bytes, part) || undefined;
  }
  return known;
}

/**
 * Says no to what ONNX Runtime 1.30 cannot load, before it tries.
 * @throws MODEL_TOO_NEW.
 */
export function checkLoadable(header: ModelHeader, file: string): void {
  const opset = header.opsets.get('') ?? 0;
  const newer =
    header.irVersion > 13
      ? `IR version ${header.irVersion}, and ONNX Runtime 1.30 loads up to 13`
      : opset > 26
        ? `opset ${opset}, and ONNX Runtime 1.30 loads up to 26`
        : undefined;
  if (newer !== undefined)
    throw new HopfcoleError('MODEL_TOO_NEW', `the model has ${newer}`, { file }, 'Export it with an older opset');
}

export function memoryBytes(bytes: Uint8Array, name = 'model'): RandomBytes {
  return { name, size: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) };
}
