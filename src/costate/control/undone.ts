import type { Graph } from '../../graph/graph.ts';
import { inputValue } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import { type Replacement, rewriteGraph } from '../../graph/passes/rewrite.ts';
import { bareGraph, reached, subgraph } from '../../graph/subgraph.ts';
import { tensorType } from '../../graph/type.ts';
import type { Node, Value } from '../../graph/value.ts';
import { capturesOf, usedBy } from '../../graph/walk.ts';
import { summedTo } from '../broadcast.ts';
import { RuleCall } from '../call.ts';
import { balancedSum, cast, full, isHalf, shapeOf, zerosLike } from '../pieces.ts';
import { barType, type Instance, instantiate, seedsOf } from './body.ts';
import { isCheap } from './cheap.ts';
import { type Later, laterUses } from './later.ts';
import { stacksOf } from './states.ts';
import type { SubgraphBars } from './table.ts';
import {
  bodyOf,
  carriedStates,
  firstResult,
  firstState,
  type Layout,
  layoutOfRead,
  layoutOfResult,
  stateCount,
} from './turning.ts';
import type { Result, Turning, Way } from './way.ts';

const inTurn: Layout = { axis: 0, direction: 0 };

/**
 * The turns undone from the last to the first: the co-states of the states are carried, those of what the body captures are summed, those of
 * the slices are stacked. What a turn needs of the forward turn it takes from the stacks that are recorded, or computes once more.
 */
export function undone(call: Turning, way: Way): SubgraphBars {
  const { node, bars, captured, pullback } = call;
  const carried = carriedStates(node, bars, call.wants, captured);
  const turn = new Turn(call, way, carried);
  const made = subgraph('body', [], () => turn.build());
  const body = { ...turn.withRecorded(made), inputs: [...turn.states, ...turn.sums.map(({ input }) => input)] };
  if (body.outputs.length === 0) return { inputs: [], captures: [] };
  turn.expectRecorded(body);
  const first = [
    ...carried.map((k) => bars[k] ?? zerosLike(node.outputs[k] as Value)),
    ...turn.sums.map(({ value }) => full(shapeOf(value), 0, sumType(value))),
  ];
  const types = [
    ...carried.map((k) => barType(node.inputs[firstState(node) + k] as Value)),
    ...turn.sums.map(({ input }) => input.type),
  ];
  const outputs = way.run(body, first, turn.results, types);
  const stack = (index: number): Value => outputs[first.length + index] as Value;
  const inputs: (Value | undefined)[] = node.inputs.map(() => undefined);
  carried.forEach((k, place) => {
    inputs[firstState(node) + k] = outputs[place];
  });
  for (const { input, result } of turn.reads) inputs[input] = stack(result);
  const captures = turn.sums.map(({ value }, index) => {
    const sum = outputs[carried.length + index] as Value;
    return [value, value.dtype === undefined ? sum : cast(sum, value.dtype)] as const;
  });
  for (const { later, bar, needs } of turn.behind) {
    const beside = needs.map((need) => (typeof need === 'number' ? stack(need) : need));
    captures.push(...later.sums(stack(bar), beside, pullback));
  }
  return { inputs, captures };
}

/** Sums over turns are made in float32 where the numbers are of half precision. */
function sumType(value: Value): NonNullable<Value['dtype']> {
  return isHalf(value) ? 'float32' : (value.dtype ?? 'float32');
}

/** One turn of the way back, while it is built. */
class Turn {
  /** The co-states of the carried states, as the turn begins with them. */
  states: readonly Value[] = [];
  readonly sums: { readonly value: Value; readonly input: Value }[] = [];
  readonly results: Result[] = [];
  readonly reads: { readonly input: number; readonly result: number }[] = [];
  readonly behind: { readonly later: Later; readonly bar: number; readonly needs: readonly (Value | number)[] }[] = [];
  private readonly call: Turning;
  private readonly way: Way;
  private readonly carried: readonly number[];
  private readonly stacks: ReadonlyMap<Value, Value>;
  /** States that are not recorded, and what stands for them. */
  private readonly unrecorded = new Map<Value, Value>();
  private forward: Instance = { nodes: [], outputs: [] };

  constructor(call: Turning, way: Way, carried: readonly number[]) {
    this.call = call;
    this.way = way;
    this.carried = carried;
    this.stacks = stacksOf(call.node);
  }

  /** The outputs of the body; made inside it. */
  build(): readonly Value[] {
    const { node, wants, captured, pullback } = this.call;
    const [lead, count, body] = [firstState(node), stateCount(node), bodyOf(node)];
    const before = body.inputs.slice(lead, lead + count).map((state) => this.stateBefore(state));
    const asked = node.inputs.flatMap((_, index) => (index >= lead + count && wants[index] === true ? [index] : []));
    const slices = node.inputs
      .slice(lead + count)
      .map((value, at) => this.way.slice(value as Value, layoutOfRead(node, count + at)));
    const leading = this.way.lead();
    this.forward = instantiate(body, [...leading, ...before, ...slices]);
    const { nodes, outputs } = this.forward;
    this.states = this.carried.map((k) => inputValue(undefined, barType(outputs[k + firstResult(node)] as Value)));
    const seeds = seedsOf(
      outputs,
      outputs.map((_, index) => this.barOfOutput(index - firstResult(node))),
    );
    const ofTurn = new Set([...leading, ...before, ...slices, ...nodes.flatMap((one) => one.outputs)]);
    const isAsked = new Set(captured);
    const later = laterUses(nodes, {
      isOfTurn: (value) => ofTurn.has(value),
      isAsked: (value) => isAsked.has(value),
      mayBeEmpty: this.way.mayBeEmpty,
    });
    const states = this.carried.map((k) => before[k] as Value);
    const read = asked.map((index) => slices[index - lead - count] as Value);
    const found = pullback({
      nodes,
      seeds,
      wrt: [...states, ...read, ...captured, ...later.map((one) => one.node.outputs[0] as Value)],
      left: new Map(later.map((one) => [one.node, one.places])),
    });
    const next = this.carried.map((_, place) => found[place] ?? zerosLike(this.states[place] as Value));
    asked.forEach((input, at) => {
      const bar = found[states.length + at];
      if (bar !== undefined) this.reads.push({ input, result: this.result({ value: bar, ...this.turned(input) }) });
    });
    const terms = new Map<Value, Value[]>();
    captured.forEach((value, at) => {
      const bar = found[states.length + read.length + at];
      if (bar !== undefined) terms.set(value, [bar]);
    });
    this.setBehind(later, found.slice(states.length + read.length + captured.length), terms);
    const added = [...terms].map(([value, list]) => this.summed(value, list));
    return [...next, ...added, ...this.results.map(({ value }) => value)];
  }

  /** The body with what is recorded in place of what it would compute again. */
  withRecorded(made: Graph): Graph {
    const { node } = this.call;
    const kept = new Map<Node, readonly (Value | undefined)[]>();
    bodyOf(node).nodes.forEach((original, index) => {
      const copy = this.forward.nodes[index];
      if (copy !== undefined && !isCheap(original))
        kept.set(
          copy,
          original.outputs.map((value) => this.stacks.get(value)),
        );
    });
    const used = new Set([...made.nodes.flatMap((one) => usedBy(one)), ...made.outputs.map(({ value }) => value)]);
    // The stacks stand outside of the body, whether it reads them already or not.
    const outside = new Map([...this.stacks.values(), ...this.way.outside].map((value) => [value, value]));
    const visit = (_: Node, original: Node): Replacement => {
      const stacks = kept.get(original);
      if (stacks === undefined || original.outputs.some((value, at) => used.has(value) && stacks[at] === undefined))
        return undefined;
      return original.outputs.map((value, at) => {
        const stack = stacks[at];
        return stack === undefined || !used.has(value) ? undefined : this.way.slice(stack, inTurn);
      });
    };
    const changed = rewriteGraph(made, visit, { values: outside });
    const outputs = changed.outputs.map(({ value }) => value);
    // What the results are is known by the values they have become.
    this.results.forEach((result, at) => {
      this.results[at] = { ...result, value: outputs[outputs.length - this.results.length + at] ?? result.value };
    });
    return bareGraph('body', [], outputs, reached(changed.nodes, outputs));
  }

  /** @throws UNSUPPORTED_COSTATE where the body needs a state that is not recorded. */
  expectRecorded(body: Graph): void {
    const { node, bars, wants } = this.call;
    const missing = capturesOf(body).find((value) => this.unrecorded.has(value));
    if (missing === undefined) return;
    throw new RuleCall(node, bars, wants, () => []).unsupported(
      `its carried state '${this.unrecorded.get(missing)?.name ?? 'without a name'}' is a sequence that its turns read`,
      'Carry a tensor, or append to the sequence alone',
    );
  }

  private stateBefore(state: Value): Value {
    const stack = this.stacks.get(state);
    if (stack !== undefined) return this.way.slice(stack, inTurn);
    const stand = inputValue(undefined, state.type);
    this.unrecorded.set(stand, state);
    return stand;
  }

  private barOfOutput(index: number): Value | undefined {
    const { node, bars } = this.call;
    if (index < 0) return undefined;
    if (index < stateCount(node)) return this.states[this.carried.indexOf(index)];
    const bar = bars[index];
    return bar === undefined ? undefined : this.way.slice(bar, layoutOfResult(node, index));
  }

  /** What came in first goes out last. */
  private turned(input: number): Layout {
    const { axis, direction } = layoutOfRead(this.call.node, input - firstState(this.call.node));
    return { axis, direction: 1 - direction };
  }

  private setBehind(later: readonly Later[], bars: readonly (Value | undefined)[], terms: Map<Value, Value[]>): void {
    const stacked = new Set(later.flatMap((one, at) => (one.shared ? [] : [bars[at]])));
    later.forEach((one, at) => {
      const bar = bars[at];
      if (bar === undefined) return;
      if (!one.shared || stacked.has(bar)) {
        const needs = one.needs.map((value) => this.way.stackOf(value) ?? this.result({ value, axis: 0 }));
        this.behind.push({ later: one, bar: this.result({ value: bar, axis: one.axis }), needs });
        return;
      }
      for (const place of one.places) {
        const value = one.node.inputs[place] as Value;
        terms.set(value, [...(terms.get(value) ?? []), summedTo(bar, value)]);
      }
    });
  }

  private result(result: Result): number {
    const there = this.results.findIndex(
      ({ value, axis, direction = 1 }) =>
        value === result.value && axis === result.axis && direction === (result.direction ?? 1),
    );
    return there < 0 ? this.results.push(result) - 1 : there;
  }

  private summed(value: Value, terms: readonly Value[]): Value {
    const dtype = sumType(value);
    const input = inputValue(undefined, tensorType(dtype, value.shape));
    this.sums.push({ value, input });
    return op.add(input, cast(balancedSum(terms) as Value, dtype));
  }
}
