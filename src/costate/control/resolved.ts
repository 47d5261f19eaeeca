import type { Graph, Model } from '../../graph/graph.ts';
import * as op from '../../graph/op.ts';
import { constantIntegers } from '../../graph/passes/constants.ts';
import { remake, rewriteGraph } from '../../graph/passes/rewrite.ts';
import type { Node, Value } from '../../graph/value.ts';
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
