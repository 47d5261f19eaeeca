import type { Node, Value } from '../../graph/value.ts';
import type { Pull } from '../pullback.ts';
import { ifRule } from './if.ts';
import { loopRule } from './loop.ts';
import { scanRule } from './scan.ts';
import { sequenceMapRule } from './sequence-map.ts';

export type Pullback = (pull: Pull) => readonly (Value | undefined)[];

/** The co-states a node with subgraphs passes: to its inputs by position, and to what its subgraphs capture. */
export interface SubgraphBars {
  readonly inputs: readonly (Value | undefined)[];
  readonly captures: readonly (readonly [Value, Value])[];
}

/** How the co-state passes through a node with subgraphs; `pullback` is the sweep itself, for what is inside. */
export type SubgraphRule = (
  node: Node,
  bars: readonly (Value | undefined)[],
  wants: readonly boolean[],
  /** What the subgraphs capture that needs a co-state. */
  captured: readonly Value[],
  pullback: Pullback,
) => SubgraphBars;

export const subgraphRules: Readonly<Record<string, SubgraphRule | undefined>> = Object.freeze(
  Object.assign(Object.create(null), { If: ifRule, Loop: loopRule, Scan: scanRule, SequenceMap: sequenceMapRule }),
);

export function subgraphRuleOf(node: Node): SubgraphRule | undefined {
  return node.domain === '' ? subgraphRules[node.opType] : undefined;
}
