import type { Graph } from '../../graph/graph.ts';
import type { Value } from '../../graph/value.ts';

/** A graph, and the values in it that stand for those that were followed. */
export interface Recorded {
  readonly graph: Graph;
  readonly followed: readonly Value[];
}

/** A graph whose loops also give the state before each turn, for the way back. */
export function recordStates(graph: Graph, followed: readonly Value[]): Recorded {
  return { graph, followed };
}
