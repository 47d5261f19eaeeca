import type { Attribute } from './attribute.ts';
import { newestOpsets, packedSchemas } from './generated/schema.ts';

/** One formal input or output of an operator. */
export interface Parameter {
  readonly name: string;
  readonly option: 'single' | 'optional' | 'variadic';
  /** A variadic parameter whose items may differ in type. */
  readonly heterogeneous: boolean;
  /** The type variable, or a concrete type in the form of `typeKey`. */
  readonly type: string;
  /** Least number of items of a variadic parameter. */
  readonly minArity: number;
}

export interface AttributeSchema {
  readonly kind: Exclude<Attribute['kind'], 'reference'>;
  readonly required: boolean;
  readonly defaultValue: number | string | readonly number[] | readonly string[] | undefined;
}

/** The facts of one version of one operator. */
export interface Schema {
  readonly domain: string;
  readonly opType: string;
  readonly sinceVersion: number;
  readonly deprecated: boolean;
  readonly inputs: readonly Parameter[];
  readonly outputs: readonly Parameter[];
  /** Least number of inputs (outputs) a node must name. */
  readonly minInputs: number;
  readonly minOutputs: number;
  /** Type variable -> what it may stand for, as `typeKey` writes types. */
  readonly constraints: ReadonlyMap<string, ReadonlySet<string>>;
  readonly attributes: ReadonlyMap<string, AttributeSchema>;
}

type PackedParameter = [name: string, option: string, type: string, minArity: number];
type PackedAttribute = [kind: AttributeSchema['kind'], required: number, value?: AttributeSchema['defaultValue']];
type PackedSchema = [
  since: number,
  deprecated: number,
  inputs: PackedParameter[],
  outputs: PackedParameter[],
  constraints: Record<string, number>,
  attributes: Record<string, PackedAttribute>,
  minInputs: number,
  minOutputs: number,
];
interface Packed {
  readonly types: string[];
  readonly sets: number[][];
  readonly domains: Record<string, Record<string, PackedSchema[]>>;
}

let parsed: Map<string, Map<string, PackedSchema[]>> | undefined;
let sets: ReadonlySet<string>[] = [];
const unpacked = new Map<PackedSchema, Schema>();

function table(): Map<string, Map<string, PackedSchema[]>> {
  if (parsed !== undefined) return parsed;
  const packed = JSON.parse(packedSchemas) as Packed;
  sets = packed.sets.map((set) => new Set(set.map((index) => packed.types[index] ?? '')));
  parsed = new Map(Object.entries(packed.domains).map(([domain, ops]) => [domain, new Map(Object.entries(ops))]));
  return parsed;
}

/** ONNX knows ai.onnx under two names. */
export function canonicalDomain(domain: string): string {
  return domain === 'ai.onnx' ? '' : domain;
}

/** The schema in force at an opset (the newest version not above it), deprecated ones included; undefined for an operator that is not known there. */
export function schemaOf(opType: string, opset: number, domain = ''): Schema | undefined {
  const canonical = canonicalDomain(domain);
  const found = table()
    .get(canonical)
    ?.get(opType)
    ?.findLast(([since]) => since <= opset);
  if (found === undefined) return undefined;
  const known = unpacked.get(found);
  if (known !== undefined) return known;
  const schema = unpack(canonical, opType, found);
  unpacked.set(found, schema);
  return schema;
}

/** Every version of an operator, oldest first; empty for one the table does not know. */
export function versionsOf(opType: string, domain = ''): readonly number[] {
  return (
    table()
      .get(canonicalDomain(domain))
      ?.get(opType)
      ?.map(([since]) => since) ?? []
  );
}

/** All operators of a domain that the table knows. */
export function operatorsOf(domain = ''): readonly string[] {
  return [...(table().get(canonicalDomain(domain))?.keys() ?? [])];
}

/** The newest opset whose operators the table knows, undefined for a domain it does not cover. */
export function newestOpset(domain = ''): number | undefined {
  return newestOpsets[canonicalDomain(domain)];
}

function unpack(domain: string, opType: string, packed: PackedSchema): Schema {
  const [sinceVersion, deprecated, inputs, outputs, constraints, attributes, minInputs, minOutputs] = packed;
  return {
    domain,
    opType,
    sinceVersion,
    deprecated: deprecated === 1,
    inputs: inputs.map(unpackParameter),
    outputs: outputs.map(unpackParameter),
    minInputs,
    minOutputs,
    constraints: new Map(
      Object.entries(constraints).map(([variable, set]) => [variable, sets[set] ?? new Set<string>()]),
    ),
    attributes: new Map(
      Object.entries(attributes).map(([name, [kind, required, defaultValue]]) => [
        name,
        { kind, required: required === 1, defaultValue },
      ]),
    ),
  };
}

const options = { s: 'single', o: 'optional', v: 'variadic' } as const;

function unpackParameter([name, option, type, minArity]: PackedParameter): Parameter {
  return {
    name,
    option: options[option[0] as keyof typeof options],
    heterogeneous: option.endsWith('*'),
    type,
    minArity,
  };
}
