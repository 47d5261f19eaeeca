import { differentDims, divideExactly, multiplyDims, unifyDims } from '../dim.ts';
import type { Call, InferRule } from '../rule.ts';
import { type Dim, describeShape } from '../type.ts';
import { badAttribute, intAttribute, stringAttribute } from './attributes.ts';
import { badShape, checkRank, checkShape, isGiven, shapeOf, sharedDtype, tensor } from './call.ts';

const directions: Readonly<Record<string, number>> = { forward: 1, reverse: 1, bidirectional: 2 };

/** Inputs of the element type; `sequence_lens` has its own. */
const names = ['X', 'W', 'R', 'B', 'sequence_lens', 'initial_h', 'initial_c', 'P'];

/** RNN (1 gate), GRU (3) and LSTM (4): X [T, batch, input], W [directions, gates*hidden, input], R [directions, gates*hidden, hidden]. */
function recurrent(gates: number, states: number): InferRule {
  return (call) => {
    const given = [0, 1, 2, 3, 5, 6, 7].filter((index) => isGiven(call, index));
    const dtype = sharedDtype(
      call,
      given,
      given.map((index) => names[index] ?? ''),
    );
    const count = directionCount(call);
    const hidden = hiddenSize(call, gates);
    checkRank(call, 0, 'X', [3]);
    const x = shapeOf(call, 0);
    checkShape(call, 1, 'W', [count, multiplyDims(hidden, gates), x?.[2]]);
    checkShape(call, 2, 'R', [count, multiplyDims(hidden, gates), hidden]);
    checkShape(call, 3, 'B', [count, multiplyDims(hidden, 2 * gates)]);
    const layout = intAttribute(call, 'layout', 0);
    const [time, batch] = layout === 0 ? [x?.[0], x?.[1]] : layout === undefined ? [] : [x?.[1], x?.[0]];
    checkShape(call, 4, 'sequence_lens', [batch]);
    const state: readonly Dim[] = layout === 0 ? [count, batch, hidden] : [batch, count, hidden];
    if (layout !== undefined) for (const index of [5, 6]) checkShape(call, index, names[index] ?? '', state);
    const known = layout === undefined ? [undefined, undefined, undefined] : state;
    const steps: readonly Dim[] = layout === 0 ? [time, count, batch, hidden] : [batch, time, count, hidden];
    const all = layout === undefined ? [undefined, undefined, undefined, hidden] : steps;
    return [tensor(dtype, all), ...new Array(states).fill(tensor(dtype, known))];
  };
}

function directionCount(call: Call): Dim {
  const direction = stringAttribute(call, 'direction', 'forward');
  if (direction === undefined) return undefined;
  const count = Object.hasOwn(directions, direction) ? directions[direction] : undefined;
  if (count === undefined)
    throw badAttribute(
      call,
      'direction',
      `one of ${Object.keys(directions).join(', ')}`,
      `'${direction.slice(0, 40)}'`,
    );
  return count;
}

function hiddenSize(call: Call, gates: number): Dim {
  const stated = intAttribute(call, 'hidden_size', undefined);
  const recurrence = shapeOf(call, 2);
  const held = unifyDims(recurrence?.[2], divideExactly(shapeOf(call, 1)?.[1], gates));
  if (differentDims(stated, held))
    throw badAttribute(call, 'hidden_size', `${held}, as R is ${describeShape(recurrence)}`, String(stated));
  return unifyDims(held, stated);
}

/** Two sizes of which one is a known multiple of the other. @throws SHAPE_MISMATCH */
export function headSize(call: Call, index: number, argument: string, hidden: Dim, heads: Dim): Dim {
  const size = divideExactly(hidden, heads);
  if (size === undefined && typeof hidden === 'number' && typeof heads === 'number')
    throw badShape(call, argument, `of a multiple of ${heads} heads in its last axis`, shapeOf(call, index));
  return size;
}

export const recurrentRules: Readonly<Record<string, InferRule>> = {
  GRU: recurrent(3, 1),
  LSTM: recurrent(4, 2),
  RNN: recurrent(1, 1),
};
