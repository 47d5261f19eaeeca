import { recorded, recordNode } from '../graph/record.ts';
import type { Value } from '../graph/value.ts';
import type { RuleCall } from './call.ts';
import { seedsOf } from './control/body.ts';

/**
 * The co-states of a call by way of what it computes: `forward` writes its outputs once more in operators that have rules, from the call's
 * own inputs, and the co-states are pulled back through those. Outputs whose co-state is undefined need not be made. What the co-states
 * do not use of it is dropped with the rest of what nothing reaches. `bars`: the co-states of what `forward` gives, where that is not the
 * call's outputs.
 */
export function throughForward(
  call: RuleCall,
  forward: (call: RuleCall) => readonly (Value | undefined)[],
  bars: readonly (Value | undefined)[] = call.bars,
): readonly (Value | undefined)[] {
  const { result, nodes } = recorded(() => forward(call));
  // The nodes belong to the body that is being recorded around this one, if there is one.
  nodes.forEach(recordNode);
  const made = result.flatMap((value, index) => (value === undefined ? [] : [[value, bars[index]] as const]));
  const seeds = seedsOf(
    made.map(([value]) => value),
    made.map(([, bar]) => bar),
  );
  const wanted = call.node.inputs.map((value, index) => (call.wants(index) ? value : undefined));
  const wrt = [...new Set(wanted.filter((value) => value !== undefined))];
  const found = new Map(call.pullback({ nodes, seeds, wrt }).map((bar, index) => [wrt[index], bar]));
  // An input given twice has one co-state for both places: it is told once.
  return wanted.map((value) => {
    const bar = value === undefined ? undefined : found.get(value);
    found.delete(value);
    return bar;
  });
}
