import { addDims, differentDims, multiplyDims, unifyDims } from '../dim.ts';
import type { Call, InferRule } from '../rule.ts';
import { type Dim, describeShape } from '../type.ts';
import { badAttribute, intAttribute } from './attributes.ts';
import { badShape, checkRank, dtypeOf, isGiven, shapeOf, sharedDtype, tensor } from './call.ts';
import { headSize } from './recurrent.ts';

/** Queries, keys or values as [batch, heads, length, size], whichever form they are in. */
interface Heads {
  readonly batch: Dim;
  readonly heads: Dim;
  readonly length: Dim;
  readonly size: Dim;
}

function headsOf(call: Call, index: number, argument: string, attribute: string): Heads | undefined {
  checkRank(call, index, argument, [3, 4]);
  const shape = shapeOf(call, index);
  if (shape === undefined) return undefined;
  const [batch, second, third, fourth] = shape;
  if (shape.length === 4) return { batch, heads: second, length: third, size: fourth };
  const heads = intAttribute(call, attribute, 0);
  if (heads === 0) throw badAttribute(call, attribute, `given, as ${argument} is ${describeShape(shape)}`, 'nothing');
  return { batch, heads, length: second, size: headSize(call, index, argument, third, heads) };
}

const attention: InferRule = (call) => {
  const dtype = sharedDtype(call, isGiven(call, 4) ? [0, 1, 4] : [0, 1], ['Q', 'K', 'past_key']);
  const valueDtype = sharedDtype(call, isGiven(call, 5) ? [2, 5] : [2], ['V', 'past_value']);
  const q = headsOf(call, 0, 'Q', 'q_num_heads');
  const k = headsOf(call, 1, 'K', 'kv_num_heads');
  const v = headsOf(call, 2, 'V', 'kv_num_heads');
  checkHeads(call, q, k, v);
  const rank = shapeOf(call, 0)?.length;
  const past = isGiven(call, 4) ? shapeOf(call, 4)?.[2] : 0;
  const total = addDims(past, unifyDims(k?.length, v?.length));
  const batch = unifyDims(q?.batch, k?.batch);
  const flat = [batch, q?.length, multiplyDims(q?.heads, v?.size)];
  const apart = [batch, q?.heads, q?.length, v?.size];
  const output = rank === undefined ? undefined : rank === 3 ? flat : apart;
  return [
    tensor(dtype, output),
    tensor(dtype, [batch, k?.heads, total, k?.size]),
    tensor(valueDtype, [batch, v?.heads, total, v?.size]),
    tensor(dtype, [batch, q?.heads, q?.length, total]),
  ];
};

function checkHeads(call: Call, q: Heads | undefined, k: Heads | undefined, v: Heads | undefined): void {
  if (differentDims(q?.size, k?.size)) throw badShape(call, 'K', `of head size ${q?.size} as Q is`, shapeOf(call, 1));
  if (differentDims(q?.batch, k?.batch))
    throw badShape(call, 'K', `of batch size ${q?.batch} as Q is`, shapeOf(call, 1));
  if (differentDims(k?.length, v?.length))
    throw badShape(call, 'V', `of length ${k?.length} as K is`, shapeOf(call, 2));
  if (differentDims(k?.heads, v?.heads)) throw badShape(call, 'V', `of ${k?.heads} heads as K is`, shapeOf(call, 2));
  const [queries, keys] = [q?.heads, k?.heads];
  if (typeof queries === 'number' && typeof keys === 'number' && queries % keys !== 0)
    throw badShape(call, 'Q', `of a multiple of the ${keys} heads of K`, shapeOf(call, 0));
}

const linearAttention: InferRule = (call) => {
  const dtype = sharedDtype(call, [0, 1, 2], ['query', 'key', 'value']);
  for (const [index, name] of ['query', 'key', 'value'].entries()) checkRank(call, index, name, [3]);
  const [query, key, value] = [0, 1, 2].map((index) => shapeOf(call, index));
  const queries = intAttribute(call, 'q_num_heads', undefined);
  const keys = intAttribute(call, 'kv_num_heads', undefined);
  const keySize = headSize(call, 1, 'key', key?.[2], keys) ?? headSize(call, 0, 'query', query?.[2], queries);
  const valueSize = headSize(call, 2, 'value', value?.[2], keys);
  const [batch, length] = [0, 1].map((axis) => unifyDims(query?.[axis], key?.[axis]));
  return [
    tensor(dtype, [batch, length, multiplyDims(queries, valueSize)]),
    tensor(dtypeOf(call, 3) ?? dtype, [batch, keys, keySize, valueSize]),
  ];
};

export const attentionRules: Readonly<Record<string, InferRule>> = {
  Attention: attention,
  LinearAttention: linearAttention,
};
