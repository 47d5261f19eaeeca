import type { AnyTensor, Tensor } from '../files/tensor.ts';
import type { Attributes } from './attribute.ts';
import type { FunctionDefinition } from './function.ts';
import { inferenceRules } from './inference/table.ts';
import type { Inferred } from './rule.ts';
import { type Shape, tensorType, type ValueType } from './type.ts';
import type { KnownDims, Node, Source, Value } from './value.ts';

/** A graph, subgraph or function input. */
export function inputValue(name: string | undefined, type: ValueType): Value {
  return makeValue({ kind: 'input' }, type, name);
}

/** A named parameter (initializer). Its bytes are not copied. */
export function parameter(name: string, tensor: AnyTensor): Value {
  return makeValue({ kind: 'parameter', tensor }, tensorType(tensor.dtype, tensor.shape), name);
}

/** An unnamed constant. */
export function constant(tensor: Tensor): Value {
  return makeValue({ kind: 'constant', tensor }, tensorType(tensor.dtype, tensor.shape), undefined);
}

export function makeValue(source: Source, type: ValueType, name?: string, known?: KnownDims): Value {
  const tensor = type?.kind === 'tensor' ? type : undefined;
  const shape: Shape = tensor?.shape;
  return Object.freeze({ source, type, name, known, dtype: tensor?.dtype, shape });
}

export interface NodeSpec {
  readonly opType: string;
  readonly domain?: string;
  readonly overload?: string;
  readonly version?: number | undefined;
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes?: Attributes;
  readonly outputCount: number;
  readonly outputNames?: readonly (string | undefined)[];
  /** Types that are known already (declared in a file, or inferred by the caller): used instead of the inference rule. */
  readonly inferred?: readonly Inferred[];
  readonly name?: string | undefined;
  readonly doc?: string | undefined;
  readonly metadata?: ReadonlyMap<string, string>;
  readonly callee?: FunctionDefinition | undefined;
  readonly origin?: unknown;
}

const noAttributes: Attributes = new Map();
const noMetadata: ReadonlyMap<string, string> = new Map();

/** The one place that makes nodes: infers the outputs' types and ties node and outputs together. */
export function makeNode(spec: NodeSpec): Node {
  const attributes = spec.attributes ?? noAttributes;
  const inferred = spec.inferred ?? infer(spec, attributes);
  const outputs: Value[] = [];
  const node: Node = {
    opType: spec.opType,
    domain: spec.domain ?? '',
    overload: spec.overload ?? '',
    version: spec.version,
    inputs: spec.inputs,
    attributes,
    outputs,
    name: spec.name,
    doc: spec.doc,
    metadata: spec.metadata ?? noMetadata,
    callee: spec.callee,
    origin: spec.origin,
  };
  for (let index = 0; index < spec.outputCount; index++) {
    const { type, known } = inferred[index] ?? { type: undefined };
    outputs.push(makeValue({ kind: 'output', node, index }, type, spec.outputNames?.[index], known));
  }
  Object.freeze(outputs);
  return Object.freeze(node);
}

function infer(spec: NodeSpec, attributes: Attributes): readonly Inferred[] {
  const domain = spec.domain ?? '';
  const rule = domain === '' ? inferenceRules[spec.opType] : undefined;
  if (rule === undefined) return [];
  const { opType, inputs, outputCount, version = 0 } = spec;
  return rule({ opType, domain, version, inputs, attributes, outputCount });
}
