import { HopfcoleError } from '../files/error.ts';
import { isStored } from '../files/tensor.ts';
import type { FunctionDefinition } from './function.ts';
import { collectFunctions } from './functions.ts';
import type { Graph, Model, Output } from './graph.ts';
import { rewriteGraph } from './passes/rewrite.ts';
import { schemaOf } from './schema.ts';
import { bareGraph } from './subgraph.ts';
import type { Node, Value } from './value.ts';
import { subgraphsOf, usedBy } from './walk.ts';

/** What `model` makes a model of. */
export interface ModelSpec {
  /** Made by `input`, in the order they are written. */
  readonly inputs: readonly Value[];
  /** By name, in order. */
  readonly outputs: Readonly<Record<string, Value>> | readonly Output[];
  readonly name?: string;
  /** Version of ai.onnx; the operators must be those of this opset. */
  readonly opset?: number;
  readonly ir?: number;
  /** Versions of further domains; a function's domain is at version 1 unless it says otherwise here. */
  readonly opsets?: Readonly<Record<string, number>>;
  readonly metadata?: Readonly<Record<string, string>> | ReadonlyMap<string, string>;
  /** Functions beside those that the graph calls. */
  readonly functions?: readonly FunctionDefinition[];
  readonly producer?: { readonly name: string; readonly version: string };
  readonly domain?: string;
  readonly modelVersion?: number | bigint;
  readonly doc?: string;
}

/** The opset and the IR version that models are of where nothing else is said: every provider hopfcole targets runs them. */
export const defaultOpset = 21;
export const defaultIr = 10;
const firstIrWithFunctions = 8;
const firstIrWithOverloads = 10;

/**
 * A model of what the outputs reach, in topological order; parameters in the order of their first use.
 * The same spec gives the same model, and the same bytes.
 * @throws DUPLICATE_NAME, DUPLICATE_FUNCTION, UNLISTED_INPUT, OPSET_MISMATCH, VALUE_OUT_OF_SCOPE, BAD_ARGUMENT.
 */
export function model(spec: ModelSpec): Model {
  const { inputs, opset = defaultOpset, ir = defaultIr } = spec;
  const outputs = outputsOf(spec);
  checkInputs(inputs);
  const found = reach(inputs, outputs);
  const { nodes, parameters, outputs: written } = mergeParameters(spec.name ?? 'hopfcole', inputs, outputs, found);
  checkScopes(nodes);
  checkNames(inputs, parameters, outputs);
  const functions = collectFunctions(nodes, spec.functions ?? []);
  if (functions.length > 0 && ir < firstIrWithFunctions) throw irTooOld('functions', firstIrWithFunctions, ir);
  if (functions.some(({ overload }) => overload !== '') && ir < firstIrWithOverloads)
    throw irTooOld('overloads of functions', firstIrWithOverloads, ir);
  const opsets = opsetsOf(spec, opset, [{ nodes, within: undefined }, ...functions.map(bodyOf)], functions);
  return {
    graph: {
      name: spec.name ?? 'hopfcole',
      inputs,
      outputs: written,
      nodes,
      parameters,
      doc: undefined,
      metadata: new Map(),
      origin: undefined,
    },
    functions,
    opsets,
    irVersion: ir,
    producer: spec.producer ?? { name: 'hopfcole', version: '' },
    domain: spec.domain ?? '',
    modelVersion: spec.modelVersion ?? 0,
    doc: spec.doc,
    metadata: spec.metadata instanceof Map ? spec.metadata : new Map(Object.entries(spec.metadata ?? {})),
    origin: undefined,
  };
}

function outputsOf(spec: ModelSpec): readonly Output[] {
  const { outputs } = spec;
  const list = isList(outputs) ? outputs : Object.entries(outputs).map(([name, value]) => ({ name, value }));
  if (list.length === 0) throw new HopfcoleError('BAD_ARGUMENT', 'a model needs an output', { argument: 'outputs' });
  return list;
}

function isList(outputs: ModelSpec['outputs']): outputs is readonly Output[] {
  return Array.isArray(outputs);
}

function checkInputs(inputs: readonly Value[]): void {
  for (const { source, name } of inputs) {
    const isInput = source.kind === 'input' || (source.kind === 'parameter' && source.overridable === true);
    if (!isInput)
      throw new HopfcoleError('BAD_ARGUMENT', `expected inputs made by input(), got a ${source.kind}`, {
        argument: 'inputs',
        tensor: name,
      });
    if (name === undefined || name === '')
      throw new HopfcoleError('BAD_ARGUMENT', 'an input of a model needs a name', { argument: 'inputs' });
  }
}

/** Nodes in topological order and parameters, found from the outputs backward without recursion. */
function reach(inputs: readonly Value[], outputs: readonly Output[]): Reached {
  const listed = new Set(inputs);
  const nodes: Node[] = [];
  const parameters = new Set<Value>();
  const unlisted = new Set<Value>();
  const entered = new Set<Node>();
  const stack: { readonly node: Node; readonly needs: readonly (Value | undefined)[]; next: number }[] = [];
  const enter = (value: Value | undefined): void => {
    if (value === undefined) return;
    const { source } = value;
    if (source.kind === 'parameter' && !listed.has(value)) parameters.add(value);
    if (source.kind === 'input' && !listed.has(value)) unlisted.add(value);
    if (source.kind !== 'output' || entered.has(source.node)) return;
    entered.add(source.node);
    stack.push({ node: source.node, needs: usedBy(source.node), next: 0 });
  };
  for (const { value } of outputs) {
    enter(value);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      if (top.next < top.needs.length) enter(top.needs[top.next++]);
      else {
        nodes.push(top.node);
        stack.pop();
      }
    }
  }
  if (unlisted.size > 0)
    throw new HopfcoleError(
      'UNLISTED_INPUT',
      `the outputs depend on inputs that are not listed: ${[...unlisted].map(({ name }) => name ?? 'one of a subgraph or function').join(', ')}`,
      { argument: 'inputs' },
      'List them among the inputs; inputs of a subgraph can only be used inside it',
    );
  const defaults = inputs.filter(({ source }) => source.kind === 'parameter');
  return { nodes, parameters: [...defaults, ...parameters] };
}

interface Reached {
  readonly nodes: readonly Node[];
  readonly parameters: readonly Value[];
}

/** Parameters of one name must be one tensor; where they are several Values the first stands for all. */
function mergeParameters(
  name: string,
  inputs: readonly Value[],
  outputs: readonly Output[],
  { nodes, parameters: found }: Reached,
): Reached & { readonly outputs: readonly Output[] } {
  const byName = new Map<string, Value>();
  const values = new Map<Value, Value>();
  for (const value of found) {
    const key = value.name ?? '';
    const before = byName.get(key);
    if (before === undefined) byName.set(key, value);
    else if (sameTensor(before, value)) values.set(value, before);
    else
      throw new HopfcoleError(
        'DUPLICATE_NAME',
        `two different parameters are named '${key}'`,
        { tensor: key },
        'Give one of them another name',
      );
  }
  const parameters = [...byName.values()];
  if (values.size === 0) return { nodes, parameters, outputs };
  const graph = { ...bareGraph(name, inputs, [], nodes), outputs, parameters };
  return rewriteGraph(graph, () => undefined, { values });
}

/** Whether two parameters are views of the same data, of one dtype and shape. */
function sameTensor(a: Value, b: Value): boolean {
  if (a.source.kind !== 'parameter' || b.source.kind !== 'parameter') return false;
  const [one, other] = [a.source.tensor, b.source.tensor];
  if (one === other) return true;
  if (one.dtype !== other.dtype || one.shape.join() !== other.shape.join()) return false;
  if (isStored(one) || isStored(other))
    return (
      isStored(one) &&
      isStored(other) &&
      one.range.source === other.range.source &&
      one.range.offset === other.range.offset &&
      one.range.length === other.range.length
    );
  return (
    one.bytes.buffer === other.bytes.buffer && one.bytes.byteOffset === other.bytes.byteOffset && one.dtype !== 'string'
  );
}

/** A value made inside one subgraph cannot be read from another graph. */
function checkScopes(nodes: readonly Node[]): void {
  const homes = new Map<Node, Graph | undefined>(nodes.map((node) => [node, undefined]));
  const graphs = nodes.flatMap(subgraphsOf);
  for (let graph = graphs.pop(); graph !== undefined; graph = graphs.pop())
    for (const node of graph.nodes) {
      if (homes.has(node) && homes.get(node) !== graph)
        throw new HopfcoleError(
          'VALUE_OUT_OF_SCOPE',
          'a value made inside a subgraph is used outside it',
          { operator: node.opType, node: node.name },
          'Make it before the subgraph, or return it from the subgraph',
        );
      homes.set(node, graph);
      graphs.push(...subgraphsOf(node));
    }
}

function checkNames(inputs: readonly Value[], parameters: readonly Value[], outputs: readonly Output[]): void {
  const taken = new Map<string, Value>();
  for (const value of [...inputs, ...parameters]) {
    const name = value.name ?? '';
    const before = taken.get(name);
    if (before !== undefined && before !== value) throw duplicate(name);
    taken.set(name, value);
  }
  const given = new Set<string>();
  for (const { name } of outputs) {
    if (name === '')
      throw new HopfcoleError('BAD_ARGUMENT', 'an output of a model needs a name', { argument: 'outputs' });
    if (given.has(name) || taken.has(name)) throw duplicate(name);
    given.add(name);
  }
}

function duplicate(name: string): HopfcoleError {
  return new HopfcoleError(
    'DUPLICATE_NAME',
    `two inputs, parameters or outputs are named '${name}'`,
    { tensor: name },
    'Give one of them another name',
  );
}

interface Body {
  readonly nodes: readonly Node[];
  readonly within: string | undefined;
}

function bodyOf({ name, body }: FunctionDefinition): Body {
  return { nodes: body.nodes, within: name };
}

/** Imports of the model, after checking that every standard operator is the one in force there. */
function opsetsOf(
  spec: ModelSpec,
  opset: number,
  bodies: readonly Body[],
  functions: readonly FunctionDefinition[],
): ReadonlyMap<string, number> {
  const opsets = new Map([['', opset], ...Object.entries(spec.opsets ?? {})]);
  for (const { domain } of functions) if (!opsets.has(domain)) opsets.set(domain, 1);
  for (const { nodes, within } of bodies) {
    const pending: Graph[] = [];
    checkVersions(nodes, opsets, within, pending);
    for (let graph = pending.pop(); graph !== undefined; graph = pending.pop())
      checkVersions(graph.nodes, opsets, within, pending);
  }
  return opsets;
}

function checkVersions(
  nodes: readonly Node[],
  opsets: Map<string, number>,
  within: string | undefined,
  pending: Graph[],
): void {
  for (const node of nodes) {
    pending.push(...subgraphsOf(node));
    if (node.version === undefined) {
      if (node.callee === undefined && !opsets.has(node.domain)) opsets.set(node.domain, 1);
      continue;
    }
    const target = opsets.get(node.domain) ?? node.version;
    if (!opsets.has(node.domain)) opsets.set(node.domain, target);
    const inForce = schemaOf(node.opType, target, node.domain)?.sinceVersion;
    if (inForce === node.version) continue;
    throw new HopfcoleError(
      'OPSET_MISMATCH',
      `the model is of opset ${target}, where ${node.opType} has ${inForce === undefined ? 'no version' : `version ${inForce}`}, but it was made as version ${node.version}`,
      { node: node.name, operator: node.opType, at: within === undefined ? undefined : `function ${within}` },
      'Make it with the constructors of that opset, or raise it with raiseOpset',
    );
  }
}

function irTooOld(what: string, needed: number, got: number): HopfcoleError {
  return new HopfcoleError('BAD_ARGUMENT', `${what} need IR ${needed} or newer, got ${got}`, { argument: 'ir' });
}
