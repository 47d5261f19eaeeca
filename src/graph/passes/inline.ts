import { HopfcoleError } from '../../files/error.ts';
import type { Attribute } from '../attribute.ts';
import type { FunctionDefinition } from '../function.ts';
import type { Graph, Model } from '../graph.ts';
import type { Node, Value } from '../value.ts';
import { everyNode } from '../walk.ts';
import { calleeOf, functionsInOrder, functionTable } from './calls.ts';
import { Names } from './names.ts';
import { alignOpsets } from './opset/align.ts';
import { type Replacement, rewriteGraph } from './rewrite.ts';

export interface InlineOptions {
  /** Which calls are replaced by their function's body: all by default. */
  readonly which?: (definition: FunctionDefinition, call: Node) => boolean;
  /** Nodes that inlining may build in all, counted before anything is built. */
  readonly limit?: number;
}

/** More than any network that people write by hand or by exporter; a file that asks for more is a bomb. */
export const inlineLimit = 2_000_000;

/**
 * A model with calls of its functions replaced by their bodies: attribute references and defaults bound, optional inputs that
 * a call leaves empty taken out of the nodes that read them, names kept readable and unique (`call/inner`).
 * Functions that nothing calls any more are gone.
 * @throws RECURSIVE_FUNCTION, INLINE_TOO_LARGE.
 */
export function inlineFunctions(given: Model, options: InlineOptions = {}): Model {
  const { which = () => true, limit = inlineLimit } = options;
  functionsInOrder(given.functions);
  const model = alignOpsets(given);
  const table = functionTable(model.functions);
  const reached = new Set(reachable(model, table));
  const order = functionsInOrder(model.functions).filter((definition) => reached.has(definition));
  const chosen = (node: Node): FunctionDefinition | undefined => {
    const callee = calleeOf(node, table);
    return callee !== undefined && which(callee, node) ? callee : undefined;
  };
  checkSize(model, order, chosen, limit);
  const bodies = new Map<FunctionDefinition, FunctionDefinition>();
  const inlined = (graph: Graph): Graph => {
    const names = new Names(graph);
    const visit = (node: Node, original: Node): Replacement => {
      const callee = chosen(original);
      return callee === undefined ? undefined : expand(node, bodies.get(callee) ?? callee, names);
    };
    return rewriteGraph(graph, visit, { functions: bodies });
  };
  for (const definition of order) {
    const body = inlined(definition.body);
    bodies.set(definition, body === definition.body ? definition : { ...definition, body });
  }
  const graph = inlined(model.graph);
  if (graph === model.graph && bodies.size === 0 && model.functions.length === 0) return model;
  const functions = model.functions.map((definition) => bodies.get(definition) ?? definition);
  return withoutUncalled({ ...model, graph, functions });
}

/**
 * A model without calls that leave an input of a model-local function empty: such calls are inlined, as some runtimes crash on
 * them. Repeated, as an inlined body may pass its own empty input on.
 */
export function resolveEmptyOptionals(model: Model): Model {
  const leavesEmpty = (definition: FunctionDefinition, call: Node): boolean =>
    definition.body.inputs.some((_, i) => call.inputs[i] === undefined);
  let current = model;
  for (let round = 0; round <= model.functions.length; round++) {
    const table = functionTable(current.functions);
    const graphs = [current.graph, ...[...reachable(current, table)].map(({ body }) => body)];
    const calls = graphs.flatMap((graph) => [...everyNode(graph)]);
    const found = calls.some((node) => {
      const callee = calleeOf(node, table);
      return callee !== undefined && leavesEmpty(callee, node);
    });
    if (!found) return current;
    current = inlineFunctions(current, { which: leavesEmpty });
  }
  return current;
}

/** The body of a function in place of a call of it. */
function expand(call: Node, definition: FunctionDefinition, names: Names): readonly (Value | undefined)[] {
  const { body, defaults } = definition;
  const values = new Map<Value, Value>();
  const absent = new Set<Value>();
  body.inputs.forEach((input, i) => {
    const given = call.inputs[i];
    if (given === undefined) absent.add(input);
    else values.set(input, given);
  });
  if (call.inputs.length > body.inputs.length)
    throw new HopfcoleError(
      'BAD_ARITY',
      `function ${definition.name} takes at most ${body.inputs.length} inputs, got ${call.inputs.length}`,
      { node: call.name, operator: definition.name },
    );
  const kept = new Map<Value, string>();
  body.outputs.forEach(({ value }, i) => {
    const name = call.outputs[i]?.name;
    if (name !== undefined && value.source.kind === 'output' && !kept.has(value)) kept.set(value, name);
  });
  const prefix = names.fresh(call.name ?? call.opType, 'call');
  const copy = {
    rename: (name: string | undefined, value: Value | undefined) =>
      (value === undefined ? undefined : kept.get(value)) ??
      (name === undefined || name === ''
        ? name
        : names.fresh(`${prefix}/${name}`, value === undefined ? 'node' : 'value')),
    attribute: (attribute: Attribute) =>
      attribute.kind === 'reference'
        ? (call.attributes.get(attribute.value) ?? defaults.get(attribute.value))
        : attribute,
    absent,
    metadata: call.metadata,
  };
  const copied = rewriteGraph(body, () => undefined, { values, copy });
  return call.outputs.map((_, i) => {
    const value = copied.outputs[i]?.value;
    return value === undefined || absent.has(value) ? undefined : value;
  });
}

function checkSize(
  model: Model,
  order: readonly FunctionDefinition[],
  chosen: (node: Node) => FunctionDefinition | undefined,
  limit: number,
): void {
  const sizes = new Map<FunctionDefinition, number>();
  let total = 0;
  const sizeOf = (graph: Graph): number => {
    let size = 0;
    for (const node of everyNode(graph)) {
      const callee = chosen(node);
      size += callee === undefined ? 1 : (sizes.get(callee) ?? 0);
    }
    return size;
  };
  for (const definition of order) {
    const size = sizeOf(definition.body);
    sizes.set(definition, size);
    total += size;
    if (!(total <= limit)) throw tooLarge(total, limit, definition.name);
  }
  total += sizeOf(model.graph);
  if (!(total <= limit)) throw tooLarge(total, limit, undefined);
}

function tooLarge(size: number, limit: number, operator: string | undefined): HopfcoleError {
  return new HopfcoleError(
    'INLINE_TOO_LARGE',
    `inlining the functions would build ${size} nodes, more than ${limit}`,
    { operator },
    'Keep the functions, or raise the limit if the file can be trusted',
  );
}

function* reachable(model: Model, table: ReadonlyMap<string, FunctionDefinition>): Generator<FunctionDefinition> {
  const seen = new Set<FunctionDefinition>();
  const graphs = [model.graph];
  for (let graph = graphs.pop(); graph !== undefined; graph = graphs.pop())
    for (const node of everyNode(graph)) {
      const callee = calleeOf(node, table);
      if (callee === undefined || seen.has(callee)) continue;
      seen.add(callee);
      yield callee;
      graphs.push(callee.body);
    }
}

function withoutUncalled(model: Model): Model {
  const table = functionTable(model.functions);
  const called = new Set(reachable(model, table));
  return { ...model, functions: model.functions.filter((definition) => called.has(definition)) };
}
