import { dtypeOfCode } from '../../files/dtype.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Rule, type RuleCall, rule } from '../call.ts';
import { cast, ints, scalarLike, sizeOf } from '../pieces.ts';
import { throughForward } from '../through.ts';
import { type Attended, attend, mergeHeads, splitHeads } from './attention/heads.ts';
import { allOf, leavesChance, lengthened, places } from './attention/masks.ts';
import { rotaryEmbedding } from './attention/rotary.ts';

/** Attention, and how positions are told to it. */
export const attentionRules: Readonly<Record<string, Rule>> = {
  Attention: rule(
    'dV = P^T g; dS = P (g V^T - sum P (g V^T)); dQ = scale dS K; dK = scale dS^T Q; to a float mask dS; past_key and past_value have their part of dK and dV; through Softmax(softcap(scale Q K^T) + mask) V',
    (call) => throughForward(call, forward),
    { note: 'queries that see no key pass nothing; a key that the mask hides by -inf passes nothing to it' },
  ),
  RotaryEmbedding: rotaryEmbedding,
};

function forward(call: RuleCall): readonly (Value | undefined)[] {
  const flat = call.rank(call.x(0)) === 3;
  const heads = (x: Value, attribute: string): Value => (flat ? splitHeads(x, call.int(attribute, 1)) : x);
  const [pastKey, pastValue] = [call.maybe(4), call.maybe(5)];
  const after = (past: Value | undefined, x: Value): Value =>
    past === undefined ? x : op.concat([past, x], { axis: 2 });
  const q = heads(call.x(0), 'q_num_heads');
  const k = after(pastKey, heads(call.x(1), 'kv_num_heads'));
  const v = after(pastValue, heads(call.x(2), 'kv_num_heads'));
  const mask = maskOf(call, k);
  const added = mask?.dtype === 'bool' ? undefined : mask;
  const conditions = [...positions(call, q, k), mask?.dtype === 'bool' ? mask : mask && leavesChance(mask)];
  const precision = call.int('softmax_precision', 0);
  const wide = precision === 0 ? undefined : dtypeOfCode(precision);
  const allowed = allOf(conditions);
  const made = attend({
    q,
    k,
    v,
    scale: call.node.attributes.has('scale') ? call.float('scale', 1) : undefined,
    softcap: call.float('softcap', 0),
    bias: added,
    allowed,
    // A causal mask alone leaves every query the first key.
    covered: conditions.at(-1) === undefined && call.maybe(6) === undefined && !isWindowed(call),
    ...(wide === undefined ? {} : { softmax: (scores) => cast(op.softmax(cast(scores, wide)), q.dtype ?? 'float32') }),
  });
  return [
    flat ? mergeHeads(made.y) : made.y,
    k,
    v,
    call.bars[3] === undefined ? undefined : shown(call, made, added, allowed),
  ];
}

/** The scores as qk_matmul_output_mode asks for them. */
function shown(call: RuleCall, made: Attended, added: Value | undefined, allowed: Value | undefined): Value {
  const mode = call.int('qk_matmul_output_mode', 0);
  if (mode === 0) return made.scores;
  if (mode === 1) return made.capped;
  if (mode === 3) return made.weights;
  const biased = added === undefined ? made.capped : op.add(made.capped, added);
  return allowed === undefined ? biased : op.where(allowed, biased, scalarLike(biased, Number.NEGATIVE_INFINITY));
}

function maskOf(call: RuleCall, k: Value): Value | undefined {
  const mask = call.maybe(3);
  return mask === undefined || (call.node.version ?? 23) < 24 ? mask : lengthened(mask, k);
}

function isWindowed(call: RuleCall): boolean {
  return call.int('left_window_size', -1) >= 0 || call.int('right_window_size', -1) >= 0;
}

/** What the places of query and key say: padding, causality, a window. */
function positions(call: RuleCall, q: Value, k: Value): (Value | undefined)[] {
  const [past, filled] = [call.maybe(4), call.maybe(6)];
  const key = places(k, 2);
  const conditions: (Value | undefined)[] = [];
  const of = filled === undefined ? undefined : op.unsqueeze(cast(filled, 'int64'), ints(1, 2, 3));
  if (of !== undefined) conditions.push(op.less(key, of));
  const [causal, windowed] = [call.int('is_causal', 0) !== 0, isWindowed(call)];
  if (!causal && !windowed) return conditions;
  const before = past !== undefined ? sizeOf(past, 2) : of === undefined ? undefined : op.sub(of, sizeOf(q, 2));
  const own = op.unsqueeze(places(q, 2), ints(1));
  const query = before === undefined ? own : op.add(own, before);
  if (causal) conditions.push(op.lessOrEqual(key, query));
  if (!windowed) return conditions;
  const behind = op.sub(query, key);
  const [left, right] = [call.int('left_window_size', -1), call.int('right_window_size', -1)];
  if (left >= 0) conditions.push(op.lessOrEqual(behind, ints(left)));
  if (right >= 0) conditions.push(op.greaterOrEqual(behind, ints(-right)));
  return conditions;
}
