import { gibbsAttentionReading } from '../../../ops/index.ts';
import { ints, scalar } from '../../../ops/precision.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import type { Call } from '../lower/call.ts';
import type { Rules } from '../lower/rule.ts';
import { rankOf } from '../lower/sizes.ts';

/** What PyTorch calls in the place of nn.MultiheadAttention and nn.TransformerEncoderLayer where nothing is differentiated. */
export const nativeAttentionRules: Rules = {
  'aten._native_multi_head_attention.default': (call) => {
    const [q, k, v] = ['query', 'key', 'value'].map((name) => call.tensor(name)) as [Value, Value, Value];
    const { output, weights } = heads(call, [q, k, v], call.int('num_head'));
    const average = call.bool('average_attn_weights', true);
    if (!call.bool('need_weights', true)) return [output, undefined];
    return [output, average ? op.reduceMean(weights, ints(1), { keepdims: false }) : weights];
  },
  'aten._transformer_encoder_layer_fwd.default': (call) => {
    const x = call.tensor('src');
    const first = call.bool('norm_first');
    const norm = (own: Value, place: number) =>
      op.layerNormalization(own, call.tensor(`norm_weight_${place}`), call.tensor(`norm_bias_${place}`), {
        epsilon: call.float('eps'),
      })[0];
    const attended = (own: Value) => heads(call, [own, own, own], call.int('num_heads')).output;
    const fed = (own: Value) => {
      const wide = linear(own, call.tensor('ffn_weight_1'), call.tensor('ffn_bias_1'));
      const active = call.bool('use_gelu') ? op.gelu(wide) : op.relu(wide);
      return linear(active, call.tensor('ffn_weight_2'), call.tensor('ffn_bias_2'));
    };
    if (first) {
      const y = op.add(x, attended(norm(x, 1)));
      return op.add(y, fed(norm(y, 2)));
    }
    const y = norm(op.add(x, attended(x)), 1);
    return norm(op.add(y, fed(y)), 2);
  },
};

function linear(x: Value, weight: Value, bias: Value): Value {
  return op.add(op.matMul(x, op.transpose(weight, { perm: [1, 0] })), bias);
}

/** Projections, attention of each head, and the projection of all together: [batch, time, embedding] and the weights [batch, heads, time, keys]. */
function heads(call: Call, given: readonly [Value, Value, Value], count: number) {
  const embedding = call.int('embed_dim');
  const dim = embedding / count;
  const thirds = (name: string) => op.split(call.tensor(name), undefined, { axis: 0, numOutputs: 3 });
  const [weights, biases] = [thirds('qkv_weight'), thirds('qkv_bias')];
  const [q, k, v] = given.map((x, place) => {
    const own = linear(x, weights[place] ?? x, biases[place] ?? x);
    return op.transpose(op.reshape(own, ints(0, 0, count, dim)), { perm: [0, 2, 1, 3] });
  }) as [Value, Value, Value];
  const read = gibbsAttentionReading(q, k, v, scalar(Math.sqrt(dim)), { mask: maskOf(call) });
  const joined = op.reshape(op.transpose(read.output, { perm: [0, 2, 1, 3] }), ints(0, 0, embedding));
  return { output: linear(joined, call.tensor('proj_weight'), call.tensor('proj_bias')), weights: read.weights };
}

/** Which keys are read: the mask of these operators is true where they are not; of type 0 it is [time, keys], of 1 [batch, keys], of 2 of all axes. */
function maskOf(call: Call): Value | undefined {
  const type = call.int('mask_type', 2);
  const mask = call.optionalTensor('mask');
  if (mask === undefined) return undefined;
  if (mask.dtype !== 'bool') throw call.unsupported('a mask of numbers');
  const read = op.not(mask);
  return type === 1 && rankOf(mask) === 2 ? op.unsqueeze(read, ints(1, 2)) : read;
}
