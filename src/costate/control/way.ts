import type { Graph } from '../../graph/graph.ts';
import type { ValueType } from '../../graph/type.ts';
import type { Node, Value } from '../../graph/value.ts';
import type { Pullback } from './table.ts';
import type { Layout } from './turning.ts';

/** How the turns are gone through again from the last to the first: by a Loop or by a Scan. */
export interface Way {
  /** What the body's first inputs are: a Loop's turn and condition. */
  readonly lead: () => readonly Value[];
  /** Of a stack, what belongs to the turn. */
  readonly slice: (stack: Value, layout: Layout) => Value;
  /** The stack in the order in which `run` stacks what is not asked in another; undefined where it has none. */
  readonly stackOf: (slice: Value) => Value | undefined;
  readonly mayBeEmpty: boolean;
  /** What slices are made with that stands outside of the body. */
  readonly outside: readonly Value[];
  /** Runs the body, whose inputs are the carried states, of `types` in the end; its outputs behind those are stacked. */
  readonly run: (
    body: Graph,
    states: readonly Value[],
    results: readonly Result[],
    types: readonly ValueType[],
  ) => readonly Value[];
}

/** What a turn of the way back gives beside the states; without a layout in the order of `Way.stackOf`, along the axis. */
export interface Result {
  readonly value: Value;
  readonly axis: number;
  readonly direction?: number;
}

/** One call of a Loop or Scan as its rule sees it. */
export interface Turning {
  readonly node: Node;
  readonly bars: readonly (Value | undefined)[];
  readonly wants: readonly boolean[];
  readonly captured: readonly Value[];
  readonly pullback: Pullback;
}
