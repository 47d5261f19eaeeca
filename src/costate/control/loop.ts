import { fromNumbers } from '../../files/tensor.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { int, zerosLike } from '../pieces.ts';
import { instantiate, seedsOf } from './body.ts';
import { added, indices } from './scan.ts';
import { expectSteadyShapes } from './shapes.ts';
import { stacksOf } from './states.ts';
import type { SubgraphRule } from './table.ts';
import { bodyOf, courseOf, expectStacks, stateCount } from './turning.ts';

/**
 * A Loop from the last turn that was taken to the first: as many turns as the stacks of states have. It carries the co-states of the states and
 * sums those of what the body captures; each turn computes the forward turn once more, from the state it began with.
 */
export const loopRule: SubgraphRule = (node, bars, wants, captured, pullback) => {
  const body = bodyOf(node);
  const count = stateCount(node);
  expectSteadyShapes(node);
  const carried = indices(courseOf(node, bars, wants, captured).states);
  const stacks = expectStacks(node, bars, wants, stacksOf(node));
  const given = node.outputs.flatMap((_, index) => (index >= count && bars[index] !== undefined ? [index] : []));
  const [stack] = [...stacks, ...node.outputs.slice(count)];
  if (stack === undefined) return { inputs: [], captures: [] };
  const turns = op.reshape(op.shape(stack, { start: 0, end: 1 }), constant(fromNumbers('int64', [0], [])));
  const last = op.sub(turns, int(1));
  const yes = constant(fromNumbers('bool', [], [1]));

  const first = carried.map((k) => bars[k] ?? zerosLike(node.outputs[k] as Value));
  const sums = captured.map(zerosLike);
  const outputs = op.loop(turns, undefined, [...first, ...sums], (iteration, _going, ...state) => {
    const turn = op.sub(last, iteration);
    const at = (value: Value): Value => op.gather(value, turn, { axis: 0 });
    const before = stacks.map(at);
    const { nodes, outputs: made } = instantiate(body, [turn, yes, ...before]);
    const seeds: (Value | undefined)[] = made.map(() => undefined);
    carried.forEach((k, place) => {
      seeds[k + 1] = state[place];
    });
    for (const index of given) seeds[index + 1] = at(bars[index] as Value);
    const found = pullback({
      nodes,
      seeds: seedsOf(made, seeds),
      wrt: [...carried.map((k) => before[k] as Value), ...captured],
    });
    return {
      carried: [
        ...carried.map((k, place) => found[place] ?? zerosLike(before[k] as Value)),
        ...captured.map((_, place) => added(state[carried.length + place] as Value, found[carried.length + place])),
      ],
    };
  });
  const toInputs: (Value | undefined)[] = node.inputs.map(() => undefined);
  carried.forEach((k, place) => {
    toInputs[k + 2] = outputs[place];
  });
  return {
    inputs: toInputs,
    captures: captured.map((value, place) => [value, outputs[carried.length + place] as Value] as const),
  };
};
