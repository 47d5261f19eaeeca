import { multiplyDims } from '../dim.ts';
import type { Call, InferRule } from '../rule.ts';
import type { Dim, Shape } from '../type.ts';
import { intAttribute, intsAttribute } from './attributes.ts';
import { broadcastShapes } from './broadcast.ts';
import { dtypeOf, shapeOf, tensor, unknownDims } from './call.ts';
import { convolutionRules } from './convolution.ts';
import { matrixRules } from './matrix.ts';

/** Types of operators that ONNX Runtime adds: what follows them would be of unknown type otherwise. Nothing is checked. */

const likeFirst: InferRule = (call) => [tensor(dtypeOf(call, 0), shapeOf(call, 0))];

/** [Y, mean, inverse deviation, the sum that was normalised]. */
const skipNormalisation: InferRule = (call) => {
  const [dtype, shape] = [dtypeOf(call, 0), shapeOf(call, 0)];
  const statistics = tensor('float32', shape && [...shape.slice(0, -1), 1]);
  return [tensor(dtype, shape), statistics, statistics, tensor(dtype, shape)];
};

/** [Y, inverse deviation]. */
const simplifiedNormalisation: InferRule = (call) => {
  const shape = shapeOf(call, 0);
  const axis = intAttribute(call, 'axis', -1) ?? -1;
  const first = shape !== undefined && axis < 0 ? axis + shape.length : axis;
  const means = shape?.map((dim, at): Dim => (at < first ? dim : 1));
  return [tensor(dtypeOf(call, 1) ?? dtypeOf(call, 0), shape), tensor('float32', means)];
};

const matMul: InferRule = (call) => {
  const [a, b] = [oriented(call, 0, 'A'), oriented(call, 1, 'B')];
  if (a === undefined || b === undefined || a.length < 2 || b.length < 2)
    return [tensor(dtypeOf(call, 0), a?.length === b?.length && a?.length === 1 ? [] : undefined)];
  const batch = broadcastShapes(a.slice(0, -2), b.slice(0, -2));
  const known = batch === 'fails' || batch === undefined ? undefined : [...batch, a.at(-2), b.at(-1)];
  return [tensor(dtypeOf(call, 0), known)];
};

function oriented(call: Call, index: number, name: string): Shape {
  const shape = shapeOf(call, index);
  if (shape === undefined || shape.length < 2) return shape;
  const order = [...shape];
  if (intAttribute(call, `transBatch${name}`, 0) !== 0) order.splice(order.length - 2, 0, ...order.splice(0, 1));
  if (intAttribute(call, `trans${name}`, 0) !== 0) order.push(...order.splice(order.length - 2, 1));
  return order;
}

const multiHead: InferRule = (call) => {
  const [query, key, value] = [shapeOf(call, 0), shapeOf(call, 1), shapeOf(call, 2)];
  const dtype = dtypeOf(call, 0);
  const width =
    query?.length === 5
      ? multiplyDims(query[2], query[4])
      : key?.length === 5
        ? multiplyDims(key[2], key[4])
        : value?.length === 4
          ? multiplyDims(value[1], value[3])
          : value?.[2];
  const heads = intAttribute(call, 'num_heads', 1);
  const past = tensor(dtype, [query?.[0], heads, ...unknownDims(2)]);
  return [tensor(dtype, query && [query[0], query[1], width]), past, past, past];
};

const attention: InferRule = (call) => {
  const [shape, dtype] = [shapeOf(call, 0), dtypeOf(call, 0)];
  const width = shapeOf(call, 1)?.[1];
  const values = intsAttribute(call, 'qkv_hidden_sizes')?.[2] ?? (typeof width === 'number' ? width / 3 : undefined);
  return [tensor(dtype, shape && [shape[0], shape[1], values]), tensor(dtype, [2, shape?.[0], ...unknownDims(3)])];
};

const groupQuery: InferRule = (call) => {
  const [shape, dtype] = [shapeOf(call, 0), dtypeOf(call, 0)];
  const [heads, groups] = [intAttribute(call, 'num_heads', 1) ?? 1, intAttribute(call, 'kv_num_heads', 1) ?? 1];
  const packed = call.inputs[1] === undefined;
  const width = shape?.[2];
  const own = !packed ? width : typeof width === 'number' ? (width / (heads + 2 * groups)) * heads : undefined;
  const past = tensor(dtype, [shape?.[0], groups, ...unknownDims(2)]);
  return [tensor(dtype, shape && [shape[0], shape[1], own]), past, past];
};

const embedding: InferRule = (call) => {
  const [ids, words] = [shapeOf(call, 0), shapeOf(call, 2)];
  const dtype = dtypeOf(call, 2);
  const shape = ids === undefined ? undefined : [...ids, words?.[1]];
  return [tensor(dtype, shape), tensor('int32', ids && [ids[0]]), tensor(dtype, shape)];
};

const oneMoreAxis: InferRule = (call) => {
  const shape = shapeOf(call, 0);
  return [tensor(dtypeOf(call, 0), shape && unknownDims(shape.length + 1))];
};

const rules: Readonly<Record<string, InferRule | undefined>> = {
  '.SimplifiedLayerNormalization': simplifiedNormalisation,
  'com.microsoft.Attention': attention,
  'com.microsoft.BiasGelu': likeFirst,
  'com.microsoft.BiasSoftmax': likeFirst,
  'com.microsoft.EmbedLayerNormalization': embedding,
  'com.microsoft.ExpandDims': oneMoreAxis,
  'com.microsoft.FastGelu': likeFirst,
  'com.microsoft.FusedConv': (call) => convolutionRules.Conv?.(call) ?? [],
  'com.microsoft.FusedGemm': (call) => matrixRules.Gemm?.(call) ?? [],
  'com.microsoft.FusedMatMul': matMul,
  'com.microsoft.GatherND': (call) => [tensor(dtypeOf(call, 0), undefined)],
  'com.microsoft.Gelu': likeFirst,
  'com.microsoft.GroupQueryAttention': groupQuery,
  'com.microsoft.MultiHeadAttention': multiHead,
  'com.microsoft.QuickGelu': likeFirst,
  'com.microsoft.RotaryEmbedding': likeFirst,
  'com.microsoft.SkipLayerNormalization': skipNormalisation,
  'com.microsoft.SkipSimplifiedLayerNormalization': skipNormalisation,
  'com.microsoft.TransposeMatMul': matMul,
  'com.microsoft.Trilu': likeFirst,
};

/** Inference rules of operators without a schema, by domain and type. Without a prototype: names come from files. */
export const contribRules: Readonly<Record<string, InferRule | undefined>> = Object.freeze(
  Object.assign(Object.create(null), rules),
);
