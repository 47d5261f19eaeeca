import { HopfcoleError } from '../../files/error.ts';
import type { GraphInit, onnx, TensorInit } from '../../onnx/messages.ts';
import { parameterAt } from '../check.ts';
import type { Graph, Output } from '../graph.ts';
import { moduleKey } from '../module-path.ts';
import { schemaOf } from '../schema.ts';
import type { Node, Value } from '../value.ts';
import { attributesToProto } from './attributes.ts';
import { FreshNames, Scope } from './names.ts';
import { copyOf, keep, originOf } from './origins.ts';
import { propsToProto } from './props.ts';
import { tensorMessage } from './tensors.ts';
import { type Usage, usageOf } from './usage.ts';
import { ValueInfos } from './value-infos.ts';

type NodeInit = onnx.NodeProto.$Properties;
type ValueInfoInit = onnx.ValueInfoProto.$Properties;

/** A graph as its lists of messages, before they are put into a GraphProto or a FunctionProto. */
export interface WrittenGraph {
  readonly inputs: readonly Value[];
  readonly outputNames: readonly string[];
  readonly nodes: readonly NodeInit[];
  /** Parameters listed, then constants. */
  readonly initializers: readonly Value[];
  readonly nameOf: (value: Value) => string;
  readonly valueNamed: (name: string) => Value | undefined;
}

/** Writes the outermost graph of a model or of a function, with everything inside it. */
export class GraphWriter {
  private readonly usage: Usage;
  private readonly fresh: FreshNames;
  private readonly initializersAreInputs: boolean;

  constructor(root: Graph, initializersAreInputs = false) {
    this.usage = usageOf(root);
    this.fresh = new FreshNames(this.usage.names);
    this.initializersAreInputs = initializersAreInputs;
  }

  /** The lists of a graph, names given. */
  write(graph: Graph, outer?: Scope): WrittenGraph {
    const scope = new Scope(graph, outer, this.fresh);
    const loose = this.usage.loose.get(graph) ?? [];
    for (const value of graph.inputs) scope.settle(value, outer === undefined ? 'input' : 'arg');
    const initializers = [...graph.parameters, ...loose];
    // What asks for the name of an output that is still to be written (a copy, where one value is two outputs) gets another.
    scope.keepFree(graph.outputs.map(({ name }) => name));
    for (const value of initializers) {
      if (value.name === undefined || (value.source.kind === 'constant' && graph.origin === undefined))
        scope.settle(value, 'const');
      else scope.define(value, value.name);
    }
    const own = new Set(graph.nodes);
    this.nameOutputs(graph, scope, own);
    for (const node of graph.nodes) this.nameNode(node, scope);
    const nodes = graph.nodes.map((node) => this.node(node, scope));
    const outputNames = graph.outputs.map((output) => this.output(output, graph, scope, own, nodes));
    return {
      inputs: graph.inputs,
      outputNames,
      nodes,
      initializers,
      nameOf: (value) => nameIn(scope, value),
      valueNamed: (name) => scope.valueNamed(name),
    };
  }

  /** The message of a graph. */
  graph(graph: Graph, outer?: Scope): GraphInit {
    const origin = graph.origin as GraphInit | undefined;
    const written = this.write(graph, outer);
    const overridable = written.initializers.filter(
      ({ source }) => source.kind === 'parameter' && (source.overridable === true || this.initializersAreInputs),
    );
    const inputs = inFileOrder([...written.inputs, ...overridable], written.nameOf, origin?.input);
    const dense: TensorInit[] = [];
    const sparse: onnx.SparseTensorProto.$Properties[] = [];
    for (const value of written.initializers) {
      const message = sparseOrigin(value);
      if (message !== undefined) sparse.push(message);
      else if ('tensor' in value.source) dense.push(tensorMessage(written.nameOf(value), value.source.tensor));
    }
    const infos = new ValueInfos(graph);
    return {
      ...copyOf(origin),
      name: origin === undefined ? graph.name : (keep(origin.name, graph.name) ?? null),
      docString: keep(origin?.docString, graph.doc) ?? null,
      input: inputs.map((value) => infos.ofInput(written.nameOf(value), value)),
      output: graph.outputs.map(({ value }, index) => infos.ofOutput(written.outputNames[index] ?? '', value)),
      valueInfo: infos.ofValues(written.valueNamed),
      quantizationAnnotation: infos.annotations(written.valueNamed),
      node: [...written.nodes],
      initializer: dense,
      sparseInitializer: sparse,
      metadataProps: propsToProto(graph.metadata, origin?.metadataProps),
    };
  }

  /** Outputs of nodes take the name that the graph gives them, the first where it gives several. */
  private nameOutputs(graph: Graph, scope: Scope, own: ReadonlySet<Node>): void {
    for (const { name, value } of graph.outputs) {
      if (value.source.kind !== 'output' || !own.has(value.source.node)) continue;
      if (name === '' || scope.nameOf(value) !== undefined || !scope.free(name)) continue;
      scope.define(value, name);
    }
  }

  private nameNode(node: Node, scope: Scope): void {
    const stem = node.name ?? node.opType.toLowerCase();
    for (const value of node.outputs) if (scope.nameOf(value) === undefined) scope.settle(value, stem);
  }

  private node(node: Node, scope: Scope): NodeInit {
    const origin = node.origin as NodeInit | undefined;
    const sameDomain =
      origin !== undefined && (origin.domain === 'ai.onnx' ? '' : (origin.domain ?? '')) === node.domain;
    const name = node.name ?? (origin === undefined ? this.fresh.next(nodeStem(node)) : undefined);
    const written = {
      input: node.inputs.map((value) => (value === undefined ? '' : nameIn(scope, value, node))),
      output: this.outputsOf(node, scope),
      name: keep(origin?.name, name) ?? null,
      opType: keep(origin?.opType, node.opType) ?? null,
      domain: (sameDomain ? origin.domain : node.domain === '' ? null : node.domain) ?? null,
      overload: keep(origin?.overload, node.overload === '' ? undefined : node.overload) ?? null,
      docString: keep(origin?.docString, node.doc) ?? null,
      attribute: attributesToProto(node.attributes, (graph) => this.graph(graph, scope)),
      metadataProps: propsToProto(node.metadata, origin?.metadataProps),
    };
    if (origin === undefined) return written;
    return sameFields(origin, written) ? origin : Object.assign(copyOf(origin), written);
  }

  /** Optional outputs of a standard operator that nothing reads are not asked for. */
  private outputsOf(node: Node, scope: Scope): string[] {
    const names = node.outputs.map((value) => nameIn(scope, value, node));
    if (node.origin !== undefined || node.version === undefined) return names;
    const schema = schemaOf(node.opType, node.version, node.domain);
    if (schema === undefined) return names;
    node.outputs.forEach((value, index) => {
      const optional = parameterAt(schema.outputs, index)?.option === 'optional';
      if (optional && value.name === undefined && !this.usage.used.has(value)) names[index] = '';
    });
    while (names.at(-1) === '') names.pop();
    return names;
  }

  /** The written name of a graph's output; where its value has another name, or none of this graph's own, an Identity gives it. */
  private output(
    { name, value }: Output,
    graph: Graph,
    scope: Scope,
    nodesOfGraph: ReadonlySet<Node>,
    nodes: NodeInit[],
  ): string {
    const inner = nameIn(scope, value);
    const own = value.source.kind === 'output' && nodesOfGraph.has(value.source.node);
    if (
      name === inner &&
      (scope.outer === undefined || (graph.origin !== undefined && (own || !movedOut(value, graph))))
    )
      return name;
    if (own && (name === inner || (name === '' && !this.taken(scope).has(inner)))) {
      this.taken(scope).add(inner);
      return inner;
    }
    // A subgraph's outputs go by position: one that bears the name of an outer value takes another.
    const given = name === '' || name === inner ? this.fresh.next('identity') : name;
    scope.define(undefined, given);
    nodes.push({ opType: 'Identity', name: this.fresh.next('node_Identity'), input: [inner], output: [given] });
    return given;
  }

  private readonly outputsTaken = new WeakMap<Scope, Set<string>>();

  /** Names that are outputs of a graph already: a value that is an output twice gets an Identity. */
  private taken(scope: Scope): Set<string> {
    const known = this.outputsTaken.get(scope) ?? new Set<string>();
    this.outputsTaken.set(scope, known);
    return known;
  }
}

function nameIn(scope: Scope, value: Value, node?: Node): string {
  const name = scope.nameOf(value);
  if (name !== undefined) return name;
  throw new HopfcoleError(
    'UNDEFINED_NAME',
    `a value${value.name === undefined ? '' : ` '${value.name}'`} is used that no graph around it defines`,
    { node: node?.name, operator: node?.opType },
    'List it among the inputs, or make it in a graph that encloses its use',
  );
}

const writtenFields = [
  'input',
  'output',
  'name',
  'opType',
  'domain',
  'overload',
  'docString',
  'attribute',
  'metadataProps',
] as const satisfies readonly (keyof NodeInit)[];

/** Whether a message has these fields already, lists item by item. */
function sameFields(origin: NodeInit, written: Required<Pick<NodeInit, (typeof writtenFields)[number]>>): boolean {
  return writtenFields.every((field) => {
    const [value, before] = [written[field], origin[field] ?? null];
    if (!Array.isArray(value)) return before === value;
    return Array.isArray(before) && before.length === value.length && value.every((item, i) => item === before[i]);
  });
}

/** The sparse message that a parameter was read from. */
function sparseOrigin(value: Value): onnx.SparseTensorProto.$Properties | undefined {
  const made = 'tensor' in value.source ? value.source.tensor : value;
  const message = originOf<onnx.SparseTensorProto.$Properties>(made);
  return message !== undefined && 'indices' in message && 'values' in message ? message : undefined;
}

function inFileOrder(
  values: readonly Value[],
  nameOf: (value: Value) => string,
  before: readonly ValueInfoInit[] | undefined,
): readonly Value[] {
  if (before === undefined) return values;
  const place = new Map(before.map(({ name }, index) => [name ?? '', index]));
  const rank = (value: Value): number => place.get(nameOf(value)) ?? before.length;
  return values.toSorted((a, b) => rank(a) - rank(b));
}

/** A node that nobody named is called after its operator and the module it belongs to: `blocks.0.attn/MatMul`. */
function nodeStem({ metadata, opType }: Node): string {
  const module = metadata.get(moduleKey);
  return module === undefined ? `node_${opType}` : `${module}/${opType}`;
}

/** Whether a pass took a value out of a subgraph that was read: as a constant of the whole, or as what an outer node gives as well. */
function movedOut(value: Value, { origin, parameters }: Graph): boolean {
  if (parameters.includes(value)) return false;
  const nodes = (origin as GraphInit | undefined)?.node ?? [];
  return value.source.kind === 'constant' || nodes.some(({ output }) => output?.includes(value.name ?? '') === true);
}
