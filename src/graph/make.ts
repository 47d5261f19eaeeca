import type { DType } from '../files/dtype.ts';
import { HopfcoleError } from '../files/error.ts';
import type { AnyTensor } from '../files/tensor.ts';
import type { Attributes } from './attribute.ts';
import { bindTypes, parameterAt } from './check.ts';
import type { FunctionDefinition } from './function.ts';
import { inferFunction } from './infer-function.ts';
import { contribRules } from './inference/contrib.ts';
import { inferenceRules } from './inference/table.ts';
import { type Literal, tensorFrom } from './literal.ts';
import { ambientMetadata } from './module-path.ts';
import { recordNode } from './record.ts';
import type { Inferred } from './rule.ts';
import { type Schema, schemaOf } from './schema.ts';
import { type Shape, tensorType, typeOfKey, type ValueType } from './type.ts';
import type { KnownDims, Node, Source, Value } from './value.ts';

/** An input of the model: a tensor of a dtype and a shape of sizes and symbols, `input('x', 'float32', ['batch', 64])`. */
export function input(name: string, dtype: DType, shape?: Shape): Value {
  return inputValue(name, tensorType(dtype, shape));
}

/** A graph, subgraph or function input of any type. */
export function inputValue(name: string | undefined, type: ValueType): Value {
  return makeValue({ kind: 'input' }, type, name);
}

/** A named parameter (initializer). Its bytes are not copied. */
export function parameter(name: string, tensor: AnyTensor): Value {
  if (name === '') throw new HopfcoleError('BAD_ARGUMENT', 'a parameter needs a name', { argument: 'name' });
  return makeValue({ kind: 'parameter', tensor }, tensorType(tensor.dtype, tensor.shape), name);
}

/** An unnamed constant. Plain numbers are float32 unless `dtype` says otherwise; arrays are tensors of their shape. */
export function constant(literal: Literal, dtype?: DType): Value {
  const tensor = tensorFrom(literal, dtype);
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

/** The one place that makes nodes: infers the outputs' types and ties node and outputs together. Checks of a call are `checkCall`'s. */
export function makeNode(spec: NodeSpec): Node {
  const attributes = spec.attributes ?? noAttributes;
  const inferred = spec.inferred ?? inferTypes({ ...spec, attributes });
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
    metadata: spec.metadata ?? ambientMetadata(),
    callee: spec.callee,
    origin: spec.origin,
  };
  for (let index = 0; index < spec.outputCount; index++) {
    const { type, known } = inferred[index] ?? { type: undefined };
    outputs.push(makeValue({ kind: 'output', node, index }, type, spec.outputNames?.[index], known));
  }
  Object.freeze(outputs);
  recordNode(node);
  return Object.freeze(node);
}

/** What an operator's call is of: enough to infer its outputs. */
export interface InferredCall {
  readonly opType: string;
  readonly domain?: string;
  readonly version?: number | undefined;
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes: Attributes;
  readonly outputCount: number;
  readonly callee?: FunctionDefinition | undefined;
}

/**
 * Types of a call's outputs: of a function by inference through its body; of a standard operator by its inference rule and,
 * where that says nothing of an element type, by its schema; of other operators what ONNX Runtime's own are known to give.
 */
export function inferTypes(call: InferredCall): readonly Inferred[] {
  const { opType, domain = '', inputs, attributes, outputCount, version, callee } = call;
  if (callee !== undefined) return inferFunction(callee, inputs, attributes);
  if (domain !== '' || version === undefined)
    return contribRules[`${domain}.${opType}`]?.({ opType, domain, version: 0, inputs, attributes, outputCount }) ?? [];
  const rule = inferenceRules[opType];
  const byRule = rule?.({ opType, domain, version, inputs, attributes, outputCount }) ?? [];
  if (byRule.length >= outputCount && byRule.every(({ type }) => isTyped(type))) return byRule;
  const schema = schemaOf(opType, version, domain);
  if (schema === undefined) return byRule;
  const bound = bindTypes(schema, inputs);
  return Array.from({ length: outputCount }, (_, index) => {
    const found = byRule[index];
    if (found !== undefined && isTyped(found.type)) return found;
    return { ...found, type: withElement(found?.type, typeBySchema(schema, bound, index)) };
  });
}

function isTyped(type: ValueType): boolean {
  return type !== undefined && (type.kind !== 'tensor' || type.dtype !== undefined);
}

function typeBySchema(schema: Schema, bound: ReadonlyMap<string, string>, index: number): ValueType {
  const parameter = parameterAt(schema.outputs, index);
  if (parameter === undefined || parameter.heterogeneous) return undefined;
  const key = bound.get(parameter.type);
  if (key !== undefined) return typeOfKey(key);
  const allowed = schema.constraints.get(parameter.type);
  if (allowed === undefined) return typeOfKey(parameter.type);
  const [only] = allowed;
  return allowed.size === 1 && only !== undefined ? typeOfKey(only) : undefined;
}

function withElement(type: ValueType, bySchema: ValueType): ValueType {
  if (type === undefined) return bySchema;
  if (type.kind === 'tensor' && bySchema?.kind === 'tensor') return { ...type, dtype: bySchema.dtype };
  return type;
}
