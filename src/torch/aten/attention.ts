import { gibbsAttention, gibbsAttentionReading } from '../../../ops/index.ts';
import { ints, scalar } from '../../../ops/precision.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { causalMask } from '../../layers/masks.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Result } from '../lower/item.ts';
import type { Rules } from '../lower/rule.ts';
import { rankOf, sizeAt, vectorOf } from '../lower/sizes.ts';
import { like } from './kernels.ts';

/** What PyTorch calls the arguments of its forms of attention. */
interface Names {
  readonly mask?: string;
  readonly grouped?: boolean;
  /** Masks are numbers that are added, whatever their element type. */
  readonly added?: boolean;
}

export const attentionRules: Rules = {
  'aten.scaled_dot_product_attention.default': (call) => attention(call, { mask: 'attn_mask', grouped: true }).output(),
  'aten._scaled_dot_product_flash_attention_for_cpu.default': (call) => withLogSumExp(call, { mask: 'attn_mask' }),
  'aten._scaled_dot_product_flash_attention.default': (call) => withLogSumExp(call.ignore('return_debug_mask'), {}),
  'aten._scaled_dot_product_efficient_attention.default': (call) =>
    withLogSumExp(call.ignore('compute_log_sumexp'), { mask: 'attn_bias' }),
  'aten._scaled_dot_product_cudnn_attention.default': (call) =>
    withLogSumExp(call.ignore('compute_log_sumexp', 'return_debug_mask'), { mask: 'attn_bias' }),
  'aten._scaled_dot_product_fused_attention_overrideable.default': (call) =>
    withLogSumExp(call.ignore('return_debug_mask', 'compute_log_sumexp'), { mask: 'attn_bias' }),
  'aten._scaled_dot_product_attention_math.default': (call) => withWeights(call),
  'aten._scaled_dot_product_attention_math_for_mps.default': (call) => withWeights(call),
};

interface Attention {
  readonly output: () => Value;
  readonly logSumExp: () => Value;
  readonly weights: () => Value;
}

function withLogSumExp(call: Call, names: Names): readonly Result[] {
  const { output, logSumExp } = attention(call, names);
  return [output(), logSumExp()];
}

function withWeights(call: Call): readonly Result[] {
  const { output, weights } = attention(call.ignore('dropout_mask'), { mask: 'attn_mask', grouped: true, added: true });
  return [output(), weights()];
}

/** softmax(q k' scale + mask) v, as the one operator that readings look for: epsilon = 1 / scale. A row whose keys are all masked gives 0, as in PyTorch. */
function attention(call: Call, { mask: maskName, grouped = false, added = false }: Names): Attention {
  if (call.float('dropout_p', 0) !== 0)
    throw call.unsupported(`dropout_p=${call.float('dropout_p')} (export in eval mode)`);
  const given = ['query', 'key', 'value'].map((name) => call.tensor(name)) as [Value, Value, Value];
  const rank = Math.max(...given.map(rankOf));
  const [q, k, v] = given.map((x) => ofRank(x, rank)) as [Value, Value, Value];
  const epsilon = epsilonOf(call, q);
  const heads = grouped && call.bool('enable_gqa', false) ? groupsOf(q, k) : undefined;
  const isCausal = call.bool('is_causal', false);
  const said = maskName === undefined ? undefined : call.optionalTensor(maskName);
  const bias = added && said !== undefined ? cast(said, q.dtype ?? 'float32') : said;
  const mask = bias !== undefined ? maskOf(bias, epsilon, q) : isCausal ? causal(q, k) : undefined;
  const [query, key, value, masked] =
    heads === undefined
      ? [q, k, v, mask]
      : [
          grouping(q, heads),
          op.unsqueeze(k, ints(rank - 2)),
          op.unsqueeze(v, ints(rank - 2)),
          groupedMask(mask, heads),
        ];
  const whole = isCausal && bias === undefined;
  const back = (x: Value, lost: number) => (heads === undefined ? x : ungrouped(x, heads, rank, lost));
  const reading = () => gibbsAttentionReading(query, key, value, scalar(epsilon), { mask: masked });
  return {
    output: () => back(gibbsAttention(query, key, value, scalar(epsilon), { mask: masked, whole }), 0),
    logSumExp: () => back(op.div(cast(reading().logSumExp, 'float32'), scalar(epsilon)), 1),
    weights: () => back(reading().weights, 0),
  };
}

function epsilonOf(call: Call, q: Value): number {
  const features = q.shape?.at(-1);
  const scale = call.has('scale')
    ? call.float('scale')
    : typeof features === 'number'
      ? 1 / Math.sqrt(features)
      : Number.NaN;
  if (!(scale > 0))
    throw call.unsupported(call.has('scale') ? `scale=${scale}` : 'a number of features that is not known');
  return 1 / scale;
}

function ofRank(x: Value, rank: number): Value {
  const missing = rank - rankOf(x);
  return missing === 0 ? x : op.unsqueeze(x, ints(...Array.from({ length: missing }, (_, axis) => axis)));
}

/** Query i reads the keys up to i, however many there are of either. */
function causal(q: Value, k: Value): Value {
  const size = (x: Value) => vectorOf([sizeAt(x, -2)]);
  return causalMask(size(q), size(k));
}

/** Numbers are added to the scores after their division by epsilon; the operator takes them before. What is finite stays so. */
function maskOf(mask: Value, epsilon: number, q: Value): Value {
  if (mask.dtype === 'bool') return mask;
  const numbers = cast(mask, q.dtype ?? 'float32');
  if (epsilon === 1) return numbers;
  const product = op.mul(numbers, like(numbers, epsilon));
  if (epsilon < 1) return product;
  const lowest =
    numbers.dtype === 'float64' ? -Number.MAX_VALUE : numbers.dtype === 'float16' ? -65504 : -3.4028234663852886e38;
  const bounded = op.max([product, like(numbers, lowest)]);
  const none = op.equal(numbers, like(numbers, Number.NEGATIVE_INFINITY));
  return op.where(none, numbers, bounded);
}

interface Groups {
  /** Heads of keys. */
  readonly shared: number;
  /** Heads of queries that read one of them. */
  readonly group: number;
}

/** Heads of queries that share heads of keys; undefined where each has its own. */
function groupsOf(q: Value, k: Value): Groups | undefined {
  const [heads, shared] = [q.shape?.at(-3), k.shape?.at(-3)];
  if (typeof heads !== 'number' || typeof shared !== 'number' || heads === shared) return undefined;
  return { shared, group: heads / shared };
}

/** [.., heads, time, d] -> [.., shared, group, time, d], so that keys and values are broadcast, not copied. */
function grouping(q: Value, { shared, group }: Groups): Value {
  const lead = rankOf(q) - 3;
  const kept = Array<number>(lead).fill(0);
  const time = q.shape?.at(-2);
  const sizes = [...kept, shared, group, typeof time === 'number' ? time : -1, Number(q.shape?.at(-1))];
  return op.reshape(q, constant(sizes, 'int64'));
}

function groupedMask(mask: Value | undefined, { shared, group }: Groups): Value | undefined {
  if (mask === undefined || rankOf(mask) < 3) return mask;
  const axis = rankOf(mask) - 3;
  if (mask.shape?.[axis] === 1) return op.unsqueeze(mask, ints(axis));
  const sizes = [...Array.from({ length: axis }, (_, own) => sizeAt(mask, own)), shared, group];
  return op.reshape(mask, vectorOf([...sizes, sizeAt(mask, -2), sizeAt(mask, -1)]));
}

/** [.., shared, group, time, ..] -> [.., heads, time, ..], `lost` axes shorter than scores. */
function ungrouped(x: Value, { shared, group }: Groups, rank: number, lost: number): Value {
  const lead = rank - 3;
  const sizes = Array.from({ length: rank - lost }, (_, axis) =>
    axis < lead ? sizeAt(x, axis) : axis === lead ? shared * group : sizeAt(x, axis + 1),
  );
  const unknown = sizes.filter((size, axis) => typeof size !== 'number' && axis >= lead).length;
  if (unknown <= 1)
    return op.reshape(
      x,
      constant(
        sizes.map((size, axis) => (typeof size === 'number' ? size : axis < lead ? 0 : -1)),
        'int64',
      ),
    );
  return op.reshape(x, vectorOf(sizes));
}
