import { type DType, dtypes } from '../files/dtype.ts';
import { HopfcoleError } from '../files/error.ts';
import type { Attribute } from './attribute.ts';
import { checkCall } from './check.ts';
import { makeNode } from './make.ts';
import { type AttributeSchema, type Schema, schemaOf } from './schema.ts';
import type { ValueType } from './type.ts';
import type { Value } from './value.ts';

/** Inside a function's body: the value that the call of the function gives the attribute `reference`. */
export interface AttributeReference {
  readonly reference: string;
}

/** What a constructor takes for an attribute. */
export type Attr<T> = T | AttributeReference | undefined;

/** In a function's body, given to a constructor: the attribute that each call of the function sets. */
export function attributeReference(name: string): AttributeReference {
  return { reference: name };
}

type Maker = (...parameters: never[]) => unknown;

/**
 * One call of a standard operator, as the generated constructors make it: attributes in natural types under camelCase names.
 * Errors carry the stack of the constructor's caller.
 */
export function apply(
  maker: Maker,
  opType: string,
  version: number,
  inputs: readonly (Value | undefined)[],
  attributes: Readonly<Record<string, unknown>>,
  outputCount: number,
): readonly Value[] {
  try {
    const schema = schemaOf(opType, version);
    if (schema?.sinceVersion !== version)
      throw new HopfcoleError('UNSUPPORTED_OPERATOR', `there is no version ${version} of ${opType}`);
    const given = trimmed(inputs.map((value, index) => checkedValue(schema, value, index)));
    const converted = attributesOf(schema, attributes);
    checkCall(schema, { inputs: given, attributes: converted, outputCount });
    return makeNode({ opType, version, inputs: given, attributes: converted, outputCount }).outputs;
  } catch (error) {
    throw atCaller(error, maker, opType);
  }
}

/** The error with the operator's name known and its stack beginning at the line that called `maker`. */
export function atCaller(error: unknown, maker: Maker, opType: string): unknown {
  if (!(error instanceof HopfcoleError)) return error;
  const placed = error.where.operator === undefined ? error.at({ operator: opType }) : error;
  Error.captureStackTrace?.(placed, maker);
  return placed;
}

/** The output of a one-output operator. */
export function one(outputs: readonly Value[]): Value {
  const [output] = outputs;
  if (output === undefined) throw new HopfcoleError('WRONG_ARITY', 'expected one output, got none');
  return output;
}

/** The items of a variadic argument; anything but an array of values is an error. */
export function many(opType: string, argument: string, values: unknown, maker: Maker): readonly Value[] {
  if (Array.isArray(values)) return values as readonly Value[];
  const error = new HopfcoleError(
    'BAD_ARGUMENT',
    `expected an array of values for '${argument}', got ${describeGiven(values)}`,
    { operator: opType, argument },
  );
  throw atCaller(error, maker, opType);
}

export function isValue(thing: unknown): thing is Value {
  return typeof thing === 'object' && thing !== null && 'source' in thing && 'known' in thing;
}

function checkedValue(schema: Schema, value: unknown, index: number): Value | undefined {
  if (value === undefined || isValue(value)) return value;
  const argument = schema.inputs[Math.min(index, schema.inputs.length - 1)]?.name;
  throw new HopfcoleError(
    'BAD_ARGUMENT',
    `expected a Value for '${argument}', got ${describeGiven(value)}`,
    { operator: schema.opType, argument },
    'Numbers become values by constant()',
  );
}

/** Trailing inputs left out are not part of the call. */
function trimmed(inputs: readonly (Value | undefined)[]): readonly (Value | undefined)[] {
  const count = inputs.findLastIndex((value) => value !== undefined) + 1;
  return count === inputs.length ? inputs : inputs.slice(0, count);
}

const onnxNames = new Map<string, string>();

function onnxName(camel: string): string {
  const known = onnxNames.get(camel);
  if (known !== undefined) return known;
  const name = camel.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  onnxNames.set(camel, name);
  return name;
}

/** Attributes in natural types under camelCase names, as the schema wants them; `undefined` is an attribute left out. */
function attributesOf(schema: Schema, given: Readonly<Record<string, unknown>>): ReadonlyMap<string, Attribute> {
  const byCamel = new Map<string, Attribute>();
  for (const [camel, value] of Object.entries(given)) {
    if (value === undefined) continue;
    const name = schema.attributes.has(camel) ? camel : onnxName(camel);
    const expected = schema.attributes.get(name);
    if (expected === undefined)
      throw new HopfcoleError(
        'UNKNOWN_ATTRIBUTE',
        `${schema.opType} has no attribute '${camel}'; it has ${[...schema.attributes.keys()].map(camelName).join(', ') || 'none'}`,
        { operator: schema.opType, argument: camel },
      );
    byCamel.set(name, convertAttribute(expected.kind, value, schema.opType, camel));
  }
  // In the schema's order, so that the order of the caller's object does not show in the file.
  return new Map([...schema.attributes.keys()].flatMap((name) => pick(byCamel, name)));
}

function pick(attributes: Map<string, Attribute>, name: string): [string, Attribute][] {
  const attribute = attributes.get(name);
  return attribute === undefined ? [] : [[name, attribute]];
}

function camelName(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

export function convertAttribute(
  kind: AttributeSchema['kind'],
  value: unknown,
  operator: string,
  argument: string,
): Attribute {
  if (typeof value === 'object' && value !== null && 'reference' in value && typeof value.reference === 'string')
    return { kind: 'reference', value: value.reference, of: kind };
  const converted = converters[kind]?.(value);
  if (converted !== undefined) return converted;
  throw new HopfcoleError(
    'BAD_ATTRIBUTE',
    `expected ${expectations[kind]} for '${argument}', got ${describeGiven(value)}`,
    {
      operator,
      argument,
    },
  );
}

const expectations: Record<AttributeSchema['kind'], string> = {
  float: 'a number',
  int: 'an integer, a boolean or an element type',
  string: 'a string',
  tensor: 'a tensor',
  graph: 'a graph',
  type: 'a type',
  floats: 'a list of numbers',
  ints: 'a list of integers',
  strings: 'a list of strings',
  tensors: 'a list of tensors',
  graphs: 'a list of graphs',
  types: 'a list of types',
  carried: 'a sparse tensor message',
};

const converters: Partial<Record<AttributeSchema['kind'], (value: unknown) => Attribute | undefined>> = {
  float: (value) => (typeof value === 'number' ? { kind: 'float', value } : undefined),
  int: (value) => {
    const integer = toInteger(value);
    return integer === undefined ? undefined : { kind: 'int', value: integer };
  },
  string: (value) => (typeof value === 'string' || value instanceof Uint8Array ? { kind: 'string', value } : undefined),
  tensor: (value) => (isTensor(value) ? { kind: 'tensor', value } : undefined),
  graph: (value) => (isGraph(value) ? { kind: 'graph', value } : undefined),
  type: (value) => (isType(value) ? { kind: 'type', value } : undefined),
  floats: (value) => (isList(value, isNumber) ? { kind: 'floats', value } : undefined),
  ints: (value) => (isList(value, isInteger) ? { kind: 'ints', value } : undefined),
  strings: (value) => (isList(value, isString) ? { kind: 'strings', value } : undefined),
  carried: (value) => ({ kind: 'carried', value }),
};

function toInteger(value: unknown): number | bigint | undefined {
  if (isInteger(value)) return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  return typeof value === 'string' && Object.hasOwn(dtypes, value) ? dtypes[value as DType].code : undefined;
}

function isInteger(value: unknown): value is number | bigint {
  return Number.isSafeInteger(value) || typeof value === 'bigint';
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number';
}

function isString(value: unknown): value is string {
  return typeof value === 'string';
}

function isList<T>(value: unknown, is: (item: unknown) => item is T): value is readonly T[] {
  return Array.isArray(value) && value.every(is);
}

function isTensor(value: unknown): value is import('../files/tensor.ts').AnyTensor {
  return typeof value === 'object' && value !== null && 'dtype' in value && ('bytes' in value || 'range' in value);
}

function isGraph(value: unknown): value is import('./graph.ts').Graph {
  return typeof value === 'object' && value !== null && 'nodes' in value && 'outputs' in value;
}

function isType(value: unknown): value is ValueType {
  return typeof value === 'object' && value !== null && 'kind' in value;
}

function describeGiven(value: unknown): string {
  if (isValue(value)) return 'a Value';
  if (Array.isArray(value))
    return `[${value.slice(0, 4).map(describeGiven).join(', ')}${value.length > 4 ? ', ...' : ''}]`;
  if (typeof value === 'string') return `'${value}'`;
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
