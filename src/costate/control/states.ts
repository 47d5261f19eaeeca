import type { Graph, Model, Output } from '../../graph/graph.ts';
import * as op from '../../graph/op.ts';
import { remake, rewriteGraph } from '../../graph/passes/rewrite.ts';
import type { Node, Value } from '../../graph/value.ts';
import { everyGraph } from '../../graph/walk.ts';
import { bodyOf, firstState, isTurning, stateCount } from './turning.ts';

/** A graph, and the values in it that stand for those that were followed. */
export interface Recorded {
  readonly graph: Graph;
  readonly followed: readonly Value[];
}

/** metadata_props key of a loop that gives its states: the index of the first of them among its outputs. */
const key = 'hopfcole.states';

/**
 * A graph whose loops also give each carried tensor as it was before every turn, stacked, for the way back to take from there. Loops that
 * do so already stay; those inside others are among them.
 */
export function recordStates(graph: Graph, followed: readonly Value[]): Recorded {
  const asOutputs = followed.map((value): Output => ({ name: '', value }));
  const rewritten = rewriteGraph({ ...graph, outputs: [...graph.outputs, ...asOutputs] }, (node) =>
    isTurning(node) && !node.metadata.has(key) ? recording(node) : undefined,
  );
  const count = graph.outputs.length;
  return {
    graph: { ...rewritten, outputs: rewritten.outputs.slice(0, count) },
    followed: rewritten.outputs.slice(count).map(({ value }) => value),
  };
}

/** For each carried state the stack of what it was before every turn; undefined where it is no tensor. */
export function stacksOf(node: Node): readonly (Value | undefined)[] {
  const first = Number(node.metadata.get(key) ?? Number.NaN);
  let next = first;
  return statesOf(node).map((state) => (isTensor(state) && first >= 0 ? node.outputs[next++] : undefined));
}

function statesOf(node: Node): readonly Value[] {
  const start = firstState(node);
  return bodyOf(node).inputs.slice(start, start + stateCount(node));
}

function isTensor({ type }: Value): boolean {
  return type === undefined || type.kind === 'tensor';
}

function recording(node: Node): readonly Value[] | undefined {
  const body = bodyOf(node);
  const copies = statesOf(node)
    .filter(isTensor)
    .map((state) => op.identity(state));
  if (copies.length === 0) return undefined;
  const nodes = copies.flatMap(({ source }) => (source.kind === 'output' ? [source.node] : []));
  const outputs = [...body.outputs, ...copies.map((value): Output => ({ name: '', value }))];
  const recordingBody: Graph = { ...body, nodes: [...body.nodes, ...nodes], outputs, origin: undefined };
  const attributes = new Map(node.attributes).set('body', { kind: 'graph', value: recordingBody });
  for (const name of ['scan_output_axes', 'scan_output_directions']) {
    const given = attributes.get(name);
    if (given?.kind === 'ints') attributes.set(name, { kind: 'ints', value: [...given.value, ...copies.map(() => 0)] });
  }
  const before = node.outputs.length;
  const made = remakeWith(node, before + copies.length, {
    attributes,
    metadata: new Map([...node.metadata, [key, String(before)]]),
    origin: undefined,
  });
  return made.outputs.slice(0, before);
}

/** The node with more outputs; those it had keep their names and types. */
function remakeWith(node: Node, outputCount: number, changes: Parameters<typeof remake>[1]): Node {
  const { outputs } = remake(node, { ...changes, outputCount, outputNames: [], infer: true });
  return remake(node, {
    ...changes,
    outputCount,
    inferred: outputs.map((value, index) => node.outputs[index] ?? value),
  });
}

/** A model whose loops give only the states that something reads, and do not tell of it any more. */
export function withoutUnreadStates(model: Model): Model {
  const read = new Set<Value>();
  for (const graph of everyGraph(model.graph)) {
    for (const { inputs } of graph.nodes) for (const value of inputs) if (value !== undefined) read.add(value);
    for (const { value } of graph.outputs) read.add(value);
  }
  const graph = rewriteGraph(model.graph, (node, original) => {
    const first = Number(node.metadata.get(key) ?? Number.NaN);
    return first >= 0 ? unrecording(node, original, first, read) : undefined;
  });
  return graph === model.graph ? model : { ...model, graph };
}

function unrecording(
  node: Node,
  original: Node,
  first: number,
  read: ReadonlySet<Value>,
): readonly (Value | undefined)[] {
  const kept = original.outputs.map((value, index) => index < first || read.has(value));
  const body = bodyOf(node);
  // A Loop's body has the condition before what the Loop gives.
  const lead = body.outputs.length - node.outputs.length;
  const outputs = body.outputs.filter((_, index) => index < lead || kept[index - lead] === true);
  const attributes = new Map(node.attributes).set('body', {
    kind: 'graph',
    value: { ...body, outputs, origin: undefined },
  });
  const scans = stateCount(node);
  for (const name of ['scan_output_axes', 'scan_output_directions']) {
    const given = attributes.get(name);
    if (given?.kind === 'ints')
      attributes.set(name, { kind: 'ints', value: given.value.filter((_, index) => kept[scans + index] === true) });
  }
  const metadata = new Map(node.metadata);
  metadata.delete(key);
  const there = node.outputs.filter((_, index) => kept[index] === true);
  const made = remake(node, {
    attributes,
    metadata,
    outputCount: there.length,
    outputNames: there.map(({ name }) => name),
    inferred: there.map(({ type, known }) => ({ type, known })),
  });
  let next = 0;
  return kept.map((one) => (one ? made.outputs[next++] : undefined));
}
