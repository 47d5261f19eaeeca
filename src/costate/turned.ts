import type { Graph } from '../graph/graph.ts';
import * as op from '../graph/op.ts';
import type { Node, Value } from '../graph/value.ts';
import { usedBy } from '../graph/walk.ts';
import { swapAxes } from './pieces.ts';

/**
 * A product that is only made to be transposed, as one: (a^T b)^T is b^T a. `node`, whose input stands in its new form, is `original` in
 * `graph`. ONNX Runtime takes a transposed factor for nothing, a transposed result it does not.
 */
export function turnedProduct(node: Node, original: Node, graph: Graph): Value | undefined {
  const [x] = node.inputs;
  const [before] = original.inputs;
  const rank = x?.shape?.length ?? 0;
  if (x === undefined || before === undefined || !swapsLast(node, rank) || usesIn(graph).get(before) !== 1)
    return undefined;
  const product = madeBy(x, 'MatMul');
  const [a, b] = product?.inputs ?? [];
  if (a !== undefined && b !== undefined) {
    const inner = madeBy(a, 'Transpose');
    const factor = inner?.inputs[0];
    if (inner === undefined || factor === undefined || a.shape?.length !== rank || b.shape?.length !== rank)
      return undefined;
    return swapsLast(inner, rank) ? op.matMul(op.transpose(b, { perm: lastSwapped(rank) }), factor) : undefined;
  }
  const general = madeBy(x, 'Gemm');
  const [left, right, added] = general?.inputs ?? [];
  if (general === undefined || left === undefined || right === undefined || added !== undefined) return undefined;
  const [alpha, transA, transB] = ['alpha', 'transA', 'transB'].map((name) => numberOf(general, name));
  return op.gemm(right, left, undefined, {
    ...(alpha === undefined ? {} : { alpha }),
    ...(transB ? {} : { transA: 1 }),
    ...(transA ? {} : { transB: 1 }),
  });
}

const counted = new WeakMap<Graph, ReadonlyMap<Value, number>>();

/** How often each value is used in a graph, as an output of it too. */
function usesIn(graph: Graph): ReadonlyMap<Value, number> {
  const known = counted.get(graph);
  if (known !== undefined) return known;
  const uses = new Map<Value, number>();
  const add = (value: Value | undefined): void => {
    if (value !== undefined) uses.set(value, (uses.get(value) ?? 0) + 1);
  };
  for (const node of graph.nodes) usedBy(node).forEach(add);
  for (const { value } of graph.outputs) add(value);
  counted.set(graph, uses);
  return uses;
}

function swapsLast(node: Node, rank: number): boolean {
  const perm = node.attributes.get('perm');
  if (rank < 2) return false;
  if (perm === undefined) return rank === 2;
  return perm.kind === 'ints' && lastSwapped(rank).every((axis, at) => axis === Number(perm.value[at]));
}

function lastSwapped(rank: number): number[] {
  return swapAxes(rank, rank - 1, rank - 2);
}

function madeBy({ source }: Value, opType: string): Node | undefined {
  return source.kind === 'output' && source.node.opType === opType && source.node.domain === ''
    ? source.node
    : undefined;
}

function numberOf(node: Node, name: string): number | undefined {
  const attribute = node.attributes.get(name);
  return attribute?.kind === 'int' || attribute?.kind === 'float' ? Number(attribute.value) : undefined;
}
