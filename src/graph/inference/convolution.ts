import type { DType } from '../../files/dtype.ts';
import { addDims, differentDims, divideExactly, multiplyDims, productOf, subtractDims, unifyDims } from '../dim.ts';
import type { Call, InferRule } from '../rule.ts';
import { type Dim, describeShape, type Shape } from '../type.ts';
import { badAttribute, intAttribute, intsAttribute } from './attributes.ts';
import {
  badShape,
  checkRank,
  checkRankAtLeast,
  checkShape,
  dtypeOf,
  isGiven,
  mismatch,
  shapeOf,
  sharedDtype,
  tensor,
  unknownDims,
} from './call.ts';
import { knownDims } from './constant.ts';
import { extentOf, listed, windowCount, windowsOf } from './window.ts';

/** Where a convolution has its operands: input, weight and bias, and what its errors call them. */
interface Operands {
  readonly x: number;
  readonly w: number;
  readonly bias: number | undefined;
  readonly names: readonly [string, string, string];
}

const plain: Operands = { x: 0, w: 1, bias: 2, names: ['X', 'W', 'B'] };
const integer: Operands = { x: 0, w: 1, bias: undefined, names: ['x', 'w', ''] };
const quantised: Operands = { x: 0, w: 3, bias: 8, names: ['x', 'w', 'B'] };

/** Kernel sizes from the weight or the attribute. @throws BAD_ATTRIBUTE where they disagree. */
function kernelOf(call: Call, weight: Shape, rank: number): readonly Dim[] {
  const attribute = intsAttribute(call, 'kernel_shape');
  if (attribute !== undefined && attribute.length !== rank)
    throw badAttribute(call, 'kernel_shape', `${rank} sizes`, `[${attribute.join(', ')}]`);
  const held = weight?.slice(2) ?? unknownDims(rank);
  if (attribute === undefined) return held;
  if (attribute.some((size, axis) => differentDims(size, held[axis])))
    throw badAttribute(call, 'kernel_shape', `${describeShape(held)} as the weight is`, `[${attribute.join(', ')}]`);
  return attribute;
}

function checkBias(call: Call, { bias, names }: Operands, channels: Dim): void {
  if (bias !== undefined) checkShape(call, bias, names[2], [channels]);
}

function checkRanks(call: Call, { x, w, names }: Operands): number | undefined {
  checkRankAtLeast(call, x, names[0], 3);
  checkRankAtLeast(call, w, names[1], 3);
  const [input, weight] = [shapeOf(call, x), shapeOf(call, w)];
  if (input !== undefined && weight !== undefined && input.length !== weight.length)
    throw badShape(call, names[1], `of rank ${input.length} as ${names[0]} is`, weight);
  return input?.length ?? weight?.length;
}

function convolved(call: Call, operands: Operands): Shape {
  const { x, w, names } = operands;
  const rank = checkRanks(call, operands);
  if (rank === undefined) return undefined;
  const [input, weight] = [shapeOf(call, x), shapeOf(call, w)];
  const group = intAttribute(call, 'group', 1);
  const channels = weight?.[0];
  if (group !== undefined && group < 1) throw badAttribute(call, 'group', '1 or more', String(group));
  const wanted = multiplyDims(weight?.[1], group);
  if (differentDims(wanted, input?.[1]))
    throw badShape(
      call,
      names[0],
      `of ${wanted} channels, as ${names[1]} is ${describeShape(weight)} in ${group} groups`,
      input,
    );
  if (typeof channels === 'number' && group !== undefined && channels % group !== 0)
    throw badAttribute(call, 'group', `a divisor of the ${channels} output channels`, String(group));
  checkBias(call, operands, channels);
  const spatial = input?.slice(2) ?? unknownDims(rank - 2);
  const kernel = kernelOf(call, weight, rank - 2);
  const windows = windowsOf(call, rank - 2);
  const sizes = spatial.map((size, axis) =>
    windowCount(call, names[0], size, extentOf(kernel[axis], windows.dilations[axis]), windows, axis, false),
  );
  return [input?.[0], channels, ...sizes];
}

const conv: InferRule = (call) => {
  const indices = isGiven(call, 2) ? [0, 1, 2] : [0, 1];
  return [tensor(sharedDtype(call, indices, plain.names), convolved(call, plain))];
};

const convInteger: InferRule = (call) => {
  if (isGiven(call, 2)) sharedDtype(call, [0, 2], ['x', 'x_zero_point']);
  if (isGiven(call, 3)) sharedDtype(call, [1, 3], ['w', 'w_zero_point']);
  return [tensor('int32', convolved(call, integer))];
};

const quantisedConv: InferRule = (call) => {
  sharedDtype(call, [0, 2], ['x', 'x_zero_point']);
  sharedDtype(call, [3, 5], ['w', 'w_zero_point']);
  return [tensor(dtypeOf(call, 7), convolved(call, quantised))];
};

const deformConv: InferRule = (call) => {
  const indices = [0, 1, 2, 3, 4].filter((index) => isGiven(call, index));
  const names = ['X', 'W', 'offset', 'B', 'mask'];
  const dtype = sharedDtype(
    call,
    indices,
    indices.map((index) => names[index] ?? ''),
  );
  const shape = convolved(call, { ...plain, bias: 3 });
  const offsetRank = shapeOf(call, 2);
  if (shape !== undefined && offsetRank !== undefined && offsetRank.length !== shape.length)
    throw badShape(call, 'offset', `of rank ${shape.length} as X is`, offsetRank);
  return [tensor(dtype, shape)];
};

const convTranspose: InferRule = (call) => {
  const dtype = sharedDtype(call, isGiven(call, 2) ? [0, 1, 2] : [0, 1], plain.names);
  const rank = checkRanks(call, plain);
  if (rank === undefined) return [tensor(dtype, undefined)];
  const [input, weight] = [shapeOf(call, 0), shapeOf(call, 1)];
  if (differentDims(input?.[1], weight?.[0]))
    throw badShape(call, 'X', `of ${weight?.[0]} channels, as W is ${describeShape(weight)}`, input);
  const channels = multiplyDims(weight?.[1], intAttribute(call, 'group', 1));
  checkBias(call, plain, channels);
  const spatial = input?.slice(2) ?? unknownDims(rank - 2);
  return [tensor(dtype, [input?.[0], channels, ...transposedSizes(call, spatial, kernelOf(call, weight, rank - 2))])];
};

function transposedSizes(call: Call, spatial: readonly Dim[], kernel: readonly Dim[]): readonly Dim[] {
  const asked = intsAttribute(call, 'output_shape');
  /** Some exporters list batch and channels too. */
  if (asked !== undefined && asked.length >= spatial.length) return asked.slice(asked.length - spatial.length);
  if (asked !== undefined) throw badAttribute(call, 'output_shape', `${spatial.length} sizes`, `[${asked.join(', ')}]`);
  const windows = windowsOf(call, spatial.length);
  const extra = listed(call, 'output_padding', spatial.length, 0, 0);
  const { automatic } = windows;
  return spatial.map((size, axis) => {
    const stride = windows.strides[axis];
    if (automatic === undefined) return undefined;
    if (automatic.startsWith('SAME')) return multiplyDims(size, stride);
    const open = addDims(multiplyDims(subtractDims(size, 1), stride), extentOf(kernel[axis], windows.dilations[axis]));
    const full = addDims(open, extra[axis]);
    const cut = automatic === 'VALID' ? 0 : addDims(windows.begins[axis], windows.ends[axis]);
    const result = subtractDims(full, cut);
    if (typeof result === 'number' && result < 0)
      throw badAttribute(call, 'pads', `no more than ${full} in spatial axis ${axis}`, String(cut));
    return result;
  });
}

/** Sum of overlapping blocks back into an image: [N, C * prod(block), L] to [N, C, ...image]. */
const col2Im: InferRule = (call) => {
  checkRank(call, 0, 'input', [3]);
  const shape = shapeOf(call, 0);
  const image = knownDims(call.inputs[1]);
  const block = knownDims(call.inputs[2]);
  const count = shapeOf(call, 1)?.[0] ?? shapeOf(call, 2)?.[0];
  const cells = block === undefined ? undefined : productOf(block);
  const channels = divideExactly(shape?.[1], cells);
  if (channels === undefined && typeof shape?.[1] === 'number' && typeof cells === 'number')
    throw badShape(call, 'input', `of a multiple of ${cells} in axis 1`, shape);
  if (image !== undefined && block !== undefined && image.length !== block.length)
    throw mismatch('SHAPE_MISMATCH', call, 'block_shape', `of ${image.length} sizes`, describeShape(block));
  const spatial = image ?? (typeof count === 'number' && count <= 64 ? unknownDims(count) : undefined);
  return [tensor(dtypeOf(call, 0), spatial && [shape?.[0], channels, ...spatial])];
};

/** Depthwise causal convolution over time with its state: [B, C, T] and the last k - 1 steps. */
const causalConv: InferRule = (call) => {
  const indices = [0, 1, 2, 3].filter((index) => isGiven(call, index));
  const names = ['input', 'weight', 'bias', 'past_state'];
  const dtype: DType | undefined = sharedDtype(
    call,
    indices,
    indices.map((index) => names[index] ?? ''),
  );
  const shape = shapeOf(call, 0);
  const weight = shapeOf(call, 1);
  checkRank(call, 1, 'weight', [3]);
  checkRank(call, 0, 'input', [3]);
  if (differentDims(shape?.[1], weight?.[0])) throw badShape(call, 'weight', `of ${shape?.[1]} channels`, weight);
  const channels = unifyDims(shape?.[1], weight?.[0]);
  const state = [shape?.[0], channels, subtractDims(weight?.[2], 1)];
  checkShape(call, 2, 'bias', [channels]);
  checkShape(call, 3, 'past_state', state);
  return [tensor(dtype, shape?.with(1, channels)), tensor(dtype, state)];
};

export const convolutionRules: Readonly<Record<string, InferRule>> = {
  CausalConvWithState: causalConv,
  Col2Im: col2Im,
  Conv: conv,
  ConvInteger: convInteger,
  ConvTranspose: convTranspose,
  DeformConv: deformConv,
  QLinearConv: quantisedConv,
};
