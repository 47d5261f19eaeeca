import { HopfcoleError } from '../../files/error.ts';
import { joinTypes } from '../../graph/inference/merge.ts';
import { innerInputTypes } from '../../graph/inner-types.ts';
import { inputValue, makeValue } from '../../graph/make.ts';
import { remake, rewriteGraph } from '../../graph/passes/rewrite.ts';
import { type Dim, describeType, tensorType, type ValueType } from '../../graph/type.ts';
import type { Node } from '../../graph/value.ts';
import { instantiate } from './body.ts';
import { bodyOf, firstResult, firstState, stateCount } from './turning.ts';

/**
 * The states of a Loop that are stacked for the way back, those `asked` for, must have one shape. Found by running the body's inference on
 * sizes that are symbols: a size that comes out as another changes. What inference does not know is left to the run.
 * @throws LOOP_STATE_SHAPE naming the state and both shapes.
 */
export function expectSteadyShapes(node: Node, asked: ReadonlySet<number>): void {
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
    if (!asked.has(k) || before === undefined || after === undefined) continue;
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

/**
 * A loop whose body says of its inputs what is known outside of them: exporters write bodies that know less. A state has what is the same
 * in all turns of what it begins with.
 */
export function withKnownInputs(node: Node): Node {
  const body = bodyOf(node);
  const [lead, count] = [firstState(node), stateCount(node)];
  const outside = innerInputTypes(node, node.inputs);
  if (body.inputs.every(({ type }, index) => isWhole(type) || !isTensor(outside[index] ?? node.inputs[index]?.type)))
    return node;
  let types = body.inputs.map(({ type }, index) => {
    const isState = index >= lead && index < lead + count;
    return refined(type, isState ? node.inputs[index]?.type : outside[index]);
  });
  for (;;) {
    const { outputs } = instantiate(
      body,
      types.map((type) => inputValue(undefined, type)),
    );
    const next = types.map((type, index) =>
      index >= lead && index < lead + count
        ? refined(body.inputs[index]?.type, joinTypes(type, outputs[index - lead + firstResult(node)]?.type))
        : type,
    );
    // Sizes are only ever forgotten, so this ends.
    if (next.every((type, index) => describeType(type) === describeType(types[index]))) break;
    types = next;
  }
  const changed = body.inputs.some(({ type }, index) => describeType(type) !== describeType(types[index]));
  if (!changed) return node;
  const values = new Map(body.inputs.map((value, index) => [value, makeValue(value.source, types[index], value.name)]));
  // A copy, so that types inside are found again; names stay.
  const rename = (name: string | undefined): string | undefined => name;
  const inner = rewriteGraph({ ...body, origin: undefined }, () => undefined, { values, copy: { rename } });
  return remake(node, { attributes: new Map(node.attributes).set('body', { kind: 'graph', value: inner }) });
}

function isTensor(type: ValueType): boolean {
  return type?.kind === 'tensor';
}

function isWhole(type: ValueType): boolean {
  return type?.kind === 'tensor' && type.shape?.every((dim) => dim !== undefined) === true;
}

/** What a body declares of its input, and what is known of it besides. */
function refined(declared: ValueType, known: ValueType): ValueType {
  if (declared === undefined) return known;
  if (declared.kind !== 'tensor' || known?.kind !== 'tensor') return declared;
  const { shape } = declared;
  if (shape !== undefined && known.shape?.length !== shape.length) return declared;
  return tensorType(
    declared.dtype ?? known.dtype,
    known.shape?.map((dim, axis) => dim ?? shape?.[axis]),
  );
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
