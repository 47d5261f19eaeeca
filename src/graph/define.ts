import { HopfcoleError } from '../files/error.ts';
import { atCaller, convertAttribute, isValue } from './apply.ts';
import type { Attribute, Attributes } from './attribute.ts';
import type { CostateRule } from './costate.ts';
import type { FunctionDefinition } from './function.ts';
import type { Graph } from './graph.ts';
import { inputValue, makeNode } from './make.ts';
import { defaultOpset } from './model.ts';
import { withModule } from './module-path.ts';
import { subgraph } from './subgraph.ts';
import type { Value } from './value.ts';
import { capturesOf, everyNode } from './walk.ts';

type AttributeKind = 'float' | 'int' | 'string' | 'tensor' | 'floats' | 'ints' | 'strings';

/** A function of one's own: its names, and how its body is built. */
export interface FunctionSpec {
  readonly domain: string;
  readonly name: string;
  /** Tells functions of one name apart (IR 10). */
  readonly overload?: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Attributes a call gives; one without a default must be given. In the body they are `attributeReference(name)`. */
  readonly attributes?: Readonly<Record<string, { readonly kind: AttributeKind; readonly default?: unknown }>>;
  /** The opset of the constructors that the body uses. */
  readonly opset?: number;
  readonly doc?: string;
  readonly metadata?: ReadonlyMap<string, string>;
  /** How the co-state passes through a call. */
  readonly costate?: CostateRule;
  /** Builds the body once, on inputs of no known type. Constants are its own; other outer values cannot be captured. */
  readonly build: (inputs: readonly Value[]) => readonly Value[];
}

/**
 * A model-local function. Its body is built here, once, for every dtype and shape; `call` makes nodes that call it.
 * @throws WRONG_ARITY, DUPLICATE_NAME, VALUE_OUT_OF_SCOPE (a captured value), UNKNOWN_ATTRIBUTE (a reference to an attribute it does not have).
 */
export function defineFunction(spec: FunctionSpec): FunctionDefinition {
  const where = { operator: `${spec.domain}::${spec.name}` };
  if (new Set([...spec.inputs, ...spec.outputs]).size !== spec.inputs.length + spec.outputs.length)
    throw new HopfcoleError('DUPLICATE_NAME', 'two inputs or outputs of a function have one name', where);
  const inputs = spec.inputs.map((name) => inputValue(name, undefined));
  const built = withModule(undefined, () => subgraph(spec.name, inputs, () => spec.build(inputs)));
  if (built.outputs.length !== spec.outputs.length)
    throw new HopfcoleError(
      'WRONG_ARITY',
      `expected the body to give ${spec.outputs.length} outputs, got ${built.outputs.length}`,
      where,
    );
  const body: Graph = {
    ...built,
    outputs: built.outputs.map(({ value }, index) => ({ name: spec.outputs[index] ?? '', value })),
  };
  const captured = capturesOf(body).find(({ source }) => source.kind !== 'constant');
  if (captured !== undefined)
    throw new HopfcoleError(
      'VALUE_OUT_OF_SCOPE',
      `the body uses a value from outside${captured.name === undefined ? '' : `, '${captured.name}'`}`,
      where,
      'Make it an input of the function',
    );
  const given = Object.entries(spec.attributes ?? {});
  const defaults = new Map<string, Attribute>();
  for (const [name, { kind, default: value }] of given)
    if (value !== undefined) defaults.set(name, convertAttribute(kind, value, where.operator, name));
  const definition: FunctionDefinition = {
    domain: spec.domain,
    name: spec.name,
    overload: spec.overload ?? '',
    body,
    attributes: given.flatMap(([name, { default: value }]) => (value === undefined ? [name] : [])),
    defaults,
    opsets: new Map([['', spec.opset ?? defaultOpset]]),
    doc: spec.doc,
    metadata: spec.metadata ?? new Map(),
    ...(spec.costate === undefined ? {} : { costate: spec.costate }),
    origin: undefined,
  };
  const declared = new Map(given.map(([name, { kind }]) => [name, kind]));
  for (const [name, kind] of referencesIn(body))
    if (declared.get(name) !== kind)
      throw new HopfcoleError(
        'UNKNOWN_ATTRIBUTE',
        `the body refers to the ${kind} attribute '${name}', which the function does not declare`,
        { ...where, argument: name },
      );
  return definition;
}

/**
 * A call of a function: one value per output, their types inferred through its body. Trailing inputs may be left out.
 * @throws WRONG_ARITY, MISSING_ATTRIBUTE, UNKNOWN_ATTRIBUTE, BAD_ATTRIBUTE, and whatever the body finds wrong with these inputs.
 */
export function call(
  definition: FunctionDefinition,
  inputs: readonly (Value | undefined)[],
  attributes: Readonly<Record<string, unknown>> = {},
): readonly Value[] {
  try {
    const { name, domain, overload, body } = definition;
    if (inputs.length > body.inputs.length)
      throw new HopfcoleError('WRONG_ARITY', `expected at most ${body.inputs.length} inputs, got ${inputs.length}`);
    const wrong = inputs.findIndex((value) => value !== undefined && !isValue(value));
    if (wrong >= 0) throw new HopfcoleError('BAD_ARGUMENT', 'expected a Value', { argument: body.inputs[wrong]?.name });
    return makeNode({
      opType: name,
      domain,
      overload,
      inputs: inputs.slice(0, inputs.findLastIndex((value) => value !== undefined) + 1),
      attributes: attributesOfCall(definition, attributes),
      outputCount: body.outputs.length,
      callee: definition,
    }).outputs;
  } catch (error) {
    throw atCaller(error, call, `${definition.domain}::${definition.name}`);
  }
}

function attributesOfCall(definition: FunctionDefinition, given: Readonly<Record<string, unknown>>): Attributes {
  const kinds = referencesIn(definition.body);
  const known = [...definition.attributes, ...definition.defaults.keys()];
  const attributes = new Map<string, Attribute>();
  const operator = `${definition.domain}::${definition.name}`;
  for (const name of Object.keys(given))
    if (!known.includes(name))
      throw new HopfcoleError(
        'UNKNOWN_ATTRIBUTE',
        `there is no attribute '${name}'; there are ${known.join(', ') || 'none'}`,
        {
          argument: name,
        },
      );
  for (const name of known) {
    const value = given[name];
    const byDefault = definition.defaults.get(name);
    if (value === undefined) {
      if (byDefault === undefined)
        throw new HopfcoleError('MISSING_ATTRIBUTE', `expected the attribute '${name}', got none`, { argument: name });
      continue;
    }
    const kind = byDefault?.kind ?? kinds.get(name);
    if (kind === undefined || kind === 'reference')
      throw new HopfcoleError('UNKNOWN_ATTRIBUTE', `nothing in the function reads the attribute '${name}'`, {
        argument: name,
      });
    attributes.set(name, convertAttribute(kind, value, operator, name));
  }
  return attributes;
}

const references = new WeakMap<Graph, ReadonlyMap<string, Exclude<Attribute['kind'], 'reference'>>>();

/** The attributes a body refers to, and of which kind they are. */
function referencesIn(body: Graph): ReadonlyMap<string, Exclude<Attribute['kind'], 'reference'>> {
  const known = references.get(body);
  if (known !== undefined) return known;
  const found = new Map<string, Exclude<Attribute['kind'], 'reference'>>();
  for (const node of everyNode(body))
    for (const attribute of node.attributes.values())
      if (attribute.kind === 'reference') found.set(attribute.value, attribute.of);
  references.set(body, found);
  return found;
}
