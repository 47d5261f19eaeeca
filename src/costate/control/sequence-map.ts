import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { int, ints, sumOver, zerosLike } from '../pieces.ts';
import { instantiate, seedsOf } from './body.ts';
import type { SubgraphRule } from './table.ts';
import { bodyOf } from './turning.ts';

/**
 * The body computed once more for every element, and pulled back through: to the elements a list of co-states, to what all elements share
 * (tensors beside the list, and what the body captures) the sum of one.
 */
export const sequenceMapRule: SubgraphRule = (node, bars, wants, captured, pullback) => {
  const inputs = node.inputs.filter((value) => value !== undefined);
  const given = node.outputs.flatMap((_, index) => (bars[index] === undefined ? [] : [index]));
  const asked = inputs.flatMap((_, index) => (wants[index] === true ? [index] : []));
  const [list, ...others] = [...inputs, ...given.map((index) => bars[index] as Value)];
  let reached: readonly boolean[] = [];
  const found = op.sequenceMap(list as Value, others, (...elements) => {
    const own = elements.slice(0, inputs.length);
    const { nodes, outputs } = instantiate(bodyOf(node), own);
    const seeds: (Value | undefined)[] = outputs.map(() => undefined);
    given.forEach((index, at) => {
      seeds[index] = elements[inputs.length + at];
    });
    const wrt = [...asked.map((index) => own[index] as Value), ...captured];
    const made = pullback({ nodes, seeds: seedsOf(outputs, seeds), wrt });
    reached = made.map((bar) => bar !== undefined);
    return made.map((bar, at) => bar ?? zerosLike(wrt[at] as Value));
  });
  const summed = (at: number, value: Value): Value | undefined => {
    if (reached[at] !== true) return undefined;
    const bar = found[at] as Value;
    return value.type?.kind === 'sequence' ? bar : sumOfElements(bar, value);
  };
  const toInputs: (Value | undefined)[] = node.inputs.map(() => undefined);
  asked.forEach((index, at) => {
    toInputs[index] = summed(at, inputs[index] as Value);
  });
  const captures = captured.flatMap((value, at) => {
    const sum = summed(asked.length + at, value);
    return sum === undefined ? [] : [[value, sum] as const];
  });
  return { inputs: toInputs, captures };
};

/** The sum of a list of tensors shaped like `like`: zeros of none, as an empty list cannot be put together. */
function sumOfElements(list: Value, like: Value): Value {
  const padded = op.sequenceInsert(list, zerosLike(like), int(0));
  return sumOver(op.concatFromSequence(padded, { axis: 0, newAxis: 1 }), ints(0), false);
}
