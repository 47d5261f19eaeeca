import { HopfcoleError } from '../files/error.ts';
import type { Node, Value } from '../graph/value.ts';
import { capturesOf, subgraphsOf, usedBy } from '../graph/walk.ts';
import { carries, downstream, isEmpty, upstream } from './activity.ts';
import { sumOfBars } from './control/sequence-sum.ts';
import { subgraphRuleOf } from './control/table.ts';
import { exempt } from './exempt.ts';
import { ruleFor } from './table.ts';

/** What is pulled back, and to what. */
export interface Pull {
  /** In topological order. What is upstream of them is left alone. */
  readonly nodes: readonly Node[];
  /** Co-states that stand at the start, by the value they belong to. */
  readonly seeds: ReadonlyMap<Value, Value>;
  readonly wrt: readonly Value[];
  /** Inputs of nodes, by place, to which nothing is passed: the caller sees to them. */
  readonly left?: ReadonlyMap<Node, ReadonlySet<number>>;
}

/**
 * The co-states of `wrt`: for each the derivative of sum over seeds of <seed, value> with respect to it, made of new nodes; undefined
 * where it is zero by structure. One sweep over the nodes from the last to the first (theory.md section 4: p_l = DF' p_(l+1)).
 * @throws NO_COSTATE_RULE before any node is made, naming operator and path.
 */
export function pullback({ nodes, seeds, wrt, left }: Pull): readonly (Value | undefined)[] {
  const needed = upstream(nodes, seeds.keys());
  const reached = nodes.filter((node) => needed.has(node));
  const active = downstream(reached, wrt);
  const path = reached.filter((node) => passes(node, active));
  expectRules(path, active);
  const bars = new Map<Value, Value[]>();
  const add = (value: Value, bar: Value): void => {
    const before = bars.get(value);
    if (before === undefined) bars.set(value, [bar]);
    else before.push(bar);
  };
  for (const [value, seed] of seeds) if (active.has(value)) add(value, seed);
  const wanted = new Set(wrt);
  const settled = (value: Value): Value | undefined => {
    const terms = bars.get(value);
    if (terms === undefined) return undefined;
    const sum = sumOfBars(terms);
    if (sum !== undefined) bars.set(value, [sum]);
    return sum;
  };
  for (const node of path.toReversed()) {
    const given = node.outputs.map((output) => (active.has(output) ? settled(output) : undefined));
    if (given.every((bar) => bar === undefined)) continue;
    for (const [value, bar] of barsOf(node, given, active, left?.get(node)))
      if (!isEmpty(value) || wanted.has(value)) add(value, bar);
    // A co-state that nobody asks for is not kept.
    for (const output of node.outputs) if (!wanted.has(output)) bars.delete(output);
  }
  return wrt.map(settled);
}

/** Whether a co-state may pass through a node: an output and something it uses are active. */
function passes(node: Node, active: ReadonlySet<Value>): boolean {
  return (
    node.outputs.some((output) => active.has(output)) &&
    usedBy(node).some((value) => value !== undefined && active.has(value))
  );
}

/** The co-states that one node passes on, by the value they belong to. */
function barsOf(
  node: Node,
  given: readonly (Value | undefined)[],
  active: ReadonlySet<Value>,
  left: ReadonlySet<number> | undefined,
): readonly (readonly [Value, Value])[] {
  const wants = node.inputs.map(
    (value, index) => value !== undefined && active.has(value) && left?.has(index) !== true,
  );
  const subgraphRule = subgraphRuleOf(node);
  if (subgraphRule !== undefined) {
    const captured = subgraphsOf(node)
      .flatMap(capturesOf)
      .filter((value, index, all) => active.has(value) && all.indexOf(value) === index);
    const { inputs, captures } = subgraphRule(node, given, wants, captured, pullback);
    return [...pairs(node.inputs, inputs, wants), ...captures];
  }
  const rule = ruleFor(node);
  if (rule === undefined) return [];
  try {
    return pairs(node.inputs, rule.apply(node, given, wants, pullback), wants);
  } catch (error) {
    throw error instanceof HopfcoleError ? error.at({ node: node.name, operator: node.opType }) : error;
  }
}

function pairs(
  inputs: readonly (Value | undefined)[],
  bars: readonly (Value | undefined)[],
  wants: readonly boolean[],
): readonly (readonly [Value, Value])[] {
  return inputs.flatMap((value, index) => {
    const bar = bars[index];
    return value === undefined || bar === undefined || wants[index] !== true ? [] : [[value, bar] as const];
  });
}

/** @throws NO_COSTATE_RULE for the first node on a path that no rule knows. */
function expectRules(path: readonly Node[], active: ReadonlySet<Value>): void {
  for (const node of path) {
    if (subgraphRuleOf(node) !== undefined || ruleFor(node) !== undefined) continue;
    const operator = node.domain === '' ? node.opType : `${node.domain}::${node.opType}`;
    const reason = node.domain === '' ? exempt[node.opType] : undefined;
    throw new HopfcoleError(
      'NO_COSTATE_RULE',
      `no co-state rule for ${operator}${reason === undefined ? '' : `, which ${reason}`}, on the path ${pathThrough(node, path, active)}`,
      { node: node.name, operator },
      'Ask for values that do not depend on it (--wrt, --of), or replace the operator',
    );
  }
}

/** `x -> ... -> conv_1 -> relu_1`: how the node is reached from what is differentiated. */
function pathThrough(node: Node, path: readonly Node[], active: ReadonlySet<Value>): string {
  const inPath = new Set(path);
  const names: string[] = [];
  let current: Node | undefined = node;
  while (current !== undefined && names.length < 8) {
    names.unshift(current.name ?? current.outputs[0]?.name ?? current.opType);
    const before: Value | undefined = usedBy(current).find(
      (value) => value !== undefined && active.has(value) && carries(value),
    );
    const source: Value['source'] | undefined = before?.source;
    if (source?.kind === 'output' && inPath.has(source.node)) current = source.node;
    else {
      names.unshift(before?.name ?? 'an inner value');
      return names.join(' -> ');
    }
  }
  return `... -> ${names.join(' -> ')}`;
}
