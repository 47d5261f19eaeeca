import { dtypeOfCode } from '../../../files/dtype.ts';
import { toNumbers } from '../../../files/tensor.ts';
import type { Model } from '../../graph.ts';
import type { Shape } from '../../type.ts';
import type { Node, Value } from '../../value.ts';
import { constantTensor, intOf } from '../constants.ts';
import { rewriteModel } from '../rewrite.ts';
import { integersIn, isStandard, programTensor, valuesRead } from './program.ts';

/** The input that a node gives back as it is; undefined where it does something. */
type NoOp = (node: Node) => Value | undefined;

/**
 * A model without the operators that give back what they are given: Identity, Dropout that does not train, Cast to the type it has,
 * Reshape, Expand, Slice, Pad, Transpose that move nothing, sums and concatenations of one, products with a constant one.
 */
export function removeNoOps(model: Model): Model {
  const read = valuesRead(model);
  return rewriteModel(model, (node, original) => {
    if (!isStandard(node)) return undefined;
    // Only the first output is what was given: a mask that is read stays.
    if (original.outputs.slice(1).some((value) => read.has(value))) return undefined;
    const same = noOps[node.opType]?.(node);
    return same === undefined ? undefined : [same];
  });
}

const first: NoOp = ({ inputs }) => inputs[0];
const ofOne: NoOp = ({ inputs }) => (inputs.length === 1 ? inputs[0] : undefined);

const dropout: NoOp = ({ inputs, version = 0 }) => {
  if (version < 7) return undefined;
  if (inputs[2] === undefined) return inputs[0];
  const training = constantTensor(inputs[2]);
  return training?.dtype === 'bool' && training.bytes[0] === 0 ? inputs[0] : undefined;
};

const cast: NoOp = (node) => {
  const [x] = node.inputs;
  return x?.dtype !== undefined && x.dtype === dtypeOfCode(intOf(node, 'to', 0) ?? 0) ? x : undefined;
};

const transpose: NoOp = (node) => {
  const perm = node.attributes.get('perm');
  return perm?.kind === 'ints' && perm.value.every((axis, i) => Number(axis) === i) ? node.inputs[0] : undefined;
};

/** The dimensions that a value asks for: constants, or what inference knows of them. */
function wanted(value: Value | undefined): Shape {
  return integersIn(value) ?? value?.known;
}

const reshape: NoOp = (node) => {
  const [x, target] = node.inputs;
  const dims = wanted(target);
  if (x?.shape === undefined || dims === undefined || dims.length !== x.shape.length) return undefined;
  const copies = intOf(node, 'allowzero', 0) === 0;
  const free = dims.filter((dim, i) => !(dim !== undefined && dim === x.shape?.[i]) && !(dim === 0 && copies));
  return free.length === 0 || (free.length === 1 && free[0] === -1 && !isEmpty(x.shape)) ? x : undefined;
};

/** Whether some dimension may be zero: then -1 stands for none in particular. */
function isEmpty(shape: readonly unknown[]): boolean {
  return shape.includes(0);
}

const expand: NoOp = ({ inputs: [x, target] }) => {
  const dims = wanted(target);
  if (x?.shape === undefined || dims === undefined || dims.length > x.shape.length) return undefined;
  const before = x.shape.length - dims.length;
  return dims.every((dim, i) => dim === 1 || (dim !== undefined && dim === x.shape?.[before + i])) ? x : undefined;
};

/** What exporters write for "to the end". */
const end = 2 ** 31 - 1;

const slice: NoOp = ({ inputs: [x, starts, ends, axes, steps] }) => {
  const [from, to, step] = [integersIn(starts), integersIn(ends), integersIn(steps)];
  const at = axes === undefined ? from?.map((_, i) => i) : integersIn(axes);
  if (x?.shape === undefined || from === undefined || to === undefined || at === undefined) return undefined;
  if (steps !== undefined && step === undefined) return undefined;
  const { shape } = x;
  const whole = at.every((axis, i) => {
    const dim = shape[axis < 0 ? axis + shape.length : axis];
    const last = to[i] ?? 0;
    return from[i] === 0 && (step?.[i] ?? 1) === 1 && (last >= end || (typeof dim === 'number' && last >= dim));
  });
  return whole ? x : undefined;
};

const pad: NoOp = ({ inputs: [x, pads], version = 0 }) =>
  version >= 11 && integersIn(pads)?.every((amount) => amount === 0) === true ? x : undefined;

const squeeze: NoOp = ({ inputs: [x, axes], version = 0 }) =>
  version >= 13 && axes !== undefined && integersIn(axes)?.length === 0 ? x : undefined;

const flatten: NoOp = (node) => {
  const [x] = node.inputs;
  return x?.shape?.length === 2 && intOf(node, 'axis', 1) === 1 ? x : undefined;
};

/** Whether a constant is one everywhere, and broadcasts nothing larger than `x` is. */
function isOne(value: Value | undefined, x: Value | undefined): boolean {
  const tensor = programTensor(value);
  if (tensor === undefined || x === undefined || tensor.dtype === 'string' || tensor.bytes.length > 8) return false;
  if (
    tensor.shape.some((dim) => dim !== 1) ||
    (tensor.shape.length > 0 && (x.shape?.length ?? -1) < tensor.shape.length)
  )
    return false;
  return toNumbers(tensor)[0] === 1;
}

const unitRight: NoOp = ({ inputs: [x, by] }) => (isOne(by, x) ? x : undefined);
const unitEither: NoOp = ({ inputs: [x, by] }) => (isOne(by, x) ? x : isOne(x, by) ? by : undefined);

const noOps: Readonly<Record<string, NoOp>> = {
  Identity: first,
  Dropout: dropout,
  Cast: cast,
  Transpose: transpose,
  Reshape: reshape,
  Expand: expand,
  Slice: slice,
  Pad: pad,
  Squeeze: squeeze,
  Unsqueeze: squeeze,
  Flatten: flatten,
  Concat: ofOne,
  Sum: ofOne,
  Max: ofOne,
  Min: ofOne,
  Mean: ofOne,
  Mul: unitEither,
  Div: unitRight,
  Pow: unitRight,
};
