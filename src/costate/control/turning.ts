import type { Graph } from '../../graph/graph.ts';
import { intOf } from '../../graph/passes/constants.ts';
import type { Node, Value } from '../../graph/value.ts';
import { usedBy } from '../../graph/walk.ts';
import { carries, downstream, upstream } from '../activity.ts';
import { RuleCall } from '../call.ts';
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

export function stateCount(node: Node): number {
  return node.opType === 'Loop'
    ? node.inputs.length - 2
    : node.inputs.length - (intOf(node, 'num_scan_inputs', 0) ?? 0);
}

/** What a co-state goes through in a body. */
export interface Course {
  /** Which carried states have a co-state: they depend on what is asked for, and what is given depends on them. */
  readonly states: readonly boolean[];
}

/** Follows activity around the loop until nothing is added. */
export function courseOf(
  node: Node,
  bars: readonly (Value | undefined)[],
  wants: readonly boolean[],
  captured: readonly Value[],
): Course {
  const body = bodyOf(node);
  const [lead, count] = [firstState(node), stateCount(node)];
  const inputs = body.inputs;
  const states = inputs.slice(lead, lead + count);
  // A Loop's outputs stand one behind those of its body, which begin with the condition.
  const results = body.outputs.slice(node.opType === 'Loop' ? 1 : 0).map(({ value }) => value);
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
  return { states: states.map((state, k) => active.has(k) && needed.has(k) && carries(state)) };
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

/** @throws UNSUPPORTED_COSTATE for a state whose course is not recorded. */
export function expectStacks(
  node: Node,
  bars: readonly (Value | undefined)[],
  wants: readonly boolean[],
  stacks: readonly (Value | undefined)[],
): readonly Value[] {
  return stacks.map((stack, k) => {
    if (stack !== undefined) return stack;
    const name = bodyOf(node).inputs[firstState(node) + k]?.name ?? `number ${k}`;
    throw new RuleCall(node, bars, wants, () => []).unsupported(
      `its carried state ${name} is a sequence`,
      'Carry a tensor, or append to the sequence alone',
    );
  });
}
