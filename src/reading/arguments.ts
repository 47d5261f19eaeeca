import { toNumbers } from '../files/tensor.ts';
import type { FunctionDefinition } from '../graph/function.ts';
import { constantTensor } from '../graph/passes/constants.ts';
import type { Node, Value } from '../graph/value.ts';

/** The inputs of a call under the names its function gives them. */
export function argumentsOf(node: Node): Map<string, Value> {
  const given = new Map<string, Value>();
  const formal: FunctionDefinition['body']['inputs'] = node.callee?.body.inputs ?? [];
  node.inputs.forEach((value, index) => {
    const name = formal[index]?.name;
    if (value !== undefined && name !== undefined) given.set(name, value);
  });
  return given;
}

/** The blocks of a formal input in order: `W`, or `W0`, `W1`, `W2` ... */
export function blocksOf(given: ReadonlyMap<string, Value>, name: string): Value[] {
  const numbered = [...given].filter(([key]) => key.startsWith(name) && /^\d*$/.test(key.slice(name.length)));
  return numbered
    .sort(([a], [b]) => Number(a.slice(name.length)) - Number(b.slice(name.length)))
    .map(([, value]) => value);
}

/** The one number a value always is, as its author wrote it; undefined where it is not known or several. */
export function numberOf(value: Value | undefined): number | undefined {
  const tensor = constantTensor(value);
  if (tensor === undefined || tensor.shape.some((dim) => dim !== 1)) return undefined;
  const [number] = toNumbers(tensor);
  return number === undefined || tensor.dtype === 'float64' ? number : shortest(number);
}

/** The shortest decimal that float32 cannot tell from the number: 0.3 of 0.30000001192092896. */
function shortest(number: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(number.toPrecision(digits));
    if (Math.fround(short) === Math.fround(number)) return short;
  }
  return number;
}

/** Walks back over operators that only hand a value on: casts, identities, dropouts. */
export function through(value: Value | undefined): Value | undefined {
  let current = value;
  for (let depth = 0; depth < 32; depth++) {
    const { source } = current ?? {};
    if (source?.kind !== 'output' || source.node.domain !== '' || !handsOn.has(source.node.opType)) return current;
    current = source.node.inputs[0];
  }
  return current;
}

const handsOn = new Set(['Identity', 'Dropout', 'Cast', 'CastLike']);

/** The node that made a value, over operators that only hand it on. */
export function makerOf(value: Value | undefined): Node | undefined {
  const source = through(value)?.source;
  return source?.kind === 'output' ? source.node : undefined;
}
