import type { Graph } from '../../graph/graph.ts';
import { intOf } from '../../graph/passes/constants.ts';
import type { Node, Value } from '../../graph/value.ts';
import { usedBy } from '../../graph/walk.ts';
import { carries, downstream, upstream } from '../activity.ts';
import { branchOf } from './if.ts';

/** What Loop and Scan share: a body that is run turn after turn on carried states. */

export function isTurning({ opType, domain }: Node): boolean {
  return domain === '' && (opType === 'Loop' || opType === 'Scan');
}

export function bodyOf(node: Node): Graph {
  return branchOf(node, 'body');
}

/** Where the carried states begin among the body's inputs: a Loop's come after the turn and the condition. */
export function firstState(node: Node): number {
  return node.opType === 'Loop' ? 2 : 0;
}

/** Where what the node gives begins among the body's outputs: a Loop's has the condition before. */
export function firstResult(node: Node): number {
  return node.opType === 'Loop' ? 1 : 0;
}

export function stateCount(node: Node): number {
  return node.opType === 'Loop'
    ? Math.max(node.inputs.length - 2, 0)
    : node.inputs.length - (intOf(node, 'num_scan_inputs', 0) ?? 0);
}

/** Along which axis slices of a sequence lie, and whether the first turn has the last of them (1). */
export interface Layout {
  readonly axis: number;
  readonly direction: number;
}

/** How input `index` of the node, behind its states, is read. */
export function layoutOfRead(node: Node, index: number): Layout {
  const at = index - stateCount(node);
  return { axis: itemOf(node, 'scan_input_axes', at), direction: itemOf(node, 'scan_input_directions', at) };
}

/** How output `index` of the node, behind its states, is stacked. */
export function layoutOfResult(node: Node, index: number): Layout {
  const at = index - stateCount(node);
  return { axis: itemOf(node, 'scan_output_axes', at), direction: itemOf(node, 'scan_output_directions', at) };
}

function itemOf(node: Node, name: string, at: number): number {
  const attribute = node.attributes.get(name);
  return attribute?.kind === 'ints' ? Number(attribute.value[at] ?? 0) : 0;
}

/**
 * Which carried states have a co-state: those that depend on what is asked for, and that what is given depends on. Activity is followed
 * around the loop until nothing is added.
 */
export function carriedStates(
  node: Node,
  bars: readonly (Value | undefined)[],
  wants: readonly boolean[],
  captured: readonly Value[],
): readonly number[] {
  const body = bodyOf(node);
  const [lead, count] = [firstState(node), stateCount(node)];
  const inputs = body.inputs;
  const states = inputs.slice(lead, lead + count);
  const results = body.outputs.slice(firstResult(node)).map(({ value }) => value);
  const active = new Set(states.flatMap((_, k) => (wants[lead + k] === true ? [k] : [])));
  const sources = inputs.filter((value, index) => index >= lead + count && wants[index] === true && carries(value));
  spread(active, count, () => {
    const from = [...sources, ...captured, ...states.filter((_, k) => active.has(k))];
    const reached = downstream(body.nodes, from);
    return (k) => reached.has(results[k] as Value);
  });
  const needed = new Set(states.flatMap((_, k) => (bars[k] !== undefined ? [k] : [])));
  spread(needed, count, () => {
    const heads = results.filter((_, index) => (index < count ? needed.has(index) : bars[index] !== undefined));
    const nodes = upstream(body.nodes, heads);
    const used = new Set([...heads, ...[...nodes].flatMap((one) => uses(one))]);
    return (k) => used.has(states[k] as Value);
  });
  return states.flatMap((state, k) => (active.has(k) && needed.has(k) && carries(state) ? [k] : []));
}

function spread(found: Set<number>, count: number, test: () => (k: number) => boolean): void {
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    const isReached = test();
    for (let k = 0; k < count; k++) if (isReached(k)) found.add(k);
  }
}

function uses(node: Node): Value[] {
  return usedBy(node).filter((value) => value !== undefined);
}
