import { HopfcoleError, type Where } from '../files/error.ts';
import type { Attributes } from './attribute.ts';
import type { Parameter, Schema } from './schema.ts';
import { describeType, typeKey } from './type.ts';
import type { Value } from './value.ts';

/** What is checked of a call: a node, or one about to be made. */
export interface CheckedCall {
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes: Attributes;
  readonly outputCount: number;
}

/**
 * Holds a call against its operator's schema: arity, input types against the type variables, attribute names and kinds.
 * @throws WRONG_ARITY, DTYPE_MISMATCH, UNKNOWN_ATTRIBUTE, MISSING_ATTRIBUTE, BAD_ATTRIBUTE, DEPRECATED_OPERATOR.
 */
export function checkCall(schema: Schema, call: CheckedCall, where: Where = {}): void {
  const place = { operator: `${schema.opType} (version ${schema.sinceVersion})`, ...where };
  if (schema.deprecated)
    throw new HopfcoleError('DEPRECATED_OPERATOR', `${schema.opType} is no longer an operator at this opset`, place);
  checkInputs(schema, call.inputs, place);
  checkOutputs(schema, call.outputCount, place);
  checkAttributes(schema, call.attributes, place);
}

/** Type variables as the inputs bind them. */
export function bindTypes(schema: Schema, inputs: readonly (Value | undefined)[]): Map<string, string> {
  const bound = new Map<string, string>();
  inputs.forEach((value, index) => {
    const parameter = parameterAt(schema.inputs, index);
    const key = typeKey(value?.type);
    if (parameter !== undefined && key !== undefined && !parameter.heterogeneous && !bound.has(parameter.type))
      bound.set(parameter.type, key);
  });
  return bound;
}

/** The formal parameter of the index-th actual one: the last is repeated where it is variadic. */
export function parameterAt(parameters: readonly Parameter[], index: number): Parameter | undefined {
  if (index < parameters.length) return parameters[index];
  const last = parameters.at(-1);
  return last?.option === 'variadic' ? last : undefined;
}

function checkInputs(schema: Schema, inputs: readonly (Value | undefined)[], where: Where): void {
  checkCount('inputs', schema.inputs, schema.minInputs, inputs.length, where);
  const bound = new Map<string, { key: string; by: string }>();
  inputs.forEach((value, index) => {
    const parameter = parameterAt(schema.inputs, index);
    if (parameter === undefined) return;
    const place = { ...where, argument: parameter.name };
    if (value === undefined) {
      if (parameter.option !== 'optional')
        throw new HopfcoleError('MISSING_INPUT', `expected a value for '${parameter.name}', got none`, place);
      return;
    }
    const key = typeKey(value.type);
    if (key === undefined) return;
    const allowed = schema.constraints.get(parameter.type);
    if (allowed !== undefined ? !allowed.has(key) : key !== parameter.type)
      throw new HopfcoleError(
        'DTYPE_MISMATCH',
        `expected ${describeAllowed(allowed ?? new Set([parameter.type]))}, got ${describeType(value.type)}`,
        place,
        'Cast it first',
      );
    if (parameter.heterogeneous) return;
    const before = bound.get(parameter.type);
    if (before === undefined) bound.set(parameter.type, { key, by: parameter.name });
    else if (before.key !== key)
      throw new HopfcoleError(
        'DTYPE_MISMATCH',
        `expected the type of '${before.by}', ${before.key}, got ${describeType(value.type)}`,
        place,
        'Cast one to the type of the other',
      );
  });
}

function checkOutputs(schema: Schema, count: number, where: Where): void {
  checkCount('outputs', schema.outputs, schema.minOutputs, count, where);
}

function checkCount(what: string, parameters: readonly Parameter[], least: number, got: number, where: Where): void {
  const most = parameters.at(-1)?.option === 'variadic' ? Number.POSITIVE_INFINITY : parameters.length;
  if (got >= least && got <= most) return;
  const range =
    least === most ? `${least}` : most === Number.POSITIVE_INFINITY ? `at least ${least}` : `${least} to ${most}`;
  throw new HopfcoleError('WRONG_ARITY', `expected ${range} ${what}, got ${got}`, where);
}

function checkAttributes(schema: Schema, attributes: Attributes, where: Where): void {
  for (const [name, attribute] of attributes) {
    const expected = schema.attributes.get(name);
    const place = { ...where, argument: name };
    if (expected === undefined)
      throw new HopfcoleError(
        'UNKNOWN_ATTRIBUTE',
        `${schema.opType} has no attribute '${name}'; it has ${[...schema.attributes.keys()].join(', ') || 'none'}`,
        place,
      );
    const kind = attribute.kind === 'reference' ? attribute.of : attribute.kind;
    if (kind !== expected.kind)
      throw new HopfcoleError('BAD_ATTRIBUTE', `expected an attribute of kind ${expected.kind}, got ${kind}`, place);
  }
  for (const [name, { required }] of schema.attributes)
    if (required && !attributes.has(name))
      throw new HopfcoleError('MISSING_ATTRIBUTE', `expected the attribute '${name}', got none`, {
        ...where,
        argument: name,
      });
}

function describeAllowed(allowed: ReadonlySet<string>): string {
  return allowed.size === 1 ? [...allowed].join('') : `one of ${[...allowed].join(', ')}`;
}
