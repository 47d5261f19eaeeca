import { type Facts, unsupported } from './facts.ts';
import { type Family, said, type Told, tokens } from './family.ts';
import type { Names } from './names.ts';

/** Heads of the four GPT-2 that were published. */
const gptHeads = new Map([
  [768, 12],
  [1024, 16],
  [1280, 20],
  [1600, 25],
]);

/** GPT-2 with Hugging Face's names, and nanoGPT. */
export const gpt2Family: Family = {
  family: 'gpt2',
  tell(names, facts) {
    const prefix = names.prefixOf('wte.weight', ['transformer.', '']);
    if (prefix === undefined || !names.has(`${prefix}h.0.attn.c_attn.weight`)) return undefined;
    const { config } = facts;
    const features = names.size(`${prefix}wte.weight`, 1) ?? 1;
    // nanoGPT stores [out, in] where Hugging Face has [in, out], and took over gelu from PyTorch.
    const isNano = names.size(`${prefix}h.0.attn.c_attn.weight`, 0) === 3 * features;
    if (config?.flag('scale_attn_weights') === false) throw unsupported('attention that is not scaled');
    if (config?.flag('scale_attn_by_inverse_layer_idx') === true) throw unsupported('attention scaled by its layer');
    if (config?.flag('add_cross_attention') === true) throw unsupported('attention to another sequence');
    const told = {
      heads: facts.heads(['n_head', 'num_attention_heads'], features, gptHeads),
      eps: facts.number(['layer_norm_epsilon'], { always: 1e-5 }),
      activation: facts.activation(['activation_function'], { always: isNano ? 'gelu' : 'gelu-tanh' }),
    };
    // The published checkpoints have no prefix and no head, whose table is that of the embedding.
    const isBare = prefix === '' && !names.has('lm_head.weight') && config?.texts('architectures')[0] === 'GPT2Model';
    return decoder(isNano ? 'GPT-2 (nanoGPT)' : 'GPT-2', 'gpt2', told, isBare);
  },
};

/** What Hugging Face's configuration calls the networks that have Llama's names and mathematics, and what their library takes where it is silent. */
const llamas: ReadonlyMap<string, { readonly title: string; readonly theta: number; readonly eps: number }> = new Map([
  ['llama', { title: 'Llama', theta: 10_000, eps: 1e-6 }],
  ['mistral', { title: 'Mistral', theta: 10_000, eps: 1e-6 }],
  ['qwen2', { title: 'Qwen2', theta: 10_000, eps: 1e-6 }],
  ['qwen3', { title: 'Qwen3', theta: 10_000, eps: 1e-6 }],
]);

/** Llama, Mistral, Qwen2 and Qwen3 with Hugging Face's names. */
export const llamaFamily: Family = {
  family: 'llama',
  tell(names, facts) {
    const prefix = names.prefixOf('embed_tokens.weight', ['model.', '']);
    const needed = ['self_attn.q_proj', 'mlp.gate_proj', 'input_layernorm', 'post_attention_layernorm'];
    if (prefix === undefined || !needed.every((name) => names.has(`${prefix}layers.0.${name}.weight`)))
      return undefined;
    const { config } = facts;
    const type = config?.text('model_type');
    const kin = llamas.get(type ?? 'llama');
    if (kin === undefined) throw unsupported(`the type '${type}'`);
    const rows = names.size(`${prefix}layers.0.self_attn.q_proj.weight`, 0) ?? 1;
    // Where keys have norms of their own (Qwen3), or the table of angles is stored, they tell the features of a head.
    const half = names.size(`${prefix}layers.0.self_attn.rotary_emb.inv_freq`, 0);
    const dim =
      config?.size('head_dim') ??
      names.size(`${prefix}layers.0.self_attn.k_norm.weight`, 0) ??
      (half === undefined ? undefined : 2 * half);
    const heads = config?.size('num_attention_heads') ?? (dim === undefined ? undefined : rows / dim);
    const window = slidingWindow(facts, type);
    const told = said({
      heads: heads ?? facts.size(['num_attention_heads']),
      keyValueHeads: config?.size('num_key_value_heads'),
      headDim: dim,
      eps: facts.number(['rms_norm_eps'], { beside: kin.eps }),
      ...rotary(facts, kin.theta),
      window,
      activation: facts.activation(['hidden_act'], { always: 'silu' }),
    });
    const built = config?.texts('architectures')[0] ?? '';
    const isBare = !names.has('lm_head.weight') && (built.endsWith('Model') || (prefix === '' && built === ''));
    return decoder(kin.title, 'llama', told, isBare);
  },
};

/** How far back is read, where it is the same in every layer. @throws UNRECOGNISED_NETWORK where it is not. */
function slidingWindow({ config }: Facts, type: string | undefined): number | undefined {
  const window = config?.size('sliding_window');
  if (window === undefined || config?.flag('use_sliding_window') === false) return undefined;
  // Qwen's configurations name a window that they do not use unless they say so.
  if (type !== 'mistral' && config?.flag('use_sliding_window') !== true) return undefined;
  const layers = config?.texts('layer_types') ?? [];
  if (layers.length > 0 && layers.every((own) => own === 'full_attention')) return undefined;
  if (layers.some((own) => own !== 'sliding_attention')) throw unsupported('layers with and without a sliding window');
  const from = type === 'mistral' || layers.length > 0 ? undefined : config?.number('max_window_layers');
  if (from !== undefined && from > 0) throw unsupported('a sliding window from some layer on');
  return window;
}

/** rope_theta and rope_scaling, or rope_parameters of later configurations. */
function rotary(facts: Facts, theta: number): { readonly ropeTheta?: number; readonly ropeScaling?: object } {
  const { config } = facts;
  const rope = config?.object('rope_parameters', 'rope_scaling');
  const base = rope?.number('rope_theta') ?? facts.number(['rope_theta'], { beside: theta });
  const partial = rope?.number('partial_rotary_factor') ?? config?.number('partial_rotary_factor') ?? 1;
  if (partial !== 1) throw unsupported('rotary positions of a part of each head');
  const type = rope?.text('rope_type', 'type') ?? 'default';
  const ropeTheta = base === undefined ? {} : { ropeTheta: base };
  if (rope === undefined || type === 'default') return ropeTheta;
  const number = (name: string): number => {
    const value = rope.number(name);
    if (value === undefined) throw rope.misfit(name, `a number, which rope_type '${type}' needs`, 'nothing');
    return value;
  };
  if (type === 'linear') return { ...ropeTheta, ropeScaling: { type, factor: number('factor') } };
  if (type !== 'llama3') throw unsupported(`rotary positions of the type '${type}'`);
  const ropeScaling = {
    type,
    factor: number('factor'),
    lowFrequencyFactor: number('low_freq_factor'),
    highFrequencyFactor: number('high_freq_factor'),
    originalLength: number('original_max_position_embeddings'),
  };
  return { ...ropeTheta, ropeScaling };
}

/** A decoder with its logits, or the last hidden state of one without a head. */
function decoder(title: string, kind: string, told: Readonly<Record<string, unknown>>, isBare: boolean): Told {
  return {
    network: title,
    spec: {
      name: kind,
      inputs: [tokens],
      output: isBare ? 'last_hidden_state' : 'logits',
      layers: [said({ kind, ...told }), ...(isBare ? [{ kind: 'identity', name: 'last', from: 'hidden' }] : [])],
    },
  };
}

/** Mamba with the names of mamba_ssm and Hugging Face. */
export const mambaFamily: Family = {
  family: 'mamba',
  tell(names: Names, facts: Facts) {
    const prefix = names.prefixOf('layers.0.mixer.A_log', ['backbone.', '']);
    if (prefix === undefined || !names.has(`${prefix}norm_f.weight`)) return undefined;
    if (names.shape(`${prefix}layers.0.mixer.A_log`)?.length !== 2) throw unsupported('the mixer of Mamba-2');
    const { config } = facts;
    if ((config?.text('hidden_act') ?? 'silu') !== 'silu') throw unsupported('another activation than silu');
    const task = names.has('head.weight') ? 'classifier' : prefix === '' ? 'features' : 'language-model';
    const output = { classifier: 'scores', features: 'last_hidden_state', 'language-model': 'logits' }[task];
    const eps = facts.number(['layer_norm_epsilon', 'norm_epsilon'], { always: 1e-5 });
    return {
      network: task === 'classifier' ? 'Mamba for classes of sequences' : 'Mamba',
      spec: { name: 'mamba', inputs: [tokens], output, layers: [said({ kind: 'mamba', eps, task })] },
    };
  },
};
