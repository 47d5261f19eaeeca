import * as op from '../../../graph/op.ts';
import type { Value } from '../../../graph/value.ts';
import { type RuleCall, rule } from '../../call.ts';
import { cast, int, ints, scalarLike, sizeOf } from '../../pieces.ts';
import { throughForward } from '../../through.ts';
import { attend, mergeHeads, splitHeads } from '../attention/heads.ts';
import { allOf, places } from '../attention/masks.ts';
import { rotated } from '../attention/rotary.ts';

export const groupQueryAttention = rule(
  'as Attention of ai.onnx, of queries and keys that are turned by their positions; to the past its part',
  (call) => throughForward(call, forward),
  { note: 'not with quantised caches, normalised heads, padded queries or caches of a window' },
);

/** What ONNX Runtime's CPU does not do either, or what is no function of floating-point caches. */
function refuse(call: RuleCall): void {
  const inputs = ['k_scale', 'v_scale', 'q_norm_weight', 'k_norm_weight', 'query_seqlens'];
  const given = inputs.find((_, index) => call.maybe(12 + index) !== undefined);
  if (given !== undefined) throw call.unsupported(`it has the input ${given}`);
  if (call.int('sliding_window_cache', 0) !== 0) throw call.unsupported('its cache is of a window');
  if (call.bars[3] !== undefined) throw call.unsupported('its output_qk is differentiated');
}

function forward(call: RuleCall): readonly (Value | undefined)[] {
  refuse(call);
  const [query, key, value] = parts(call);
  const [heads, groups] = [call.int('num_heads', 1), call.int('kv_num_heads', 1)];
  // How many keys there are of each of the batch, and how many came before this call.
  const total = op.add(cast(call.x(5), 'int64'), ints(1));
  const before = call.maybe(3) === undefined ? undefined : earlier(call, total, query);
  const own = places(query, 1);
  const at = before === undefined ? op.unsqueeze(own, ints(0)) : op.add(op.unsqueeze(before, ints(1)), own);
  const turn = (x: Value): Value => (call.int('do_rotary', 0) === 0 ? x : turned(call, x, at));
  const q = turn(splitHeads(query, heads));
  const k = continued(call, call.maybe(3), turn(splitHeads(key, groups)), before);
  const v = continued(call, call.maybe(4), splitHeads(value, groups), before);
  const keys = places(k, 2);
  const queries = op.unsqueeze(at, ints(1, 3));
  const causal = call.int('causal', 1) !== 0;
  const window = call.int('local_window_size', -1);
  const { y } = attend({
    q,
    k,
    v,
    scale: call.float('scale', 0) === 0 ? undefined : call.float('scale', 0),
    softcap: call.float('softcap', 0),
    bias: call.maybe(10),
    allowed: allOf([
      op.less(keys, op.unsqueeze(total, ints(1, 2, 3))),
      causal ? op.lessOrEqual(keys, queries) : undefined,
      window > 0 ? op.greater(keys, op.sub(queries, ints(window))) : undefined,
    ]),
    // Rows of padding may see no key at all where there is a window.
    covered: window <= 0,
    ...sinks(call),
  });
  return [mergeHeads(y), k, v];
}

/** [B, L, heads * D] of queries, keys and values. */
function parts(call: RuleCall): readonly [Value, Value, Value] {
  const query = call.x(0);
  if (call.maybe(1) !== undefined) return [query, call.x(1), call.x(2)];
  const [heads, groups] = [call.int('num_heads', 1), call.int('kv_num_heads', 1)];
  const size = op.div(sizeOf(query, 2), ints(heads + 2 * groups));
  return op.split(query, op.mul(size, ints(heads, groups, groups)), { axis: 2, numOutputs: 3 }) as [
    Value,
    Value,
    Value,
  ];
}

/** The number of keys before this call, none where the call holds all of them. */
function earlier(call: RuleCall, total: Value, query: Value): Value {
  const length = sizeOf(query, 1);
  const first = op.equal(op.reshape(cast(call.x(6), 'int64'), ints(1)), length);
  return op.where(first, ints(0), op.sub(total, length));
}

/** x turned by the angles of positions `at`. */
function turned(call: RuleCall, x: Value, at: Value): Value {
  const positions = call.maybe(9) ?? at;
  const [cos, sin] = [7, 8].map((index) => op.gather(call.x(index), positions)) as [Value, Value];
  const pairs = call.x(7).shape?.[1];
  return rotated(x, cos, sin, {
    interleaved: call.int('rotary_interleaved', 0) !== 0,
    turned: typeof pairs === 'number' ? 2 * pairs : 0,
    heads: 0,
  });
}

/**
 * The past [B, heads, P, D] up to where each of the batch is, then x [B, heads, L, D], then what does not matter: as long as the longest. The
 * rows of both are picked by number.
 */
function continued(call: RuleCall, past: Value | undefined, x: Value, before: Value | undefined): Value {
  if (past === undefined || before === undefined) return x;
  const room = sizeOf(past, 2);
  const both = op.transpose(op.concat([past, x], { axis: 2 }), { perm: [0, 2, 1, 3] });
  const whole = op.max([room, op.reshape(cast(call.x(6), 'int64'), ints(1))]);
  const rows = op.range(int(0), op.squeeze(whole, ints(0)), int(1));
  const start = op.unsqueeze(before, ints(1));
  const fresh = op.add(op.sub(rows, start), room);
  const last = op.sub(op.add(room, sizeOf(x, 2)), ints(1));
  const picked = op.where(op.less(rows, start), rows, op.min([fresh, last]));
  const made = op.gatherND(both, op.unsqueeze(picked, ints(2)), { batchDims: 1 });
  return op.transpose(made, { perm: [0, 2, 1, 3] });
}

/** The softmax with one more score that leads nowhere: 0, or of each head its own. */
function sinks(call: RuleCall): { readonly softmax?: (scores: Value) => Value } {
  const sink = call.maybe(11);
  if (sink === undefined && call.int('smooth_softmax', 0) <= 0) return {};
  return {
    softmax: (scores) => {
      const score = sink === undefined ? scalarLike(scores, 0) : op.reshape(sink, ints(1, -1, 1, 1));
      const column = op.expand(score, op.concat([op.shape(scores, { end: 3 }), ints(1)], { axis: 0 }));
      const all = op.softmax(op.concat([scores, column], { axis: -1 }));
      const sizes = op.concat([sizeOf(scores, 3), ints(1)], { axis: 0 });
      return op.split(all, sizes, { axis: 3, numOutputs: 2 })[0] as Value;
    },
  };
}
