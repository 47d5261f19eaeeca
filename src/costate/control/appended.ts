import type { Graph, Model, Output } from '../../graph/graph.ts';
import * as op from '../../graph/op.ts';
import { remake, rewriteGraph } from '../../graph/passes/rewrite.ts';
import type { Node, Value } from '../../graph/value.ts';
import { everyNode, usedBy } from '../../graph/walk.ts';
import { withResolvedSequences } from './resolved.ts';
import { bodyOf } from './turning.ts';

/**
 * A model whose loops that append a tensor to a list in every turn, as `outs.append(h)` is exported, give the tensors stacked instead: a
 * list cannot be kept for the way back, and a stack can. What reads the list reads the stack.
 */
export function withStackedLists(model: Model): Model {
  const graph = rewriteGraph(model.graph, (node) => {
    if (node.domain !== '' || node.opType !== 'Loop') return undefined;
    const place = node.inputs.findIndex((_, index) => index >= 2 && appendedIn(node, index) !== undefined);
    return place < 0 ? undefined : stacked(node, place);
  });
  if (graph === model.graph) return withResolvedSequences(model);
  // One list of a loop at a time.
  return withStackedLists({ ...model, graph });
}

/** What the body appends to the list that is carried at this input and does nothing else with; undefined where it is no such list. */
function appendedIn(node: Node, index: number): Value | undefined {
  const body = bodyOf(node);
  const [list, result] = [body.inputs[index], body.outputs[index - 1]?.value];
  const start = node.inputs[index];
  if (list?.type?.kind !== 'sequence' || result?.source.kind !== 'output' || !startsEmpty(start)) return undefined;
  const insert = result.source.node;
  if (insert.opType !== 'SequenceInsert' || insert.inputs[0] !== list || insert.inputs[2] !== undefined)
    return undefined;
  const readers = [...everyNode(body)].filter((one) => usedBy(one).includes(list) || usedBy(one).includes(result));
  const again = body.outputs.filter(({ value }) => value === list || value === result);
  return readers.length === 1 && again.length === 1 ? insert.inputs[1] : undefined;
}

function startsEmpty(value: Value | undefined): boolean {
  return value?.source.kind === 'output' && value.source.node.opType === 'SequenceEmpty';
}

function stacked(node: Node, index: number): readonly Value[] {
  const body = bodyOf(node);
  const element = appendedIn(node, index) as Value;
  const result = body.outputs[index - 1]?.value;
  const insert = result?.source.kind === 'output' ? result.source.node : undefined;
  const copy = op.identity(element);
  const own = copy.source.kind === 'output' ? [copy.source.node] : [];
  const outputs: Output[] = [...body.outputs.filter((_, at) => at !== index - 1), { name: '', value: copy }];
  const inner: Graph = {
    ...body,
    inputs: body.inputs.filter((_, at) => at !== index),
    nodes: [...body.nodes.filter((one) => one !== insert), ...own],
    outputs,
    origin: undefined,
  };
  const place = index - 2;
  const kept = node.outputs.filter((_, at) => at !== place);
  const changes = {
    inputs: node.inputs.filter((_, at) => at !== index),
    attributes: new Map(node.attributes).set('body', { kind: 'graph', value: inner }),
    outputCount: node.outputs.length,
    outputNames: [...kept.map(({ name }) => name), undefined],
    origin: undefined,
  };
  const types = remake(node, { ...changes, infer: true }).outputs;
  const made = remake(node, { ...changes, inferred: types.map((value, at) => kept[at] ?? value) }).outputs;
  const list = op.splitToSequence(made.at(-1) as Value, undefined, { axis: 0, keepdims: 0 });
  return node.outputs.map((_, at) => (at === place ? list : (made[at < place ? at : at - 1] as Value)));
}
