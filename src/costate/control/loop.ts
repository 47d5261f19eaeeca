import { fromNumbers, toNumbers } from '../../files/tensor.ts';
import { apply } from '../../graph/apply.ts';
import { constant, inputValue } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import { constantIntegers, constantTensor } from '../../graph/passes/constants.ts';
import { tensorType } from '../../graph/type.ts';
import type { Node, Value } from '../../graph/value.ts';
import { capturesOf } from '../../graph/walk.ts';
import { int, ints } from '../pieces.ts';
import { typedAs } from './body.ts';
import { byScan } from './scan.ts';
import { expectSteadyShapes } from './shapes.ts';
import { stacksOf } from './states.ts';
import type { SubgraphRule } from './table.ts';
import { bodyOf, firstState, stateCount } from './turning.ts';
import { undone } from './undone.ts';
import type { Way } from './way.ts';

/**
 * The turns that were taken, from the last to the first, over what the forward Loop records: by a Scan where it is known that there are some,
 * by a Loop otherwise.
 */
export const loopRule: SubgraphRule = (node, bars, wants, captured, pullback) => {
  const turns = turnsOf(node);
  const [known] = constantIntegers(turns) ?? [];
  const single = bodyOf(node).inputs[0]?.shape?.length === 1;
  const begin = (turn: Value): readonly Value[] => [
    single ? op.unsqueeze(turn, ints(0)) : turn,
    constant(fromNumbers('bool', [], [1])),
  ];
  const expectSteady = (read: readonly Value[]): void => expectSteadyShapes(node, statesUsed(node, read));
  const call = { node, bars, wants, captured, pullback };
  if (known === undefined || known < 1 || known > mostNumbered) return undone(call, byLoop(turns, begin, expectSteady));
  const numbers = ints(...Array.from({ length: known }, (_, turn) => turn));
  const length = { stack: numbers, layout: { axis: 0, direction: 0 } };
  return undone(
    call,
    byScan(length, (slice) => begin(slice(numbers, length.layout)), expectSteady),
  );
};

/** The turns are numbered in a constant: up to so many. */
const mostNumbered = 1 << 16;

function byLoop(
  turns: Value,
  begin: (turn: Value) => readonly Value[],
  expectSteady: (read: readonly Value[]) => void,
): Way {
  const last = op.sub(turns, int(1));
  const iteration = inputValue(undefined, tensorType('int64', []));
  const going = inputValue(undefined, tensorType('bool', []));
  let made: Value | undefined;
  const turn = (): Value => {
    made ??= op.sub(last, iteration);
    return made;
  };
  const slices = new Map<Value, Value>();
  return {
    lead: () => begin(turn()),
    slice: (stack) => {
      const slice = slices.get(stack) ?? op.gather(stack, turn(), { axis: 0 });
      slices.set(stack, slice);
      return slice;
    },
    stackOf: () => undefined,
    mayBeEmpty: true,
    outside: [last],
    run: (body, states, results, types) => {
      expectSteady(capturesOf(body));
      // A Loop must have two inputs.
      const condition = states.length === 0 ? constant(fromNumbers('bool', [], [1])) : undefined;
      const inputs = [iteration, going, ...body.inputs];
      const outputs = [{ name: '', value: going }, ...body.outputs];
      const given = apply(
        op.loop,
        'Loop',
        21,
        [turns, condition, ...states],
        { body: { ...body, inputs, outputs } },
        states.length + results.length,
      );
      return typedAs(given, types).map((value, index) => moved(value, results[index - states.length]?.axis ?? 0));
    },
  };
}

/** Which states the way back takes from their stacks. */
function statesUsed(node: Node, captured: readonly Value[]): ReadonlySet<number> {
  const stacks = stacksOf(node);
  const [lead, count] = [firstState(node), stateCount(node)];
  const states = bodyOf(node).inputs.slice(lead, lead + count);
  return new Set(states.flatMap((state, k) => (captured.includes(stacks.get(state) as Value) ? [k] : [])));
}

/** A stack along the first axis, along another. */
function moved(stack: Value, axis: number): Value {
  const rank = stack.shape?.length;
  if (axis === 0 || rank === undefined) return stack;
  const rest = Array.from({ length: rank - 1 }, (_, at) => at + 1);
  return op.transpose(stack, { perm: rest.toSpliced(axis, 0, 0) });
}

/** How many turns were taken: as many as asked for where nothing else can end them, or as a stack has. */
function turnsOf(node: Node): Value {
  const [count, condition] = node.inputs;
  const { inputs, outputs } = bodyOf(node);
  const goesOn = (value: Value | undefined): boolean =>
    value === undefined || isTrue(value) || (isIdentity(value) && goesOn(inputOf(value)));
  const after = outputs[0]?.value;
  const always = after === inputs[1] || (isIdentity(after) && inputOf(after) === inputs[1]) || goesOn(after);
  if (count !== undefined && goesOn(condition) && always) {
    const [known] = constantIntegers(count) ?? [];
    if (known !== undefined) return int(Math.max(known, 0));
    return count.shape?.length === 0 ? count : op.reshape(count, constant(fromNumbers('int64', [0], [])));
  }
  const stack = node.outputs[stateCount(node)] as Value;
  return op.squeeze(op.shape(stack, { start: 0, end: 1 }), ints(0));
}

function isTrue(value: Value): boolean {
  const tensor = constantTensor(value);
  return tensor?.dtype === 'bool' && toNumbers(tensor)[0] === 1;
}

function isIdentity(value: Value | undefined): boolean {
  return value?.source.kind === 'output' && value.source.node.opType === 'Identity';
}

function inputOf(value: Value | undefined): Value | undefined {
  return value?.source.kind === 'output' ? value.source.node.inputs[0] : undefined;
}
