import type { DType } from '../../files/dtype.ts';
import type { Call, InferRule } from '../rule.ts';
import { dtypeAttribute, intAttribute } from './attributes.ts';
import { checkedAxis, checkShape, dtypeOf, isGiven, mismatch, shapeOf, sharedDtype, tensor } from './call.ts';

/** A scale is one number, one per element of an axis, or one per block of it; the zero point is shaped like it. */
function checkScale(call: Call, names: readonly [string, string]): void {
  const shape = shapeOf(call, 0);
  const scale = shapeOf(call, 1);
  if (scale !== undefined) checkZeroPoint(call, names[1], scale);
  const axis = intAttribute(call, 'axis', 1);
  const block = intAttribute(call, 'block_size', 0);
  if (shape === undefined || scale?.length !== 1 || axis === undefined || block !== 0 || shape.length < 2) return;
  const size = scale[0];
  if (size === 1) return;
  checkShape(call, 1, names[0], [shape[checkedAxis(call, axis, shape.length)]]);
}

function checkZeroPoint(call: Call, name: string, scale: NonNullable<ReturnType<typeof shapeOf>>): void {
  const zero = shapeOf(call, 2);
  const single = (dims: readonly unknown[]): boolean => dims.length === 0 || (dims.length === 1 && dims[0] === 1);
  if (zero !== undefined && !(single(zero) && single(scale))) checkShape(call, 2, name, scale);
}

const quantise: InferRule = (call) => {
  checkScale(call, ['y_scale', 'y_zero_point']);
  const stated =
    intAttribute(call, 'output_dtype', 0) === 0 ? undefined : dtypeAttribute(call, 'output_dtype', undefined);
  const held = dtypeOf(call, 2);
  if (stated !== undefined && held !== undefined && stated !== held)
    throw mismatch('DTYPE_MISMATCH', call, 'y_zero_point', `${stated} as output_dtype says`, held);
  const known = stated ?? held;
  const open = isGiven(call, 2) || call.attributes.get('output_dtype')?.kind === 'reference';
  return [tensor(known ?? (open ? undefined : 'uint8'), shapeOf(call, 0))];
};

const dequantise: InferRule = (call) => {
  if (isGiven(call, 2)) sharedDtype(call, [0, 2], ['x', 'x_zero_point']);
  checkScale(call, ['x_scale', 'x_zero_point']);
  const stated = intAttribute(call, 'output_dtype', 0);
  const dtype: DType | undefined = stated === 0 ? dtypeOf(call, 1) : dtypeAttribute(call, 'output_dtype', undefined);
  return [tensor(dtype, shapeOf(call, 0))];
};

const dynamic: InferRule = (call) => [tensor('uint8', shapeOf(call, 0)), tensor('float32', []), tensor('uint8', [])];

export const quantiseRules: Readonly<Record<string, InferRule>> = {
  DequantizeLinear: dequantise,
  DynamicQuantizeLinear: dynamic,
  QuantizeLinear: quantise,
};
