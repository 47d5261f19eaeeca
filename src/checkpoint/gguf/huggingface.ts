import { HopfcoleError } from '../../files/error.ts';
import type { Json } from '../../files/json.ts';
import type { Change } from '../../files/npz.ts';
import { type AnyTensor, isStored, load, toNumbers } from '../../files/tensor.ts';
import type { Contents } from '../contents.ts';
import { halvesOfHeads } from './permuted.ts';
import { scalingOf } from './rope.ts';

/** What a GGUF model is to Hugging Face's code. */
export interface HuggingFaceModel {
  /** Under the names of its state dict, the rows of queries and keys in its order. */
  readonly tensors: Map<string, AnyTensor>;
  /** What its config.json would say. */
  readonly config: ReadonlyMap<string, Json>;
  readonly changed: readonly Change[];
}

interface Architecture {
  readonly classes: string;
  /** Whether llama.cpp lays out the rows of queries and keys anew, for the pairs that its rotation turns. */
  readonly interleaved: boolean;
}

/** Architectures, as `general.architecture` has them, whose names and mathematics are Llama's. Mistral's models go by `llama`. */
const architectures: ReadonlyMap<string, Architecture> = new Map([
  ['llama', { classes: 'LlamaForCausalLM', interleaved: true }],
  ['qwen2', { classes: 'Qwen2ForCausalLM', interleaved: false }],
  ['qwen3', { classes: 'Qwen3ForCausalLM', interleaved: false }],
]);

const whole: ReadonlyMap<string, string> = new Map([
  ['token_embd', 'model.embed_tokens'],
  ['output_norm', 'model.norm'],
  ['output', 'lm_head'],
]);
const inBlock: ReadonlyMap<string, string> = new Map([
  ['attn_norm', 'input_layernorm'],
  ['attn_q', 'self_attn.q_proj'],
  ['attn_k', 'self_attn.k_proj'],
  ['attn_v', 'self_attn.v_proj'],
  ['attn_output', 'self_attn.o_proj'],
  ['attn_q_norm', 'self_attn.q_norm'],
  ['attn_k_norm', 'self_attn.k_norm'],
  ['ffn_norm', 'post_attention_layernorm'],
  ['ffn_gate', 'mlp.gate_proj'],
  ['ffn_up', 'mlp.up_proj'],
  ['ffn_down', 'mlp.down_proj'],
]);

/** The name in the state dict and the part of a block it is; undefined for one that Llama does not have. */
function named(name: string): { readonly name: string; readonly part: string } | undefined {
  const match = /^(?:blk\.(0|[1-9][0-9]{0,5})\.)?([a-z_]+)\.(weight|bias)$/.exec(name);
  const [, block, part = '', kind] = match ?? [];
  const given = block === undefined ? whole.get(part) : inBlock.get(part);
  if (given === undefined) return undefined;
  return { name: `${block === undefined ? '' : `model.layers.${block}.`}${given}.${kind}`, part };
}

/**
 * A GGUF model of Llama's kin under Hugging Face's names, with the configuration that its metadata make: what llama.cpp did when it converted
 * the model, undone.
 * @throws UNRECOGNISED_NETWORK for other architectures, mixtures of experts and tensors that Llama does not have; BAD_GGUF for metadata that are no sizes.
 */
export async function asHuggingFace(contents: Contents, file: string): Promise<HuggingFaceModel> {
  const { tensors, metadata, changed } = contents;
  const name = String(metadata.get('general.architecture'));
  const architecture = architectures.get(name);
  const refuse = (what: string) =>
    new HopfcoleError(
      'UNRECOGNISED_NETWORK',
      `${what}, which has no way back to Hugging Face's names here`,
      { file },
      `Architectures are ${[...architectures.keys()].join(', ')}; the names of the file itself are always to be had`,
    );
  if (architecture === undefined) throw refuse(`the architecture '${name.slice(0, 100)}'`);
  const facts = new Facts(metadata, name, file);
  if ((facts.number('expert_count') ?? 0) > 0) throw refuse('a mixture of experts');
  const heads = facts.size('attention.head_count');
  const keyHeads = facts.size('attention.head_count_kv', heads);
  const found = new Map<string, AnyTensor>();
  const renamed = new Map<string, string>();
  const said: Change[] = [];
  for (const [key, tensor] of tensors) {
    const given = named(key);
    if (given === undefined && key !== 'rope_freqs.weight')
      throw refuse(`a tensor ${JSON.stringify(key.slice(0, 200))}`);
    if (given === undefined) {
      said.push({ name: key, why: 'left out: Hugging Face computes it from the configuration' });
      continue;
    }
    renamed.set(key, given.name);
    const count = given.part === 'attn_q' ? heads : given.part === 'attn_k' ? keyHeads : undefined;
    if (count === undefined || !architecture.interleaved) found.set(given.name, tensor);
    else found.set(given.name, turned(tensor, count, key, file));
  }
  for (const { name: own, why } of changed ?? []) said.push({ name: renamed.get(own) ?? own, why });
  return { tensors: found, config: await configOf(facts, name, architecture, heads, keyHeads, tensors), changed: said };
}

function turned(tensor: AnyTensor, heads: number, name: string, file: string): AnyTensor {
  const rows = tensor.shape[0] ?? 0;
  if (!isStored(tensor) || rows % (2 * heads) !== 0)
    throw new HopfcoleError('BAD_GGUF', `${rows} rows do not make ${heads} heads of pairs`, {
      file,
      tensor: name.slice(0, 200),
    });
  return halvesOfHeads(tensor, heads);
}

async function configOf(
  facts: Facts,
  type: string,
  { classes }: Architecture,
  heads: number,
  keyHeads: number,
  tensors: ReadonlyMap<string, AnyTensor>,
): Promise<ReadonlyMap<string, Json>> {
  const config = new Map<string, Json>([
    ['architectures', [classes]],
    ['model_type', type],
    ['num_attention_heads', heads],
    ['num_key_value_heads', keyHeads],
    ['hidden_act', 'silu'],
    ['tie_word_embeddings', !tensors.has('output.weight')],
  ]);
  const sizes = {
    hidden_size: 'embedding_length',
    num_hidden_layers: 'block_count',
    intermediate_size: 'feed_forward_length',
    max_position_embeddings: 'context_length',
    rms_norm_eps: 'attention.layer_norm_rms_epsilon',
    rope_theta: 'rope.freq_base',
  };
  for (const [key, own] of Object.entries(sizes)) {
    const value = facts.number(own);
    if (value !== undefined) config.set(key, value);
  }
  // llama.cpp's own defaults where the file is silent.
  if (!config.has('rope_theta')) config.set('rope_theta', 10_000);
  const dim = facts.number('attention.key_length') ?? facts.number('rope.dimension_count');
  if (dim !== undefined) config.set('head_dim', dim);
  const turns = facts.number('rope.dimension_count');
  if (dim !== undefined && turns !== undefined && turns !== dim) config.set('partial_rotary_factor', turns / dim);
  const scaling = await scalingIn(facts, tensors.get('rope_freqs.weight'), dim);
  if (scaling !== undefined) config.set('rope_scaling', scaling);
  return config;
}

/** How rotary positions are stretched: what is not known by its numbers is named, and then nobody can take it for something else. */
async function scalingIn(
  facts: Facts,
  divisors: AnyTensor | undefined,
  dim: number | undefined,
): Promise<ReadonlyMap<string, Json> | undefined> {
  const type = facts.text('rope.scaling.type');
  if (divisors !== undefined) {
    const values = divisors.dtype === 'float32' ? toNumbers(await load(divisors)) : new Float64Array(0);
    const known = scalingOf(values, facts.number('rope.freq_base') ?? 10_000, dim ?? 2 * values.length);
    return known === null ? undefined : (known ?? new Map([['rope_type', 'rope_freqs of GGUF']]));
  }
  if (type === undefined || type === 'none') return undefined;
  const factor = facts.number('rope.scaling.factor');
  return new Map<string, Json>([['rope_type', type], ...(factor === undefined ? [] : [['factor', factor] as const])]);
}

/** Metadata of one architecture, by what follows its name. */
class Facts {
  readonly #metadata: Contents['metadata'];
  readonly #prefix: string;
  readonly #file: string;

  constructor(metadata: Contents['metadata'], prefix: string, file: string) {
    this.#metadata = metadata;
    this.#prefix = prefix;
    this.#file = file;
  }

  number(key: string): number | undefined {
    const value = this.#metadata.get(`${this.#prefix}.${key}`);
    if (value === undefined || (typeof value === 'number' && Number.isFinite(value))) return value;
    throw this.#bad(key, 'a number', value);
  }

  text(key: string): string | undefined {
    const value = this.#metadata.get(`${this.#prefix}.${key}`);
    if (value === undefined || typeof value === 'string') return value;
    throw this.#bad(key, 'a text', value);
  }

  size(key: string, silent?: number): number {
    const value = this.number(key) ?? silent;
    if (value !== undefined && Number.isInteger(value) && value >= 1 && value < 2 ** 31) return value;
    throw this.#bad(key, 'a size, the same in each block', value);
  }

  #bad(key: string, expected: string, value: unknown): HopfcoleError {
    return new HopfcoleError(
      'BAD_GGUF',
      `expected ${this.#prefix}.${key} to be ${expected}, got ${String(value).slice(0, 100)}`,
      { file: this.#file },
      'Convert the model again',
    );
  }
}
