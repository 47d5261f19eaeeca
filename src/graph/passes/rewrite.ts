import { HopfcoleError } from '../../files/error.ts';
import type { Attribute, Attributes } from '../attribute.ts';
import type { FunctionDefinition } from '../function.ts';
import type { Graph, Model, Output } from '../graph.ts';
import { makeNode, makeValue, type NodeSpec } from '../make.ts';
import type { Inferred } from '../rule.ts';
import type { Node, Value } from '../value.ts';
import { capturesOf, usedBy } from '../walk.ts';
import { functionsInOrder } from './calls.ts';

/** The graph a visited node stands in: one object per graph, so that a pass can keep a scope's state under it. */
export interface Place {
  readonly graph: Graph;
  readonly outer: Place | undefined;
}

/**
 * What becomes of a node: undefined, it stays; otherwise the values that stand for its outputs from now on. Nodes those
 * values need are placed before them. An output replaced by undefined must have no reader left; `[]` drops the node.
 */
export type Replacement = readonly (Value | undefined)[] | undefined;

/** Called once per node, in order, subgraphs first. `node` has its inputs and subgraphs rewritten; `original` is the node as it was. */
export type Visit = (node: Node, original: Node, place: Place) => Replacement;

export interface RewriteOptions {
  /** Values that stand for others from the start. */
  readonly values?: ReadonlyMap<Value, Value>;
  /** Functions that stand for others in calls. */
  readonly functions?: ReadonlyMap<FunctionDefinition, FunctionDefinition>;
  /** Which nodes stay; those that do not are neither rebuilt nor visited. All without it. */
  readonly keepNode?: (original: Node) => boolean;
  /** Which of the parameters that are there stay; all without it. */
  readonly keepParameter?: (parameter: Value) => boolean;
  /** Makes a copy that can stand beside the original: every node, input and name is made anew. */
  readonly copy?: Copy;
}

interface Copy {
  /** The new name of a value, or of a node where `value` is undefined. */
  readonly rename: (name: string | undefined, value: Value | undefined) => string | undefined;
  /** What attributes become before a node is visited (a function's attribute references, when it is inlined). */
  readonly attribute?: (attribute: Attribute) => Attribute | undefined;
  /** Inputs of the graph that nothing stands for: a node that reads one reads nothing there. */
  readonly absent?: ReadonlySet<Value>;
  /** metadata_props for nodes that lack them. */
  readonly metadata?: ReadonlyMap<string, string>;
}

/**
 * A graph with some nodes replaced. Linear in the size of the graph; nodes not downstream of a change are the same objects,
 * and so is the graph when nothing changed. Types and names of rebuilt values stay as they were.
 */
export function rewriteGraph(graph: Graph, visit: Visit, options: RewriteOptions = {}): Graph {
  return new Rewriter(visit, options).outermost(graph);
}

/** A model rewritten: its functions (callees before callers), then its graph. */
export function rewriteModel(model: Model, visit: Visit): Model {
  const rewritten = new Map<FunctionDefinition, FunctionDefinition>();
  for (const definition of functionsInOrder(model.functions)) {
    const body = rewriteGraph(definition.body, visit, { functions: rewritten });
    rewritten.set(definition, body === definition.body ? definition : { ...definition, body });
  }
  const graph = rewriteGraph(model.graph, visit, { functions: rewritten });
  const functions = model.functions.map((definition) => rewritten.get(definition) ?? definition);
  const same = graph === model.graph && functions.every((definition, i) => definition === model.functions[i]);
  return same ? model : { ...model, graph, functions };
}

/** A model with its functions replaced, in calls too. `replace` is given each with its own calls replaced already. */
export function replaceFunctions(model: Model, replace: (definition: FunctionDefinition) => FunctionDefinition): Model {
  const functions = new Map<FunctionDefinition, FunctionDefinition>();
  const within = (graph: Graph): Graph => rewriteGraph(graph, () => undefined, { functions });
  for (const definition of functionsInOrder(model.functions))
    functions.set(definition, replace({ ...definition, body: within(definition.body) }));
  return {
    ...model,
    graph: within(model.graph),
    functions: model.functions.map((definition) => functions.get(definition) ?? definition),
  };
}

/** The same node with something else about it; what is not given stays, its outputs' names and types too. */
export function remake(node: Node, changes: Changes): Node {
  const spec: NodeSpec = {
    opType: node.opType,
    domain: node.domain,
    overload: node.overload,
    version: node.version,
    inputs: node.inputs,
    attributes: node.attributes,
    outputCount: node.outputs.length,
    outputNames: node.outputs.map((value) => value.name),
    inferred: node.outputs.map(({ type, known }) => ({ type, known })),
    name: node.name,
    doc: node.doc,
    metadata: node.metadata,
    callee: node.callee,
    origin: node.origin,
    ...changes,
  };
  return makeNode(changes.infer === true ? withoutTypes(spec) : spec);
}

export interface Changes extends Partial<NodeSpec> {
  /** Infer the outputs' types afresh. */
  readonly infer?: boolean;
}

function withoutTypes({ inferred: _, ...spec }: NodeSpec): NodeSpec {
  return spec;
}

class Rewriter {
  private readonly visit: Visit;
  private readonly options: RewriteOptions;
  private readonly values: Map<Value, Value>;
  private readonly removed = new Set<Value>();
  private readonly placed = new Set<Node>();
  private readonly parameters = new Set<Value>();

  constructor(visit: Visit, options: RewriteOptions) {
    this.visit = visit;
    this.options = options;
    this.values = new Map(options.values ?? []);
  }

  outermost(graph: Graph): Graph {
    const outside = [...capturesOf(graph), ...this.values.values()];
    for (const { source } of outside) if (source.kind === 'output') this.placed.add(source.node);
    for (const value of outside) if (value.source.kind === 'parameter') this.parameters.add(value);
    return this.graph(graph, undefined);
  }

  private graph(graph: Graph, outer: Place | undefined): Graph {
    const place: Place = { graph, outer };
    const inputs = changed(graph.inputs, (value) => this.own(value));
    const { keepParameter } = this.options;
    const kept = keepParameter === undefined ? graph.parameters : graph.parameters.filter(keepParameter);
    const parameters = [...changed(kept, (value) => this.own(value))];
    for (const value of parameters) this.parameters.add(value);
    const nodes: Node[] = [];
    for (const node of graph.nodes) {
      if (this.options.keepNode?.(node) === false) {
        this.stand(node, []);
        continue;
      }
      const current = this.rebuild(node, place);
      const replacement = this.visit(current, node, place);
      if (replacement === undefined) {
        nodes.push(current);
        this.placed.add(current);
        if (current !== node) this.stand(node, current.outputs);
      } else {
        this.stand(node, replacement);
        this.place(replacement, nodes, parameters);
      }
    }
    // In a copy the names that subgraphs gave are those of the original: the values' own new ones stand for them.
    const renamed = this.options.copy !== undefined && outer !== undefined;
    const outputs = changed(graph.outputs, (output): Output => {
      const value = this.valueOf(output.value);
      return value === output.value && !renamed ? output : { name: renamed ? '' : output.name, value };
    });
    this.place(
      outputs.map((output) => output.value),
      nodes,
      parameters,
    );
    const same =
      inputs === graph.inputs &&
      outputs === graph.outputs &&
      sameItems(parameters, graph.parameters) &&
      sameItems(nodes, graph.nodes);
    if (same) return graph;
    const origin = renamed ? undefined : graph.origin;
    return { ...graph, inputs, outputs, nodes, parameters, origin };
  }

  /** A value that the graph itself owns: an input or a parameter. */
  private own(value: Value): Value {
    const known = this.values.get(value);
    if (known !== undefined) return known;
    if (this.options.copy === undefined) return value;
    const copy = makeValue(value.source, value.type, this.options.copy.rename(value.name, value), value.known);
    this.values.set(value, copy);
    return copy;
  }

  private valueOf(value: Value): Value {
    if (this.removed.has(value))
      throw new HopfcoleError('BROKEN_GRAPH', 'a value is used after the node that makes it was removed', {
        tensor: value.name,
      });
    return this.values.get(value) ?? value;
  }

  private rebuild(node: Node, place: Place): Node {
    const { copy, functions } = this.options;
    const inputs = changed(node.inputs, (value) => this.inputOf(value));
    const attributes = this.attributes(node, place);
    const callee = node.callee === undefined ? undefined : (functions?.get(node.callee) ?? node.callee);
    if (copy !== undefined) return this.copied(node, copy, { inputs: trimmed(inputs), attributes, callee });
    const same = inputs === node.inputs && attributes === node.attributes && callee === node.callee;
    return same ? node : remake(node, { inputs, attributes, callee });
  }

  /** A copy's types are inferred from what it stands on now; where no rule tells, they stay. */
  private copied(node: Node, copy: Copy, changes: Changes): Node {
    const { metadata = none } = copy;
    const renamed = {
      ...changes,
      name: copy.rename(node.name, undefined),
      outputNames: node.outputs.map((value) => copy.rename(value.name, value)),
      metadata: metadata.size === 0 ? node.metadata : new Map([...metadata, ...node.metadata]),
      origin: undefined,
    };
    return remake(node, { ...renamed, inferred: refreshed(remake(node, { ...renamed, infer: true }), node) });
  }

  private inputOf(value: Value | undefined): Value | undefined {
    if (value === undefined || this.options.copy?.absent?.has(value) === true) return undefined;
    return this.valueOf(value);
  }

  private attributes(node: Node, place: Place): Attributes {
    const bind = this.options.copy?.attribute;
    let next: Map<string, Attribute> | undefined;
    for (const [name, attribute] of node.attributes) {
      const given = bind === undefined ? attribute : bind(attribute);
      const replaced = given === undefined ? undefined : this.subgraphs(given, place);
      if (replaced === attribute) continue;
      next ??= new Map(node.attributes);
      if (replaced === undefined) next.delete(name);
      else next.set(name, replaced);
    }
    return next ?? node.attributes;
  }

  private subgraphs(attribute: Attribute, place: Place): Attribute {
    if (attribute.kind === 'graph') {
      const graph = this.graph(attribute.value, place);
      return graph === attribute.value ? attribute : { kind: 'graph', value: graph };
    }
    if (attribute.kind === 'graphs') {
      const graphs = changed(attribute.value, (graph) => this.graph(graph, place));
      return graphs === attribute.value ? attribute : { kind: 'graphs', value: graphs };
    }
    return attribute;
  }

  private stand(node: Node, replacement: readonly (Value | undefined)[]): void {
    node.outputs.forEach((output, i) => {
      const value = replacement[i];
      if (value === undefined) this.removed.add(output);
      else if (value !== output) this.values.set(output, value);
    });
  }

  /** Puts the new nodes (and parameters) that values need into the graph, what they need first. */
  private place(values: readonly (Value | undefined)[], nodes: Node[], parameters: Value[]): void {
    const stack: { readonly node: Node; readonly needs: readonly (Value | undefined)[]; next: number }[] = [];
    const enter = (value: Value | undefined) => {
      if (value === undefined) return;
      const { source } = value;
      if (source.kind === 'parameter' && !this.parameters.has(value)) {
        this.parameters.add(value);
        parameters.push(value);
      }
      if (source.kind !== 'output' || this.placed.has(source.node)) return;
      this.placed.add(source.node);
      stack.push({ node: source.node, needs: usedBy(source.node), next: 0 });
    };
    for (const value of values) {
      enter(value);
      for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
        if (top.next < top.needs.length) enter(top.needs[top.next++]);
        else {
          nodes.push(top.node);
          stack.pop();
        }
      }
    }
  }
}

const none: ReadonlyMap<string, string> = new Map();

function refreshed(inferred: Node, before: Node): readonly Inferred[] {
  return inferred.outputs.map(({ type, known }, i) => ({ type: type ?? before.outputs[i]?.type, known }));
}

/** Inputs without the empty ones at the end. */
export function trimmed(inputs: readonly (Value | undefined)[]): readonly (Value | undefined)[] {
  let length = inputs.length;
  while (length > 0 && inputs[length - 1] === undefined) length--;
  return length === inputs.length ? inputs : inputs.slice(0, length);
}

/** `items` mapped; the same array where every item stays. */
function changed<T>(items: readonly T[], map: (item: T) => T): readonly T[] {
  let next: T[] | undefined;
  items.forEach((item, i) => {
    const mapped = map(item);
    if (mapped === item && next === undefined) return;
    next ??= items.slice(0, i);
    next.push(mapped);
  });
  return next ?? items;
}

function sameItems<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}
