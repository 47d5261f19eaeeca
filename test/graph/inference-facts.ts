import { type DType, dtypeOfCode } from '../../src/files/dtype.ts';
import { HopfcoleError } from '../../src/files/error.ts';
import { fromNumbers, stringTensor, type Tensor } from '../../src/files/tensor.ts';
import type { Attribute } from '../../src/graph/attribute.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { innerInputTypes } from '../../src/graph/inner-types.ts';
import { inputValue, makeNode, type NodeSpec, parameter } from '../../src/graph/make.ts';
import type { Dim, ValueType } from '../../src/graph/type.ts';
import type { Node, Value } from '../../src/graph/value.ts';

/** What inference-facts.py prints of a model. */
export interface ModelFacts {
  readonly name: string;
  readonly opsets: Readonly<Record<string, number>>;
  readonly graph: GraphFacts;
  readonly inferred: Readonly<Record<string, TypeFacts | null>>;
}

export interface GraphFacts {
  readonly inputs: readonly { name: string; type: TypeFacts | null }[];
  readonly outputs: readonly { name: string; type: TypeFacts | null }[];
  readonly initializers: readonly { name: string; tensor: TensorFacts }[];
  readonly nodes: readonly NodeFacts[];
}

export interface TypeFacts {
  readonly kind: string;
  readonly code?: number;
  readonly shape?: readonly (number | string | null)[] | null;
  readonly element?: TypeFacts | null;
}

interface TensorFacts {
  readonly code: number;
  readonly shape: readonly number[];
  readonly values?: readonly string[];
  readonly strings?: readonly string[];
}

interface NodeFacts {
  readonly opType: string;
  readonly domain: string;
  readonly version: number;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, AttributeFacts>>;
}

interface AttributeFacts {
  readonly kind: string;
  readonly value: unknown;
}

export function typeOfFacts(facts: TypeFacts | null | undefined): ValueType {
  if (facts === null || facts === undefined) return undefined;
  if (facts.kind === 'sequence' || facts.kind === 'optional')
    return { kind: facts.kind, element: typeOfFacts(facts.element) };
  if (facts.kind !== 'tensor' && facts.kind !== 'sparse') return undefined;
  return {
    kind: facts.kind,
    dtype: dtypeOfCode(facts.code ?? 0),
    shape: facts.shape?.map((dim): Dim => dim ?? undefined),
  };
}

function tensorOfFacts({ code, shape, values, strings }: TensorFacts): Tensor {
  const dtype: DType = dtypeOfCode(code) ?? 'float32';
  if (strings !== undefined) return stringTensor(shape, strings);
  if (values === undefined) return { dtype, shape, bytes: new Uint8Array(0) };
  const number = (text: string): number | bigint =>
    dtype.includes('int') ? BigInt(text) : Number(text.replace('inf', 'Infinity'));
  return fromNumbers(dtype, shape, values.map(number));
}

function attributeOfFacts(
  { kind, value, of }: AttributeFacts & { of?: string },
  scope: ReadonlyMap<string, Value>,
  inner: readonly ValueType[],
  branch: boolean,
): Attribute {
  switch (kind) {
    case 'int':
      return { kind, value: Number(value) };
    case 'ints':
      return { kind, value: (value as string[]).map(Number) };
    case 'float':
      return { kind, value: Number(value) };
    case 'floats':
      return { kind, value: (value as string[]).map(Number) };
    case 'string':
      return { kind, value: value as string };
    case 'strings':
      return { kind, value: value as string[] };
    case 'tensor':
      return { kind, value: tensorOfFacts(value as TensorFacts) };
    case 'type':
      return { kind, value: typeOfFacts(value as TypeFacts) };
    case 'graph':
      return { kind, value: graphOfFacts(value as GraphFacts, scope, inner, branch) };
    case 'reference':
      return { kind, value: value as string, of: (of ?? 'int') as 'int' };
    default:
      return { kind: 'carried', value };
  }
}

/**
 * Every value of the graph by name, its types inferred node by node.
 * `branch`: the branch of an If, which may never be taken: what cannot be right there has no type.
 */
export function valuesOfFacts(
  facts: GraphFacts,
  outer: ReadonlyMap<string, Value> = new Map(),
  inner: readonly ValueType[] = [],
  branch = false,
): Map<string, Value> {
  const values = new Map(outer);
  for (const [index, { name, type }] of facts.inputs.entries())
    values.set(name, inputValue(name, typeOfFacts(type) ?? inner[index]));
  for (const { name, tensor } of facts.initializers) values.set(name, parameter(name, tensorOfFacts(tensor)));
  for (const node of facts.nodes) {
    const inputs = node.inputs.map((name) => (name === '' ? undefined : values.get(name)));
    const attributes = new Map<string, Attribute>();
    for (const [name, attribute] of Object.entries(node.attributes).sort(([, a], [, b]) => rank(a) - rank(b))) {
      const types = attribute.kind === 'graph' ? innerInputTypes({ opType: node.opType, attributes }, inputs) : [];
      attributes.set(name, attributeOfFacts(attribute, values, types, branch || node.opType === 'If'));
    }
    const spec = {
      opType: node.opType,
      domain: node.domain,
      version: node.version === 0 ? undefined : node.version,
      inputs,
      attributes,
      outputCount: node.outputs.length,
      outputNames: node.outputs,
    };
    const made = branch ? leniently(spec) : makeNode(spec);
    for (const [index, name] of node.outputs.entries()) {
      const value = made.outputs[index];
      if (value !== undefined && name !== '') values.set(name, value);
    }
  }
  return values;
}

function leniently(spec: NodeSpec): Node {
  try {
    return makeNode(spec);
  } catch (error) {
    if (error instanceof HopfcoleError) return makeNode({ ...spec, inferred: [] });
    throw error;
  }
}

/** Graphs last: what a body's inputs are depends on the other attributes. */
function rank({ kind }: AttributeFacts): number {
  return kind === 'graph' ? 1 : 0;
}

function graphOfFacts(
  facts: GraphFacts,
  scope: ReadonlyMap<string, Value>,
  inner: readonly ValueType[],
  branch: boolean,
): Graph {
  const values = valuesOfFacts(facts, scope, inner, branch);
  const found = (name: string): Value => values.get(name) ?? inputValue(name, undefined);
  return {
    name: 'body',
    inputs: facts.inputs.map(({ name }) => found(name)),
    outputs: facts.outputs.map(({ name }) => ({ name, value: found(name) })),
    nodes: [],
    parameters: [],
    doc: undefined,
    metadata: new Map(),
    origin: undefined,
  };
}

/** What `ours` says that `theirs` contradicts, or what `theirs` says that `ours` does not ('less'); '' where they agree. */
export function difference(ours: ValueType, theirs: ValueType): { wrong: string; less: string } {
  const none = { wrong: '', less: '' };
  if (theirs === undefined) return none;
  if (ours === undefined) return { wrong: '', less: 'nothing inferred' };
  if (ours.kind !== theirs.kind) return { wrong: `kind ${ours.kind} for ${theirs.kind}`, less: '' };
  if ((ours.kind === 'sequence' || ours.kind === 'optional') && 'element' in theirs)
    return difference(ours.element, theirs.element);
  if (ours.kind !== 'tensor' || theirs.kind !== 'tensor') return none;
  if (theirs.dtype !== undefined && ours.dtype !== theirs.dtype)
    return ours.dtype === undefined
      ? { wrong: '', less: 'dtype' }
      : { wrong: `dtype ${ours.dtype} for ${theirs.dtype}`, less: '' };
  if (theirs.shape === undefined) return none;
  if (ours.shape === undefined) return { wrong: '', less: 'rank' };
  if (ours.shape.length !== theirs.shape.length)
    return { wrong: `rank [${ours.shape}] for [${theirs.shape}]`, less: '' };
  let less = '';
  for (const [axis, dim] of theirs.shape.entries()) {
    const mine = ours.shape[axis];
    if (typeof dim !== 'number') continue;
    if (typeof mine === 'number' && mine !== dim) return { wrong: `[${ours.shape}] for [${theirs.shape}]`, less: '' };
    if (mine === undefined) less = `[${ours.shape.map((d) => d ?? '?')}] for [${theirs.shape}]`;
  }
  return { wrong: '', less };
}
