import type { Attribute } from '../../attribute.ts';
import type { AttributeSchema, Schema } from '../../schema.ts';
import type { Node } from '../../value.ts';
import { unsupported, withAttributes } from './conversion.ts';

/** Optimisation hints of the first opsets: nothing depends on them. */
const hints = new Set(['consumed_inputs']);

/**
 * A node whose operator only gained types, optional inputs or attributes with a neutral default between two versions: the same
 * node under the other version. Where a default differs, the one in force so far is written out.
 * @throws UNSUPPORTED_CONVERSION where the node says something the other version cannot.
 */
export function retagged(node: Node, from: Schema, to: Schema): Node {
  const fail = (why: string) => unsupported(node, to.sinceVersion, why);
  if (to.deprecated) throw fail('the operator is deprecated there');
  if (!sameOrder(from.inputs, to.inputs, node.inputs.length)) throw fail('its inputs have changed');
  if (node.outputs.length > to.outputs.length && to.outputs.at(-1)?.option !== 'variadic')
    throw fail(`it has ${node.outputs.length} outputs, there are ${to.outputs.length}`);
  const changes: Record<string, Attribute | undefined> = {};
  for (const [name, attribute] of node.attributes) {
    const there = to.attributes.get(name);
    if (there === undefined) {
      if (!hints.has(name) && !isDefault(attribute, from.attributes.get(name)))
        throw fail(`attribute '${name}' does not exist there`);
      changes[name] = undefined;
    } else if (kindOf(attribute) !== there.kind)
      throw fail(`attribute '${name}' is a ${there.kind} there, a ${kindOf(attribute)} here`);
  }
  for (const [name, here] of from.attributes) {
    const there = to.attributes.get(name);
    if (node.attributes.has(name) || there === undefined || same(here.defaultValue, there.defaultValue)) continue;
    const written = defaultAttribute(here);
    if (written !== undefined) changes[name] = written;
    else if (there.required) throw fail(`attribute '${name}' is required there`);
  }
  for (const [name, there] of to.attributes)
    if (there.required && !node.attributes.has(name) && !(name in changes))
      throw fail(`attribute '${name}' is required there`);
  return withAttributes(node, changes, { version: to.sinceVersion });
}

function kindOf(attribute: Attribute): Exclude<Attribute['kind'], 'reference'> {
  return attribute.kind === 'reference' ? attribute.of : attribute.kind;
}

function sameOrder(a: Schema['inputs'], b: Schema['inputs'], used: number): boolean {
  const variadic = a.at(-1)?.option === 'variadic' && b.at(-1)?.option === 'variadic';
  if (variadic) return a.length === b.length;
  return used <= b.length && a.slice(0, used).every(({ name }, i) => name === b[i]?.name || a.length === b.length);
}

function isDefault(attribute: Attribute, schema: AttributeSchema | undefined): boolean {
  if (schema?.defaultValue === undefined) return false;
  const standard = defaultAttribute(schema);
  return standard !== undefined && 'value' in attribute && same(plain(attribute), plain(standard));
}

function plain(attribute: Attribute): unknown {
  const { value } = attribute;
  return typeof value === 'bigint' ? Number(value) : value;
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function defaultAttribute({ kind, defaultValue }: AttributeSchema): Attribute | undefined {
  if (typeof defaultValue === 'number' && (kind === 'int' || kind === 'float')) return { kind, value: defaultValue };
  if (typeof defaultValue === 'string' && kind === 'string') return { kind, value: defaultValue };
  if (!Array.isArray(defaultValue)) return undefined;
  if (kind === 'strings') return { kind, value: defaultValue as readonly string[] };
  return kind === 'ints' || kind === 'floats' ? { kind, value: defaultValue as readonly number[] } : undefined;
}
