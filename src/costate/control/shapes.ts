import { HopfcoleError } from '../../files/error.ts';
import { inputValue } from '../../graph/make.ts';
import { type Dim, tensorType, type ValueType } from '../../graph/type.ts';
import type { Node } from '../../graph/value.ts';
import { instantiate } from './body.ts';
import { bodyOf, firstState, stateCount } from './turning.ts';

/**
 * The states of a Loop before each turn are stacked for the way back: they must have one shape. Found by running the body's inference on
 * sizes that are symbols: a size that comes out as another changes. What inference does not know is left to the run.
 * @throws LOOP_STATE_SHAPE naming the state and both shapes.
 */
export function expectSteadyShapes(node: Node): void {
  const body = bodyOf(node);
  const [lead, count] = [firstState(node), stateCount(node)];
  const inputs = body.inputs.map((input, index) => {
    const first = node.inputs[index]?.type ?? input.type;
    return inputValue(
      undefined,
      index < lead || index >= lead + count ? input.type : symbolic(first, input.type, index),
    );
  });
  const { outputs } = instantiate(body, inputs);
  for (let k = 0; k < count; k++) {
    const [before, after] = [inputs[lead + k]?.shape, outputs[k + 1]?.shape];
    if (before === undefined || after === undefined) continue;
    const first = node.inputs[lead + k]?.shape;
    const steady =
      before.length === after.length && before.every((dim, axis) => isSteady(dim, after[axis], first?.[axis]));
    if (steady) continue;
    const text = (shape: readonly unknown[]): string => `[${shape.map((dim) => dim ?? '?').join(', ')}]`;
    throw new HopfcoleError(
      'LOOP_STATE_SHAPE',
      `no co-state of Loop: its carried state '${body.inputs[lead + k]?.name ?? k}' changes its shape from turn to turn, from ${text(before)} to ${text(after)}`,
      { node: node.name, operator: node.opType },
      'Carry tensors of one shape, or collect what grows as a scan output',
    );
  }
}

/** Whether a size may be the same in every turn: another symbol may stand for the same number, a sum with its own cannot. */
function isSteady(before: Dim, after: Dim, first: Dim): boolean {
  if (after === undefined || after === before) return true;
  if (typeof after === 'number') return typeof first !== 'number' || first === after;
  return typeof before !== 'string' || !after.includes(before);
}

/** The type a state begins with, sizes that the body does not fix as symbols. */
function symbolic(first: ValueType, inside: ValueType, index: number): ValueType {
  if (first?.kind !== 'tensor' || first.shape === undefined) return inside;
  const fixed = inside?.kind === 'tensor' ? inside.shape : undefined;
  return tensorType(
    first.dtype,
    first.shape.map((dim, axis) =>
      fixed !== undefined && typeof fixed[axis] === 'number' ? dim : `state${index}_${axis}`,
    ),
  );
}
