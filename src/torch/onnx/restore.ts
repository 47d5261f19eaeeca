import type { Changed } from '../../costate/parameters/changed.ts';
import { programConstants } from '../../costate/parameters/constants.ts';
import { rewritten } from '../../costate/parameters/rewritten.ts';
import { untangled } from '../../costate/parameters/untangle.ts';
import { isFloat } from '../../files/dtype.ts';
import { HopfcoleError } from '../../files/error.ts';
import { type AnyTensor, isStored } from '../../files/tensor.ts';
import type { Graph, Model } from '../../graph/graph.ts';
import { makeValue } from '../../graph/make.ts';
import { opsetOf, raiseOpset } from '../../graph/passes/opset/raise.ts';
import { remake, rewriteGraph } from '../../graph/passes/rewrite.ts';
import type { Node, Value } from '../../graph/value.ts';
import { everyNode } from '../../graph/walk.ts';
import { zeroBiases } from './biases.ts';
import { Evidence } from './evidence.ts';
import type { Found } from './found.ts';
import { groupNorms } from './group-norms.ts';
import { packedRecurrences } from './recurrences.ts';
import { transposedWeights } from './transposes.ts';

/** A model whose parameters bear the names of the state dict, as far as the file tells, and what its exporter had made of them. */
export interface Restored {
  readonly model: Model;
  readonly changed: readonly Changed[];
}

/**
 * Undoes what PyTorch's exporters do to parameters, in a model as it was read: those stored once for several of equal numbers are apart again,
 * copies in another layout are made of the parameter, transposed weights of linear layers and packed ones of recurrent layers are PyTorch's
 * own, laid out in the graph; numbers of the program are constants; what has other numbers than its name says (a folded batch normalisation) bears
 * another name, `NAME.folded`. Every number the graph computes with stays bit for bit.
 */
export function restoreParameters(read: Model): Restored {
  if (!/pytorch/i.test(read.producer.name)) return { model: read, changed: [] };
  const given = ofMovesAsOperators(read);
  const constants = programConstants(given);
  const apart = untangled(given);
  const evidence = new Evidence(apart.model);
  const found = [transposedWeights, packedRecurrences, groupNorms, zeroBiases].flatMap((find) =>
    find(apart.model, evidence),
  );
  const altered = new Set(rewritten(given).map(({ name }) => name));
  const graph = withFound(apart.model.graph, found);
  const model = { ...given, graph: renamed(withCalls(graph, evidence), altered, constants) };
  const changed = unique([...apart.changed, ...separated(given, apart.model), ...found.flatMap((one) => one.changed)]);
  const more = unknownIn(model, evidence, changed);
  return { model, changed: [...changed, ...more, ...missingFrom(model, evidence, [...changed, ...more])] };
}

/** What lays parameters out is written in operators of opset 18 on; older models are raised to it first, as far as they can be. */
function ofMovesAsOperators(model: Model): Model {
  if ((opsetOf(model.opsets) ?? firstOpset) >= firstOpset) return model;
  try {
    return raiseOpset(model, firstOpset);
  } catch (error) {
    if (error instanceof HopfcoleError && error.code === 'UNSUPPORTED_CONVERSION') return model;
    throw error;
  }
}

const firstOpset = 18;

/** The nodes that make copies of parameters say what call they are for, as the node that reads the copy does: else the file would not, once written. */
function withCalls(graph: Graph, evidence: Evidence): Graph {
  return rewriteGraph(graph, (node, original) => {
    const [reader] = original.origin === undefined ? evidence.readersOf(original.outputs[0]) : [];
    if (reader === undefined || reader.metadata.size === 0 || node.metadata.size > 0) return undefined;
    return remake(node, { metadata: reader.metadata }).outputs;
  });
}

/** The graph with what was found made of its parameters; that is made first, so that subgraphs can use it too. */
function withFound(graph: Graph, found: readonly Found[]): Graph {
  if (found.length === 0) return graph;
  const made = new Map<string, Value>();
  const places = new Map<Node, Map<number, Value>>();
  for (const { node, input, key, make } of found) {
    const value = made.get(key) ?? make();
    made.set(key, value);
    const places_ = places.get(node) ?? new Map<number, Value>();
    places.set(node, places_.set(input, value));
  }
  const first: Node[] = [];
  const parameters: Value[] = [];
  const enter = (value: Value): void => {
    if (value.source.kind === 'parameter') parameters.push(value);
    if (value.source.kind !== 'output' || first.includes(value.source.node)) return;
    for (const input of value.source.node.inputs) if (input !== undefined) enter(input);
    first.push(value.source.node);
  };
  for (const value of made.values()) enter(value);
  const seeded = { ...graph, nodes: [...first, ...graph.nodes], parameters: [...graph.parameters, ...parameters] };
  const rewritten = rewriteGraph(seeded, (node, original) => {
    const inputs = places.get(original);
    if (inputs === undefined) return undefined;
    const length = Math.max(node.inputs.length, ...[...inputs.keys()].map((index) => index + 1));
    const all = Array.from({ length }, (_, index) => inputs.get(index) ?? node.inputs[index]);
    return remake(node, { inputs: all }).outputs;
  });
  return withoutUnread(rewritten, new Set(found.map(({ node, input }) => node.inputs[input])));
}

function withoutUnread(graph: Graph, candidates: ReadonlySet<Value | undefined>): Graph {
  const read = new Set<Value | undefined>(graph.outputs.map(({ value }) => value));
  for (const node of everyNode(graph)) for (const value of node.inputs) read.add(value);
  return { ...graph, parameters: graph.parameters.filter((value) => read.has(value) || !candidates.has(value)) };
}

function renamed(graph: Graph, altered: ReadonlySet<string>, constants: ReadonlySet<string>): Graph {
  const values = new Map<Value, Value>();
  for (const value of graph.parameters) {
    const { source, type, name = '', dtype } = value;
    if (source.kind !== 'parameter' || source.overridable === true) continue;
    if (altered.has(name)) values.set(value, makeValue(source, type, `${name}.folded`));
    else if (constants.has(name) && dtype !== undefined && isFloat(dtype) && !isStored(source.tensor))
      values.set(value, makeValue({ kind: 'constant', tensor: source.tensor }, type, name));
  }
  if (values.size === 0) return graph;
  return rewriteGraph(graph, () => undefined, {
    values,
    keepParameter: (value) => values.get(value)?.source.kind !== 'constant',
  });
}

/** Parameters that the file has under another one's name, or laid out anew beside it. */
function separated(before: Model, after: Model): readonly Changed[] {
  const had = new Map<AnyTensor, string>();
  const names = new Set<string>();
  for (const { name = '', source } of before.graph.parameters) {
    names.add(name);
    if (source.kind === 'parameter' && !had.has(source.tensor)) had.set(source.tensor, name);
  }
  const kept = new Set(after.graph.parameters.map(({ name }) => name ?? ''));
  const twins = after.graph.parameters.flatMap(({ name = '', source }) => {
    const holder = source.kind === 'parameter' ? had.get(source.tensor) : undefined;
    return names.has(name) || holder === undefined
      ? []
      : [{ name, why: `the exporter stored it as '${holder}', whose numbers are equal` }];
  });
  const copies = [...names].flatMap((name) =>
    kept.has(name)
      ? []
      : [{ name, why: 'it is a copy of a parameter of the file in another layout, and made of that' }],
  );
  return [...twins, ...copies];
}

/** Initializers under names that exporters make up, of which the file does not say what they are of. */
function unknownIn(model: Model, evidence: Evidence, known: readonly Changed[]): readonly Changed[] {
  const told = new Set(known.map(({ name }) => name));
  return model.graph.parameters.flatMap((value) => {
    const { name = '', dtype } = value;
    if (dtype === undefined || !isFloat(dtype) || told.has(name)) return [];
    if (name.startsWith('onnx::'))
      return [{ name, why: 'the exporter computed it, of parameters that the file does not name' }];
    const sources = evidence.sourcesOf(value) ?? [];
    return sources.length === 0 ? [] : [{ name, why: `the exporter computed it of ${sources.join(', ')}` }];
  });
}

/** Parameters and buffers that torch.export's exporter lists and the file does not have. */
function missingFrom(model: Model, evidence: Evidence, known: readonly Changed[]): readonly Changed[] {
  const there = new Set([...model.graph.parameters.map(({ name }) => name ?? ''), ...known.map(({ name }) => name)]);
  const why = 'it is not in the file: the exporter folded it into others, it is tied to one, or nothing needs it';
  return [...evidence.targets].flatMap((name) => (there.has(name) ? [] : [{ name, why }]));
}

function unique(changed: readonly Changed[]): readonly Changed[] {
  const byName = new Map<string, Changed>();
  for (const one of changed) if (!byName.has(one.name)) byName.set(one.name, one);
  return [...byName.values()];
}
