import * as op from '../../../graph/op.ts';
import type { Dim } from '../../../graph/type.ts';
import type { Value } from '../../../graph/value.ts';
import { type Rule, type RuleCall, rule } from '../../call.ts';
import { evenParts, ints, scalarLike, sizeOf } from '../../pieces.ts';
import { throughForward } from '../../through.ts';
import { attend, mergeHeads, splitHeads } from '../attention/heads.ts';
import { places } from '../attention/masks.ts';

/** Attention as ONNX Runtime fuses it. */
export const attentionRules: Readonly<Record<string, Rule>> = {
  MultiHeadAttention: rule(
    'as Attention of ai.onnx, of query, key and value with their parts of the bias; a padding mask adds mask_filter_value',
    (call) => throughForward(call, multiHead),
    { note: 'not with the buffers of past and present shared, or beams' },
  ),
  Attention: rule(
    'as Attention of ai.onnx, of the parts of input weights + bias; a mask adds mask_filter_value',
    (call) => throughForward(call, packed),
    { note: 'not with the buffers of past and present shared, or a mask of rank 4' },
  ),
};

function multiHead(call: RuleCall): readonly (Value | undefined)[] {
  if (call.bars[3] !== undefined) throw call.unsupported('its qk is differentiated');
  if (call.maybe(8) !== undefined || call.maybe(9) !== undefined)
    throw call.unsupported('the buffers of past and present are shared');
  const [q, k, v] = projected(call);
  return attended(call, {
    q,
    k: continued(call.maybe(6), k),
    v: continued(call.maybe(7), v),
    past: call.maybe(6) && sizeOf(call.x(6), 2),
    mask: call.maybe(4),
    lengths: true,
    bias: call.maybe(5),
  });
}

/** Queries, keys and values [B, H, L, D], their parts of the bias added. */
function projected(call: RuleCall): readonly [Value, Value, Value] {
  const [query, key, value] = [call.x(0), call.maybe(1), call.maybe(2)];
  const heads = call.int('num_heads', 1);
  if (key === undefined) {
    if (call.maybe(3) !== undefined) throw call.unsupported('it has a bias for packed inputs');
    return unpacked(query, 3) as [Value, Value, Value];
  }
  const split = (x: Value, part: Value | undefined): Value => {
    if (call.rank(x) === 4) return x;
    return splitHeads(part === undefined ? x : op.add(x, part), heads);
  };
  if (value === undefined) {
    if (call.maybe(3) !== undefined) throw call.unsupported('it has a bias for packed inputs');
    const [k, v] = unpacked(key, 2) as [Value, Value];
    return [split(query, undefined), k, v];
  }
  const bias = call.maybe(3);
  const parts = bias === undefined ? [] : biasParts(call, bias, query, value);
  return [split(query, parts[0]), split(key, parts[1]), split(value, parts[2])];
}

/** The parts of a bias for queries, keys and values. */
function biasParts(call: RuleCall, bias: Value, query: Value, value: Value): readonly Value[] {
  const hidden = sizeOf(query, 2);
  const last = call.rank(value) === 3 ? sizeOf(value, 2) : op.mul(sizeOf(value, 1), sizeOf(value, 3));
  return op.split(bias, op.concat([hidden, hidden, last], { axis: 0 }), { axis: 0, numOutputs: 3 });
}

/** [B, L, H, count, D] as `count` times [B, H, L, D]. */
function unpacked(x: Value, count: number): readonly Value[] {
  const parts = evenParts(op.transpose(x, { perm: [3, 0, 2, 1, 4] }), 0, count);
  return parts.map((part) => op.squeeze(part, ints(0)));
}

function continued(past: Value | undefined, x: Value): Value {
  return past === undefined ? x : op.concat([past, x], { axis: 2 });
}

function packed(call: RuleCall): readonly (Value | undefined)[] {
  if (call.maybe(6) !== undefined || call.int('past_present_share_buffer', 0) !== 0)
    throw call.unsupported('the buffers of past and present are shared');
  if (call.int('do_rotary', 0) !== 0) throw call.unsupported('it turns queries and keys itself (do_rotary)');
  const product = op.matMul(call.x(0), call.x(1));
  const bias = call.maybe(2);
  const all = bias === undefined ? product : op.add(product, bias);
  const sizes = call.ints('qkv_hidden_sizes');
  const width = call.x(1).shape?.[1];
  const each = sizes ?? (typeof width === 'number' ? [width / 3, width / 3, width / 3] : undefined);
  const parts = op.split(all, each === undefined ? undefined : ints(...each), { axis: 2, numOutputs: 3 });
  const [q, k, v] = parts.map((part) => splitHeads(part, call.int('num_heads', 1))) as [Value, Value, Value];
  const past = call.maybe(4);
  const [pastKey, pastValue] = past === undefined ? [] : evenParts(past, 0, 2).map((one) => op.squeeze(one, ints(0)));
  const [keys, values] = [continued(pastKey, k), continued(pastValue, v)];
  const [y] = attended(call, {
    q,
    k: keys,
    v: values,
    past: past && sizeOf(past, 3),
    mask: call.maybe(3),
    lengths: false,
    bias: call.maybe(5),
  });
  if (call.bars[1] === undefined) return [y];
  return [y, op.concat([op.unsqueeze(keys, ints(0)), op.unsqueeze(values, ints(0))], { axis: 0 })];
}

interface Given {
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
  /** How many keys came before, as a vector of one number. */
  readonly past: Value | undefined;
  readonly mask: Value | undefined;
  readonly lengths: boolean;
  readonly bias: Value | undefined;
}

/** [Y, the keys, the values]. */
function attended(call: RuleCall, { q, k, v, past, mask, lengths, bias }: Given): readonly Value[] {
  const hidden = mask && hiding(call, mask, k, q.shape?.[0], lengths);
  const both = bias === undefined || hidden === undefined ? (bias ?? hidden) : op.add(bias, hidden);
  const own = op.unsqueeze(places(q, 2), ints(1));
  const query = past === undefined ? own : op.add(own, past);
  const { y } = attend({
    q,
    k,
    v,
    scale: call.float('scale', 0) === 0 ? undefined : call.float('scale', 0),
    bias: both,
    allowed: call.int('unidirectional', 0) === 0 ? undefined : op.lessOrEqual(places(k, 2), query),
    covered: true,
  });
  return [mergeHeads(y), k, v];
}

/**
 * What a mask adds to the scores: 0 where there is a key, mask_filter_value where there is none. `lengths`: of rank 1 it is how many keys
 * there are; otherwise it may also be where they end, then where they start.
 */
function hiding(call: RuleCall, mask: Value, k: Value, batch: Dim, lengths: boolean): Value {
  const [rank, dtype] = [call.rank(mask), mask.dtype ?? 'int32'];
  const there = (): Value => {
    if (rank === 2) return op.unsqueeze(positive(mask), ints(1, 2));
    if (rank === 3) return op.unsqueeze(positive(mask), ints(1));
    if (rank !== 1) throw call.unsupported('its mask is of rank 4');
    const key = op.cast(places(k, 2), { to: dtype });
    const count = mask.shape?.[0];
    if (count === batch || (lengths && typeof count !== 'number')) return op.less(key, column(mask));
    if (lengths || typeof batch !== 'number' || count !== 2 * batch)
      throw call.unsupported('the form of its mask is not known');
    const [end, start] = evenParts(mask, 0, 2) as [Value, Value];
    return op.and(op.less(key, column(end)), op.greaterOrEqual(key, column(start)));
  };
  return op.where(there(), scalarLike(k, 0), scalarLike(k, call.float('mask_filter_value', -10000)));
}

function positive(mask: Value): Value {
  return op.greater(mask, op.cast(ints(0), { to: mask.dtype ?? 'int32' }));
}

/** One number of each of the batch, against [B, H, L, K]. */
function column(vector: Value): Value {
  return op.unsqueeze(vector, ints(1, 2, 3));
}
