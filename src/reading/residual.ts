import { isFloat } from '../files/dtype.ts';
import type { Graph } from '../graph/graph.ts';
import type { Node, Value } from '../graph/value.ts';
import { usedBy } from '../graph/walk.ts';
import { readingKey } from '../layers/reading.ts';

/** One step x_(l+1) = x_l + h F(x_l). */
export interface ResidualStep {
  readonly from: Value;
  /** h F(x_l): what is added. */
  readonly branch: Value;
  readonly to: Value;
  /** The nodes that compute the branch from the state, in order. */
  readonly nodes: readonly Node[];
}

/**
 * Steps one after the other, each state the only way from what is before to what is after: forward Euler steps of dx/dt = F(x)
 * (theory.md section 4).
 */
export interface ResidualChain {
  readonly steps: readonly ResidualStep[];
  /** All steps use the same parameters and operators: F does not depend on depth. */
  readonly tied: boolean;
}

/** The residual chains of a graph by order of appearance: of at least two steps, or of one whose layer says that it is one. */
export function residualChains(graph: Graph): readonly ResidualChain[] {
  const order = new Map(graph.nodes.map((node, index) => [node, index]));
  const readers = readersOf(graph);
  const next = new Map<Value, ResidualStep>();
  for (const node of graph.nodes) {
    const step = stepOf(node, order);
    if (step !== undefined && isCut(step, graph, order, readers)) next.set(step.from, step);
  }
  const inner = new Set([...next.values()].map(({ to }) => to));
  const chains: ResidualChain[] = [];
  for (const first of next.values()) {
    if (inner.has(first.from)) continue;
    const steps: ResidualStep[] = [];
    for (let step: ResidualStep | undefined = first; step !== undefined; step = next.get(step.to)) steps.push(step);
    if (steps.length > 1 || isTold(first)) chains.push({ steps, tied: areTied(steps) });
  }
  return chains;
}

function isTold({ to }: ResidualStep): boolean {
  return to.source.kind === 'output' && to.source.node.metadata.has(readingKey);
}

function readersOf(graph: Graph): ReadonlyMap<Value, readonly Node[]> {
  const readers = new Map<Value, Node[]>();
  for (const node of graph.nodes)
    for (const value of new Set(usedBy(node))) {
      if (value === undefined) continue;
      const known = readers.get(value);
      if (known === undefined) readers.set(value, [node]);
      else known.push(node);
    }
  return readers;
}

/** An Add of a state and of what is computed from it, of the same shape. */
function stepOf(node: Node, order: ReadonlyMap<Node, number>): ResidualStep | undefined {
  const [a, b] = node.inputs;
  const [to] = node.outputs;
  if (node.opType !== 'Add' || node.domain !== '' || a === undefined || b === undefined || to === undefined)
    return undefined;
  if (to.dtype === undefined || !isFloat(to.dtype)) return undefined;
  for (const [from, branch] of [
    [a, b],
    [b, a],
  ] as const) {
    if (from.source.kind === 'parameter' || from.source.kind === 'constant' || !alike(from, to)) continue;
    const nodes = between(from, branch, order);
    if (nodes.length > 0) return { from, branch, to, nodes };
  }
  return undefined;
}

function alike(a: Value, b: Value): boolean {
  const [one, other] = [a.shape, b.shape];
  return (
    one !== undefined &&
    other !== undefined &&
    one.length === other.length &&
    one.every((dim, axis) => dim === other[axis])
  );
}

/** What reads sizes alone: positions added to x do not depend on x. */
const sizes: ReadonlySet<string> = new Set(['Shape', 'Size']);

/** The nodes by which `to` depends on `from`; none where it does not. */
function between(from: Value, to: Value, order: ReadonlyMap<Node, number>): readonly Node[] {
  const start = from.source.kind === 'output' ? (order.get(from.source.node) ?? -1) : -1;
  const seen = new Map<Node, boolean>();
  const stack: Node[] = to.source.kind === 'output' ? [to.source.node] : [];
  const later: Node[] = [];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (seen.has(node) || (order.get(node) ?? -1) <= start) continue;
    seen.set(node, false);
    later.push(node);
    for (const value of usedBy(node)) if (value?.source.kind === 'output') stack.push(value.source.node);
  }
  const depends = new Set<Value>([from]);
  const nodes = later.sort((a, b) => (order.get(a) ?? 0) - (order.get(b) ?? 0));
  const used = nodes.filter((node) => {
    const own = !sizes.has(node.opType) && usedBy(node).some((value) => value !== undefined && depends.has(value));
    if (own) for (const output of node.outputs) depends.add(output);
    return own;
  });
  return depends.has(to) ? used : [];
}

/** Whether what comes after the step sees the state before it through the step alone. */
function isCut(
  { from, to }: ResidualStep,
  graph: Graph,
  order: ReadonlyMap<Node, number>,
  readers: ReadonlyMap<Value, readonly Node[]>,
): boolean {
  const end = to.source.kind === 'output' ? (order.get(to.source.node) ?? 0) : 0;
  const outputs = new Set(graph.outputs.map(({ value }) => value));
  const seen = new Set<Value>([from]);
  const stack = [from];
  for (let value = stack.pop(); value !== undefined; value = stack.pop()) {
    if (outputs.has(value)) return false;
    for (const node of readers.get(value) ?? []) {
      if (node.outputs.includes(to)) continue;
      if ((order.get(node) ?? 0) > end) return false;
      for (const output of node.outputs)
        if (!seen.has(output)) {
          seen.add(output);
          stack.push(output);
        }
    }
  }
  return true;
}

function areTied(steps: readonly ResidualStep[]): boolean {
  const shapeOf = ({ nodes }: ResidualStep): readonly unknown[] =>
    nodes.flatMap((node) => [node.opType, ...node.inputs.filter((value) => value?.source.kind === 'parameter')]);
  const [first, ...rest] = steps.map(shapeOf);
  return rest.every((own) => own.length === first?.length && own.every((part, index) => part === first[index]));
}
