import { HopfcoleError } from '../../../files/error.ts';
import { fromNumbers } from '../../../files/tensor.ts';
import type { Attribute, Attributes } from '../../attribute.ts';
import { constant, makeNode } from '../../make.ts';
import { schemaOf } from '../../schema.ts';
import type { Node, Value } from '../../value.ts';
import { type Changes, remake } from '../rewrite.ts';

/** What a conversion may use. */
export interface Context {
  /** The opset asked for, at least 13. */
  readonly target: number;
}

/**
 * One operator's step from the version before to the version it is registered under: the node as that version writes it
 * (further steps follow), or the values that stand for its outputs, made of operators of the target opset (no step follows).
 */
export type Conversion = (node: Node, context: Context) => Node | readonly (Value | undefined)[];

/** Conversions by `OpType@version`. */
export type Conversions = Readonly<Record<string, Conversion>>;

/** A helper node of the target opset. */
export function helper(
  { target }: Context,
  opType: string,
  inputs: readonly (Value | undefined)[],
  attributes: Attributes = new Map(),
): Value {
  const version = schemaOf(opType, target)?.sinceVersion;
  const [output] = makeNode({ opType, version, inputs, attributes, outputCount: 1 }).outputs;
  if (output === undefined) throw new HopfcoleError('BROKEN_GRAPH', `${opType} has no output`);
  return output;
}

/** The last node of a conversion, in the target opset: takes over the converted node's names and types. */
export function successor(
  { target }: Context,
  node: Node,
  opType: string,
  inputs: readonly (Value | undefined)[],
  attributes: Attributes,
): readonly Value[] {
  return remake(node, { opType, version: schemaOf(opType, target)?.sinceVersion, inputs, attributes }).outputs;
}

export function withAttributes(
  node: Node,
  changes: Readonly<Record<string, Attribute | undefined>>,
  more: Changes = {},
): Node {
  const attributes = new Map(node.attributes);
  for (const [name, attribute] of Object.entries(changes))
    if (attribute === undefined) attributes.delete(name);
    else attributes.set(name, attribute);
  return remake(node, { attributes, ...more });
}

/** A scalar of the element type of `like`, where that is not known (a function's body) by CastLike. */
export function scalarLike(context: Context, like: Value, value: number): Value {
  if (like.dtype !== undefined) return constant(fromNumbers(like.dtype, [], [value]));
  if (context.target < 15)
    throw new HopfcoleError('UNSUPPORTED_CONVERSION', 'an input of unknown element type needs opset 15 (CastLike)');
  return helper(context, 'CastLike', [constant(fromNumbers('float32', [], [value])), like]);
}

/** @throws UNSUPPORTED_CONVERSION with the node, the operator and both versions. */
export function unsupported(node: Node, to: number, why: string): HopfcoleError {
  return new HopfcoleError(
    'UNSUPPORTED_CONVERSION',
    `cannot convert ${node.opType} from version ${node.version ?? '?'} to ${to}: ${why}`,
    { node: node.name, operator: node.opType, tensor: node.outputs[0]?.name },
    'Export the model again at the newer opset',
  );
}

/** The ints of an attribute; undefined where it is absent. @throws UNSUPPORTED_CONVERSION for a function's attribute reference. */
export function intsOf(node: Node, name: string, to: number): readonly (number | bigint)[] | undefined {
  const attribute = node.attributes.get(name);
  if (attribute === undefined) return undefined;
  if (attribute.kind === 'ints') return attribute.value;
  throw unsupported(node, to, `attribute '${name}' is a ${attribute.kind}, expected integers`);
}

export function numberOf(node: Node, name: string, otherwise: number, to: number): number {
  const attribute = node.attributes.get(name);
  if (attribute === undefined) return otherwise;
  if (attribute.kind === 'int' || attribute.kind === 'float') return Number(attribute.value);
  throw unsupported(node, to, `attribute '${name}' is a ${attribute.kind}, expected a number`);
}

export function string(value: string): Attribute {
  return { kind: 'string', value };
}

export function integer(value: number): Attribute {
  return { kind: 'int', value };
}
