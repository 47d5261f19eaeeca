import { HopfcoleError } from '../../files/error.ts';
import { differentDims } from '../../graph/dim.ts';
import type { Graph, Model, Output } from '../../graph/graph.ts';
import { inputValue } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import { constantIntegers } from '../../graph/passes/constants.ts';
import { type Replacement, remake, rewriteGraph } from '../../graph/passes/rewrite.ts';
import { reached } from '../../graph/subgraph.ts';
import type { Node, Value } from '../../graph/value.ts';
import { everyNode, usedBy } from '../../graph/walk.ts';
import { int, ints } from '../pieces.ts';
import { withResolvedSequences } from './resolved.ts';
import { bodyOf } from './turning.ts';

/**
 * A model whose loops that append a tensor to a list in every turn, as `outs.append(h)` is exported, give the tensors stacked instead: a
 * list cannot be kept for the way back, and a stack can. What reads the list reads the stack; a turn that reads the last element carries it.
 */
export function withStackedLists(model: Model): Model {
  const graph = rewriteGraph(model.graph, (node) => {
    if (node.domain !== '' || node.opType !== 'Loop') return undefined;
    for (let index = 2; index < node.inputs.length; index++) {
      const list = listAt(node, index);
      if (list !== undefined) return stacked(node, list);
    }
    return undefined;
  });
  if (graph === model.graph) return withResolvedSequences(model);
  // One list of a loop at a time.
  return withStackedLists({ ...model, graph });
}

/** A list that a Loop carries and only appends to. */
interface List {
  /** Where the Loop carries it. */
  readonly index: number;
  /** What the list holds before the first turn. */
  readonly start: readonly Value[];
  /** The body's list as a turn begins with it, and the node that appends to it. */
  readonly inside: Value;
  readonly insert: Node;
  readonly element: Value;
}

function listAt(node: Node, index: number): List | undefined {
  const body = bodyOf(node);
  const [inside, result] = [body.inputs[index], body.outputs[index - 1]?.value];
  const start = elementsOf(node.inputs[index]);
  if (inside?.type?.kind !== 'sequence' || result?.source.kind !== 'output' || start === undefined) return undefined;
  const insert = result.source.node;
  const element = insert.inputs[1];
  if (insert.opType !== 'SequenceInsert' || insert.inputs[0] !== inside || insert.inputs[2] !== undefined)
    return undefined;
  if (element === undefined || !body.nodes.includes(insert)) return undefined;
  const isRead = (one: Node): boolean =>
    one !== insert &&
    usedBy(one).some((value) => value === result || (value === inside && !isKnownRead(one, inside, start)));
  const again = body.outputs.filter(({ value }) => value === inside || value === result);
  if (body.nodes.some(isRead) || again.length !== 1) return undefined;
  return start.every((value) => alike(value, element)) ? { index, start, inside, insert, element } : undefined;
}

/** Whether a node asks for the last element, where there is always one, or for the length. */
function isKnownRead(node: Node, list: Value, start: readonly Value[]): boolean {
  if (node.domain !== '' || node.inputs[0] !== list) return false;
  if (node.opType === 'SequenceLength') return true;
  return node.opType === 'SequenceAt' && start.length > 0 && constantIntegers(node.inputs[1])?.[0] === -1;
}

function elementsOf(value: Value | undefined): readonly Value[] | undefined {
  const node = value?.source.kind === 'output' ? value.source.node : undefined;
  if (node?.domain !== '') return undefined;
  if (node.opType === 'SequenceEmpty') return [];
  return node.opType === 'SequenceConstruct' ? node.inputs.filter((element) => element !== undefined) : undefined;
}

/** Whether two tensors may be stacked on each other. */
function alike(a: Value, b: Value): boolean {
  if (a.shape === undefined || b.shape === undefined) return true;
  return a.shape.length === b.shape.length && a.shape.every((dim, axis) => !differentDims(dim, b.shape?.[axis]));
}

/** What stands for the outputs of the Loop: the list is the slices of a stack. */
function stacked(node: Node, list: List): Replacement {
  const body = bodyOf(node);
  const { index, start } = list;
  const first = start.at(-1);
  const last = first === undefined ? undefined : inputValue(undefined, list.element.type);
  const [turn] = body.inputs;
  const within = rewriteGraph(
    { ...body, outputs: body.outputs.toSpliced(index - 1, 1, { name: '', value: list.element }) },
    (_, one): Replacement => {
      if (one.inputs[0] !== list.inside || one === list.insert) return undefined;
      if (one.opType === 'SequenceAt' && last !== undefined) return [last];
      if (one.opType !== 'SequenceLength' || turn === undefined) return undefined;
      const single = turn.shape?.length === 1 ? op.squeeze(turn, ints(0)) : turn;
      return [op.add(single, int(start.length))];
    },
  );
  const element = within.outputs[index - 1]?.value;
  if (element === undefined) throw new HopfcoleError('BROKEN_GRAPH', 'the body of a Loop lacks the list it carries');
  const carriesLast = last !== undefined && [...everyNode(within)].some((one) => one.inputs.includes(last));
  const kept = within.outputs.toSpliced(index - 1, 1, ...(carriesLast ? [{ name: '', value: element }] : []));
  const outputs: Output[] = [...kept, { name: '', value: element }];
  const inner: Graph = {
    ...within,
    inputs: body.inputs.toSpliced(index, 1, ...(carriesLast ? [last] : [])),
    nodes: reached(
      within.nodes,
      outputs.map(({ value }) => value),
    ),
    outputs,
    origin: undefined,
  };
  const place = index - 2;
  const there = node.outputs.map((value, at) => (at === place ? undefined : value));
  const old = carriesLast ? there : there.toSpliced(place, 1);
  const changes = {
    inputs: node.inputs.toSpliced(index, 1, ...(carriesLast ? [first] : [])),
    attributes: new Map(node.attributes).set('body', { kind: 'graph', value: inner }),
    outputCount: old.length + 1,
    outputNames: [...old.map((value) => value?.name), undefined],
    origin: undefined,
  };
  const types = remake(node, { ...changes, infer: true }).outputs;
  const made = remake(node, { ...changes, inferred: types.map((value, at) => old[at] ?? value) }).outputs;
  const stack = made.at(-1) as Value;
  const all =
    start.length === 0 ? stack : op.concat([...start.map((value) => op.unsqueeze(value, ints(0))), stack], { axis: 0 });
  const slices = op.splitToSequence(all, undefined, { axis: 0, keepdims: 0 });
  return node.outputs.map((_, at) => {
    if (at === place) return slices;
    return made[at < place || carriesLast ? at : at - 1];
  });
}
