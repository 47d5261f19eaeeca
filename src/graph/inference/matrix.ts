import { differentDims } from '../dim.ts';
import type { Call, InferRule } from '../rule.ts';
import { type Dim, describeShape, type Shape } from '../type.ts';
import { dtypeAttribute, intAttribute } from './attributes.ts';
import { broadcastShapes, checkBroadcastsTo } from './broadcast.ts';
import {
  badShape,
  checkRank,
  checkRankAtLeast,
  dtypeOf,
  isGiven,
  shapeOf,
  sharedDtype,
  tensor,
  versionOf,
} from './call.ts';

/** numpy's matmul: [..., M, K] x [..., K, N], a vector on either side is a row or a column that vanishes. */
function matMulShape(call: Call, a: Shape, b: Shape, names: readonly [string, string]): Shape {
  if (a?.length === 0) throw badShape(call, names[0], 'of rank 1 or more', a);
  if (b?.length === 0) throw badShape(call, names[1], 'of rank 1 or more', b);
  if (a === undefined || b === undefined) return undefined;
  const inner = a.at(-1);
  const rows = b.length === 1 ? b[0] : b.at(-2);
  if (differentDims(inner, rows))
    throw badShape(call, names[1], `of ${inner} rows, as ${names[0]} is ${describeShape(a)}`, b);
  const batch = broadcastShapes(a.slice(0, -2), b.slice(0, -2));
  if (batch === 'fails')
    throw badShape(call, names[1], `broadcastable with ${describeShape(a)} but for the last two axes`, b);
  if (batch === undefined) return undefined;
  return [...batch, ...(a.length > 1 ? [a.at(-2)] : []), ...(b.length > 1 ? [b.at(-1)] : [])];
}

const matMul: InferRule = (call) => [
  tensor(sharedDtype(call, [0, 1], ['A', 'B']), matMulShape(call, shapeOf(call, 0), shapeOf(call, 1), ['A', 'B'])),
];

const matMulInteger: InferRule = (call) => [
  tensor('int32', matMulShape(call, shapeOf(call, 0), shapeOf(call, 1), ['A', 'B'])),
];

const quantisedMatMul: InferRule = (call) => {
  sharedDtype(call, [0, 2], ['a', 'a_zero_point']);
  sharedDtype(call, [3, 5], ['b', 'b_zero_point']);
  return [tensor(dtypeOf(call, 7), matMulShape(call, shapeOf(call, 0), shapeOf(call, 3), ['a', 'b']))];
};

const gemm: InferRule = (call) => {
  checkRank(call, 0, 'A', [2]);
  checkRank(call, 1, 'B', [2]);
  const indices = isGiven(call, 2) ? [0, 1, 2] : [0, 1];
  const dtype = sharedDtype(call, indices, ['A', 'B', 'C']);
  const [rows, inner] = oriented(call, 0, 'transA');
  const [innerB, columns] = oriented(call, 1, 'transB');
  if (differentDims(inner, innerB)) {
    const a = describeShape(shapeOf(call, 0));
    throw badShape(
      call,
      'B',
      `of inner size ${inner}, as A is ${a} with transA = ${intAttribute(call, 'transA', 0)}`,
      shapeOf(call, 1),
    );
  }
  const shape = [rows, columns];
  if (versionOf(call) >= 7) checkBroadcastsTo(call, 'C', shapeOf(call, 2), shape);
  return [tensor(dtype, shape)];
};

function oriented(call: Call, index: number, name: string): readonly [Dim, Dim] {
  const shape = shapeOf(call, index);
  const transposed = intAttribute(call, name, 0);
  if (shape === undefined || transposed === undefined) return [undefined, undefined];
  return transposed !== 0 ? [shape[1], shape[0]] : [shape[0], shape[1]];
}

const determinant: InferRule = (call) => {
  checkRankAtLeast(call, 0, 'X', 2);
  const shape = shapeOf(call, 0);
  if (shape !== undefined && differentDims(shape.at(-1), shape.at(-2)))
    throw badShape(call, 'X', 'square matrices', shape);
  return [tensor(dtypeOf(call, 0), shape?.slice(0, -2))];
};

const trilu: InferRule = (call) => {
  checkRankAtLeast(call, 0, 'input', 2);
  return [tensor(dtypeOf(call, 0), shapeOf(call, 0))];
};

const eyeLike: InferRule = (call) => {
  checkRank(call, 0, 'input', [2]);
  return [tensor(dtypeAttributeOrInput(call), shapeOf(call, 0))];
};

function dtypeAttributeOrInput(call: Call): ReturnType<typeof dtypeOf> {
  return call.attributes.has('dtype') ? dtypeAttribute(call, 'dtype', undefined) : dtypeOf(call, 0);
}

export const matrixRules: Readonly<Record<string, InferRule>> = {
  Det: determinant,
  EyeLike: eyeLike,
  Gemm: gemm,
  MatMul: matMul,
  MatMulInteger: matMulInteger,
  QLinearMatMul: quantisedMatMul,
  Trilu: trilu,
};
