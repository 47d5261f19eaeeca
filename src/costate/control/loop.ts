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
import { expectSteadyShapes } from './shapes.ts';
import { stacksOf } from './states.ts';
import type { SubgraphRule } from './table.ts';
import { bodyOf, firstState, stateCount } from './turning.ts';
import { undone } from './undone.ts';

/** A Loop from the last turn that was taken to the first, over what the forward Loop records: not a Scan, as there may be no turn at all. */
export const loopRule: SubgraphRule = (node, bars, wants, captured, pullback) => {
  const turns = turnsOf(node);
  const [known] = constantIntegers(turns) ?? [];
  const last = known === undefined ? op.sub(turns, int(1)) : int(known - 1);
  const iteration = inputValue(undefined, tensorType('int64', []));
  const going = inputValue(undefined, tensorType('bool', []));
  let turn: Value | undefined;
  const slices = new Map<Value, Value>();
  return undone(
    { node, bars, wants, captured, pullback },
    {
      lead: () => {
        turn = op.sub(last, iteration);
        const single = bodyOf(node).inputs[0]?.shape?.length === 1;
        return [single ? op.unsqueeze(turn, ints(0)) : turn, constant(fromNumbers('bool', [], [1]))];
      },
      slice: (stack) => {
        turn ??= op.sub(last, iteration);
        const slice = slices.get(stack) ?? op.gather(stack, turn, { axis: 0 });
        slices.set(stack, slice);
        return slice;
      },
      stackOf: () => undefined,
      mayBeEmpty: known === undefined || known < 1,
      outside: [last],
      run: (body, states, results, types) => {
        expectSteadyShapes(node, statesUsed(node, capturesOf(body)));
        const outputs = apply(
          op.loop,
          'Loop',
          21,
          // It must have two inputs.
          [turns, states.length === 0 ? constant(fromNumbers('bool', [], [1])) : undefined, ...states],
          {
            body: {
              ...body,
              inputs: [iteration, going, ...body.inputs],
              outputs: [{ name: '', value: going }, ...body.outputs],
            },
          },
          states.length + results.length,
        );
        return typedAs(outputs, types).map((value, index) => moved(value, results[index - states.length]?.axis ?? 0));
      },
    },
  );
};

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
