import type { Graph, Model } from '../../graph/graph.ts';
import * as op from '../../graph/op.ts';
import { constantIntegers } from '../../graph/passes/constants.ts';
import { remake, rewriteGraph } from '../../graph/passes/rewrite.ts';
import type { Node, Value } from '../../graph/value.ts';
import { everyNode } from '../../graph/walk.ts';
import { int, ints, sizeOf } from '../pieces.ts';

/** A model in which what reads a list whose elements are known by place, or are the slices of a tensor, reads those. */
export function withResolvedSequences(model: Model): Model {
  const lists = model.graph.nodes.some(({ opType, domain }) => domain === '' && opType.includes('Sequence'));
  if (!lists) return model;
  const graph = rewriteGraph(model.graph, (node) => {
    const [list] = node.inputs;
    if (node.domain !== '' || list === undefined) return undefined;
    const found = read(node, list);
    return found === undefined ? undefined : [found];
  });
  return graph === model.graph ? model : { ...model, graph: typed(graph) };
}

/** Ranks that no list knew are known now. */
function typed(graph: Graph): Graph {
  return rewriteGraph(graph, (node) => {
    const open = node.outputs.some(({ type, shape }) => type?.kind !== 'sequence' && shape === undefined);
    return open ? remake(node, { infer: true }).outputs : undefined;
  });
}

/**
 * A model whose lists of single slices are said to be without their axis, as ONNX Runtime makes them and PyTorch's exporter of unbind means
 * them: with a size of 1 the standard keeps the axis. The shapes in such a file are wrong from there on, and are found again.
 */
export function withSingleSlices(model: Model): Model {
  if (![...everyNode(model.graph)].some(isUnbound)) return model;
  const graph = rewriteGraph(model.graph, (node) => {
    const inputs = isUnbound(node) ? node.inputs.slice(0, 1) : node.inputs;
    const { outputs } = remake(node, { inputs, origin: undefined, infer: true });
    const inferred = outputs.map((value, index) => (isKnown(value) ? value : (node.outputs[index] ?? value)));
    return remake(node, { inputs, origin: undefined, inferred }).outputs;
  });
  return { ...model, graph };
}

function isUnbound(node: Node): boolean {
  const size = node.inputs[1];
  const keeps = node.opType !== 'SplitToSequence' || node.domain !== '' || numberOf(node, 'keepdims', 1) !== 0;
  return !keeps && size?.shape?.length === 0 && constantIntegers(size)?.[0] === 1;
}

function isKnown({ type, shape }: Value): boolean {
  return type?.kind === 'sequence'
    ? type.element?.kind === 'tensor' && type.element.shape !== undefined
    : shape !== undefined;
}

function read(node: Node, list: Value): Value | undefined {
  const source = list.source.kind === 'output' ? list.source.node : undefined;
  if (source?.domain !== '') return undefined;
  const place = constantIntegers(node.inputs[1])?.[0];
  if (source.opType === 'SequenceConstruct') {
    const elements = source.inputs as readonly Value[];
    if (node.opType === 'SequenceAt' && place !== undefined) return elements.at(place);
    if (node.opType === 'ConcatFromSequence') return joined(node, elements);
    return node.opType === 'SequenceLength' ? int(elements.length) : undefined;
  }
  if (source.opType !== 'SplitToSequence' || source.inputs[1] !== undefined || numberOf(source, 'keepdims', 1) !== 0)
    return undefined;
  const x = source.inputs[0] as Value;
  const rank = x.shape?.length;
  const axis = numberOf(source, 'axis', 0);
  if (node.opType === 'SequenceLength') {
    const at = axis < 0 && rank !== undefined ? axis + rank : axis;
    return at < 0 ? undefined : op.squeeze(sizeOf(x, at), ints(0));
  }
  if (node.opType === 'SequenceAt') return op.gather(x, node.inputs[1] as Value, { axis });
  if (node.opType !== 'ConcatFromSequence' || rank === undefined || axis !== 0) return undefined;
  return moved(node, x, rank);
}

function joined(node: Node, elements: readonly Value[]): Value | undefined {
  const axis = numberOf(node, 'axis', 0);
  const apart = numberOf(node, 'new_axis', 0) === 0;
  return op.concat(apart ? elements : elements.map((value) => op.unsqueeze(value, ints(axis))), { axis });
}

/** The slices of x along its first axis joined along another: x itself with that axis elsewhere. */
function moved(node: Node, x: Value, rank: number): Value {
  const fresh = numberOf(node, 'new_axis', 0) !== 0;
  const given = numberOf(node, 'axis', 0);
  const axis = given < 0 ? given + (fresh ? rank : rank - 1) : given;
  const rest = Array.from({ length: rank - 1 }, (_, at) => at + 1);
  const perm = rest.toSpliced(axis, 0, 0);
  const laid = axis === 0 ? x : op.transpose(x, { perm });
  if (fresh) return laid === x ? op.identity(x) : laid;
  const sizes = Array.from({ length: rank }, (_, at) => (at === axis ? ints(-1) : sizeOf(laid, at)));
  return op.reshape(laid, op.concat(sizes.toSpliced(axis + 1, 1), { axis: 0 }));
}

function numberOf(node: Node, name: string, otherwise: number): number {
  const attribute = node.attributes.get(name);
  return attribute?.kind === 'int' ? Number(attribute.value) : otherwise;
}
