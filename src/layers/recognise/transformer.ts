import { type Facts, unsupported } from './facts.ts';
import { type Family, said } from './family.ts';
import type { Names } from './names.ts';

/** What PyTorch's own arguments, and others' configurations, call the heads. */
const heads = ['nhead', 'num_heads', 'n_heads', 'num_attention_heads', 'n_head', 'heads'];

const inProjection = 'self_attn.in_proj_weight';

/** nn.Transformer, nn.TransformerEncoder and nn.TransformerDecoder, one layer of them, or attention alone; heads no shape tells. */
export const transformerFamily: Family = {
  family: 'transformer',
  tell(names, facts) {
    const both = names.has(`encoder.layers.0.${inProjection}`) && names.has(`decoder.layers.0.${inProjection}`);
    if (both && onlyUnder(names, /^(encoder|decoder)\.(layers\.\d+|norm)\./)) return pair(names, facts);
    const isStack = names.has(`layers.0.${inProjection}`) && names.has('layers.0.linear1.weight');
    if (isStack && onlyUnder(names, /^(layers\.\d+|norm)\./)) return stack(names, facts, 'layers.0.', {});
    const isLayer = names.has(inProjection) && names.has('linear1.weight');
    const own = /^(self_attn|multihead_attn|linear[12]|norm[123])\./;
    if (isLayer && onlyUnder(names, own)) return stack(names, facts, '', { names: { 'layers.0.*': '*' } });
    const isAttention = names.has('in_proj_weight') && names.has('out_proj.weight');
    return isAttention && onlyUnder(names, /^(in_proj_|out_proj\.)/) ? attention(names, facts) : undefined;
  },
};

function onlyUnder(names: Names, pattern: RegExp): boolean {
  return [...names.all.keys()].every((name) => pattern.test(name));
}

/** @throws UNRECOGNISED_NETWORK where sequences stand before batches. */
function expectBatchFirst(facts: Facts): void {
  if (facts.flag(['batch_first'], { always: true }) === false)
    throw unsupported('batches behind time (batch_first false)');
}

/** nn.MultiheadAttention of a query to a key and a value of as many features. */
function attention(names: Names, facts: Facts) {
  const features = names.size('in_proj_weight', 1) ?? 1;
  expectBatchFirst(facts);
  const shape = ['batch', 'keys', features];
  return {
    network: 'nn.MultiheadAttention',
    spec: {
      name: 'attention',
      inputs: [
        { name: 'query', shape: ['batch', 'time', features] },
        { name: 'key', shape },
        { name: 'value', shape },
      ],
      layers: [
        said({
          kind: 'attention',
          name: '.',
          from: ['query', 'key', 'value'],
          heads: facts.heads(heads, features, new Map()),
        }),
      ],
    },
  };
}

function options(names: Names, facts: Facts, first: string): Record<string, unknown> {
  expectBatchFirst(facts);
  const features = names.size(`${first}${inProjection}`, 1) ?? 1;
  return said({
    heads: facts.heads(heads, features, new Map()),
    activation: facts.activation(['activation'], { always: 'relu' }),
    normFirst: facts.flag(['norm_first'], { always: false }),
    eps: facts.number(['layer_norm_eps'], { always: 1e-5 }),
    bias: names.has(`${first}linear1.bias`) ? undefined : false,
  });
}

function stack(names: Names, facts: Facts, first: string, more: Readonly<Record<string, unknown>>) {
  const features = names.size(`${first}${inProjection}`, 1) ?? 1;
  const isDecoder = names.has(`${first}multihead_attn.in_proj_weight`);
  const causal = facts.flag(['is_causal', 'causal'], { always: isDecoder });
  const network = first === '' ? 'Layer' : '';
  return {
    network: `nn.Transformer${isDecoder ? 'Decoder' : 'Encoder'}${network}`,
    spec: {
      name: isDecoder ? 'decoder' : 'encoder',
      inputs: [
        { name: 'x', shape: ['batch', 'time', features] },
        ...(isDecoder ? [{ name: 'memory', shape: ['batch', 'source', features] }] : []),
      ],
      ...more,
      layers: [
        {
          kind: isDecoder ? 'transformer-decoder' : 'transformer-encoder',
          name: '.',
          ...(isDecoder ? { from: ['x', 'memory'] } : {}),
          ...options(names, facts, first),
          causal,
        },
      ],
    },
  };
}

/** nn.Transformer of features: source and target -> features of the target. */
function pair(names: Names, facts: Facts) {
  const features = names.size(`encoder.layers.0.${inProjection}`, 1) ?? 1;
  return {
    network: 'nn.Transformer',
    spec: {
      name: 'transformer',
      inputs: [
        { name: 'source', shape: ['batch', 'source_time', features] },
        { name: 'target', shape: ['batch', 'time', features] },
      ],
      layers: [
        {
          kind: 'transformer',
          from: ['source', 'target'],
          ...options(names, facts, 'encoder.layers.0.'),
          causal: facts.flag(['tgt_is_causal', 'causal'], { always: false }),
          names: { head: false },
        },
      ],
    },
  };
}
