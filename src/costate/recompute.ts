import * as op from '../graph/op.ts';
import { rewriteGraph } from '../graph/passes/rewrite.ts';
import { bareGraph } from '../graph/subgraph.ts';
import type { Node, Value } from '../graph/value.ts';
import { usedBy } from '../graph/walk.ts';
import { downstream, isEmpty, upstream } from './activity.ts';
import { sumOfBars } from './control/sequence-sum.ts';
import { cast, ints, scalarLike } from './pieces.ts';
import { type Pull, pullback } from './pullback.ts';

/**
 * The co-states of `pullback` with less memory: the forward nodes are cut into `blocks` of which only the values that leave them are kept,
 * and the way back through a block computes what is inside it once more. With the square root of the depth as blocks, memory grows as
 * that root instead of the depth, for one more forward pass.
 *
 * A runtime would take the second computation for the first (common subexpressions are merged), and begin it early (it depends on
 * nothing late). So a block's way back is the branch of an If whose condition is read from the co-state that arrives: it is always true,
 * NaN or not, but no optimizer can know, and it cannot start before.
 */
export function pullbackInBlocks(pull: Pull, blocks: number | 'auto'): readonly (Value | undefined)[] {
  const needed = upstream(pull.nodes, pull.seeds.keys());
  const reached = pull.nodes.filter((node) => needed.has(node));
  const active = downstream(reached, pull.wrt);
  const parts = cutInBlocks(reached, active, blocks === 'auto' ? Math.round(Math.sqrt(reached.length)) : blocks);
  if (parts.length < 2) return pullback(pull);
  const bars = new Map<Value, Value[]>();
  const add = (value: Value, bar: Value): void => {
    const before = bars.get(value);
    if (before === undefined) bars.set(value, [bar]);
    else before.push(bar);
  };
  const settled = (value: Value): Value | undefined => sumOfBars(bars.get(value) ?? []);
  for (const [value, seed] of pull.seeds) add(value, seed);
  const asked = new Set(pull.wrt);
  parts.toReversed().forEach((nodes, late) => {
    const made = new Set(nodes.flatMap(({ outputs }) => outputs));
    const seeds = new Map<Value, Value>();
    for (const value of made) {
      const bar = active.has(value) ? settled(value) : undefined;
      if (bar !== undefined) seeds.set(value, bar);
    }
    if (seeds.size === 0) return;
    const before = usedFromBefore(nodes, made, active).filter((value) => !isEmpty(value) || asked.has(value));
    const inner = [...made].filter((value) => asked.has(value));
    // The last block is still there when the way back begins.
    const found =
      late === 0 ? pullback({ nodes, seeds, wrt: [...before, ...inner] }) : again(nodes, seeds, before, inner);
    before.forEach((value, index) => {
      const bar = found[index];
      if (bar !== undefined) add(value, bar);
    });
    // What came from later blocks is part of what the sweep of this one found.
    inner.forEach((value, index) => {
      const bar = found[before.length + index];
      bars.set(value, bar === undefined ? [] : [bar]);
    });
  });
  return pull.wrt.map(settled);
}

/** The way back through a block whose inside is computed again, in a branch that only the co-states that arrive can start. */
function again(
  nodes: readonly Node[],
  seeds: ReadonlyMap<Value, Value>,
  before: readonly Value[],
  inner: readonly Value[],
): readonly (Value | undefined)[] {
  const [arriving] = [...seeds.values()].filter(({ type }) => type?.kind === 'tensor');
  if (arriving === undefined) return pullback({ nodes, seeds, wrt: [...before, ...inner] });
  const needed = [...seeds.keys(), ...inner];
  let found: readonly (Value | undefined)[] = [];
  const thenBranch = (): readonly Value[] => {
    const block = bareGraph('block', [], needed, nodes.filter(isHeavy));
    const { nodes: copied, outputs } = rewriteGraph(block, () => undefined, { copy: { rename: () => undefined } });
    const copyOf = new Map(needed.map((value, index) => [value, outputs[index]?.value ?? value]));
    const inCopy = (value: Value): Value => copyOf.get(value) ?? value;
    found = pullback({
      nodes: copied,
      seeds: new Map([...seeds].map(([value, bar]) => [inCopy(value), bar])),
      wrt: [...before, ...inner.map(inCopy)],
    });
    const there = found.filter((bar) => bar !== undefined);
    // Where nothing is passed nobody reads the If, but it must have an output.
    return there.length === 0 ? [op.identity(arriving)] : there;
  };
  // Never taken: anything of the same types does, and the values themselves cost nothing.
  const elseBranch = (): readonly Value[] => {
    const there = [...before, ...inner].filter((_, index) => found[index] !== undefined);
    return (there.length === 0 ? [arriving] : there).map((value) => op.identity(value));
  };
  const given = op.if(alwaysTrue(arriving), { thenBranch, elseBranch });
  let next = 0;
  return found.map((bar) => (bar === undefined ? undefined : given[next++]));
}

/**
 * Not the arithmetic of shapes: it is nothing to keep, and within the branch onnx's full check takes some of it for vectors of no elements.
 */
function isHeavy({ outputs }: Node): boolean {
  return !outputs.every(({ dtype, shape }) => (dtype === 'int64' || dtype === 'int32') && (shape?.length ?? 2) < 2);
}

/** Not |b| < 0 for the first element b: true for every number, NaN and nothing at all. */
function alwaysTrue(bar: Value): Value {
  const first = op.slice(op.reshape(bar, ints(-1)), ints(0), ints(1));
  const size = op.abs(op.reduceSum(cast(first, 'float32'), undefined, { keepdims: 0 }));
  return op.not(op.less(size, scalarLike(size, 0)));
}

/** What carries a co-state and is used in the block, but made before it: inputs, parameters, and what earlier blocks leave. */
function usedFromBefore(
  nodes: readonly Node[],
  made: ReadonlySet<Value>,
  active: ReadonlySet<Value>,
): readonly Value[] {
  const used = new Set(nodes.flatMap((node) => usedBy(node).filter((value) => value !== undefined)));
  return [...used].filter((value) => active.has(value) && !made.has(value));
}

/** Nodes in so many runs of about the same length, each cut near its place where the fewest values pass. */
function cutInBlocks(nodes: readonly Node[], active: ReadonlySet<Value>, blocks: number): readonly (readonly Node[])[] {
  const length = nodes.length / blocks;
  const passing = valuesPassing(nodes, active);
  const cuts = new Set<number>([0, nodes.length]);
  for (let block = 1; block < blocks; block++) {
    const ideal = block * length;
    let best = Math.round(ideal);
    for (let at = Math.ceil(ideal - length / 2); at < ideal + length / 2; at++) {
      const [here, there] = [passing[at] ?? Number.POSITIVE_INFINITY, passing[best] ?? Number.POSITIVE_INFINITY];
      if (here < there || (here === there && Math.abs(at - ideal) < Math.abs(best - ideal))) best = at;
    }
    cuts.add(best);
  }
  const places = [...cuts].sort((a, b) => a - b);
  return places.slice(1).map((end, index) => nodes.slice(places[index], end));
}

/** For each place between two nodes, how many active values are made before it and used behind it. */
function valuesPassing(nodes: readonly Node[], active: ReadonlySet<Value>): readonly number[] {
  const last = new Map<Value, number>();
  nodes.forEach((node, index) => {
    for (const value of usedBy(node)) if (value !== undefined) last.set(value, index);
  });
  const passing = new Array<number>(nodes.length + 1).fill(0);
  nodes.forEach((node, index) => {
    for (const output of node.outputs) {
      if (!active.has(output)) continue;
      // Counted at each place from behind its node to before its last use.
      passing[index + 1] = (passing[index + 1] ?? 0) + 1;
      const end = last.get(output) ?? index;
      passing[end + 1] = (passing[end + 1] ?? 0) - 1;
    }
  });
  for (let index = 1; index < passing.length; index++)
    passing[index] = (passing[index] ?? 0) + (passing[index - 1] ?? 0);
  return passing;
}
