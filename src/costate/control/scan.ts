import * as op from '../../graph/op.ts';
import type { Node, Value } from '../../graph/value.ts';
import { zerosLike } from '../pieces.ts';
import { instantiate, seedsOf } from './body.ts';
import { stacksOf } from './states.ts';
import type { SubgraphRule } from './table.ts';
import { bodyOf, courseOf, expectStacks, stateCount } from './turning.ts';

/**
 * A Scan backward through the same slices: it carries the co-states of the states and sums those of what the body captures, and each turn
 * computes the forward turn once more, from the state it began with.
 */
export const scanRule: SubgraphRule = (node, bars, wants, captured, pullback) => {
  const body = bodyOf(node);
  const count = stateCount(node);
  const { states: course } = courseOf(node, bars, wants, captured);
  const carried = indices(course);
  const stacks = expectStacks(node, bars, wants, stacksOf(node));
  const inputs = node.inputs.slice(count) as readonly Value[];
  const results = node.outputs.slice(count);
  const given = results.flatMap((_, index) => (bars[count + index] === undefined ? [] : [index]));
  const asked = inputs.flatMap((_, index) => (wants[count + index] === true ? [index] : []));
  const axesOf = listOf(node, 'scan_input_axes');
  const directionOf = listOf(node, 'scan_input_directions');
  const outputAxis = listOf(node, 'scan_output_axes');
  const outputDirection = listOf(node, 'scan_output_directions');

  const first = carried.map((k) => bars[k] ?? zerosLike(node.outputs[k] as Value));
  const sums = captured.map(zerosLike);
  const sequences = [...stacks, ...inputs, ...given.map((index) => bars[count + index] as Value)];
  const outputs = op.scan(
    [...first, ...sums],
    sequences,
    (state, slices) => {
      const before = slices.slice(0, count);
      const own = slices.slice(count, count + inputs.length);
      const { nodes, outputs: made } = instantiate(body, [...before, ...own]);
      const seeds: (Value | undefined)[] = made.map(() => undefined);
      carried.forEach((k, at) => {
        seeds[k] = state[at];
      });
      given.forEach((index, at) => {
        seeds[count + index] = slices[count + inputs.length + at];
      });
      const wrt = [...carried.map((k) => before[k]), ...asked.map((index) => own[index]), ...captured] as Value[];
      const found = pullback({ nodes, seeds: seedsOf(made, seeds), wrt });
      const behind = found.slice(carried.length + asked.length);
      return {
        carried: [
          ...carried.map((k, at) => found[at] ?? zerosLike(before[k] as Value)),
          ...captured.map((_, at) => added(state[carried.length + at] as Value, behind[at])),
        ],
        scanned: asked.map((index, at) => found[carried.length + at] ?? zerosLike(own[index] as Value)),
      };
    },
    {
      scanInputAxes: [...stacks.map(() => 0), ...inputs.map((_, n) => axesOf(n)), ...given.map((n) => outputAxis(n))],
      scanInputDirections: [
        ...stacks.map(() => 1),
        ...inputs.map((_, n) => 1 - directionOf(n)),
        ...given.map((n) => 1 - outputDirection(n)),
      ],
      ...(asked.length === 0
        ? {}
        : { scanOutputAxes: asked.map(axesOf), scanOutputDirections: asked.map((n) => 1 - directionOf(n)) }),
    },
  );
  const total = carried.length + captured.length;
  const toInputs: (Value | undefined)[] = node.inputs.map(() => undefined);
  carried.forEach((k, at) => {
    toInputs[k] = outputs[at];
  });
  asked.forEach((index, at) => {
    toInputs[count + index] = outputs[total + at];
  });
  return {
    inputs: toInputs,
    captures: captured.map((value, at) => [value, outputs[carried.length + at] as Value] as const),
  };
};

export function indices(flags: readonly boolean[]): readonly number[] {
  return flags.flatMap((flag, index) => (flag ? [index] : []));
}

export function added(sum: Value, term: Value | undefined): Value {
  return term === undefined ? op.identity(sum) : op.add(sum, term);
}

function listOf(node: Node, name: string): (index: number) => number {
  const attribute = node.attributes.get(name);
  const list = attribute?.kind === 'ints' ? attribute.value.map(Number) : [];
  return (index) => list[index] ?? 0;
}
