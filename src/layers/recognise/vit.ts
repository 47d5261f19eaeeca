import { type Facts, unsupported } from './facts.ts';
import { type Family, said } from './family.ts';
import type { Names } from './names.ts';

/** Heads of the published networks of these widths (tiny, small, base, large, huge), in every library. */
const usualHeads = new Map([
  [192, 3],
  [384, 6],
  [768, 12],
  [1024, 16],
  [1280, 16],
]);

interface Layout {
  readonly layout: string;
  readonly title: string;
  readonly input: string;
  readonly prefixes: readonly string[];
  readonly patch: string;
  readonly token: string;
  readonly positions: string;
  /** A weight of the first block. */
  readonly block: string;
  readonly head: string;
}

const layouts: readonly Layout[] = [
  {
    layout: 'timm',
    title: 'ViT (timm)',
    input: 'image',
    prefixes: [''],
    patch: 'patch_embed.proj.weight',
    token: 'cls_token',
    positions: 'pos_embed',
    block: 'blocks.0.attn.qkv.weight',
    head: 'head.weight',
  },
  {
    layout: 'torchvision',
    title: 'ViT (torchvision)',
    input: 'image',
    prefixes: [''],
    patch: 'conv_proj.weight',
    token: 'class_token',
    positions: 'encoder.pos_embedding',
    block: 'encoder.layers.encoder_layer_0.self_attention.in_proj_weight',
    head: 'heads.head.weight',
  },
  {
    layout: 'huggingface',
    title: 'ViT (Hugging Face)',
    input: 'pixel_values',
    prefixes: ['vit.', ''],
    patch: 'embeddings.patch_embeddings.projection.weight',
    token: 'embeddings.cls_token',
    positions: 'embeddings.position_embeddings',
    block: 'encoder.layer.0.attention.attention.query.weight',
    head: 'classifier.weight',
  },
];

/** Tokens that other vision transformers have beside the class token. */
const furtherTokens = ['reg_token', 'dist_token', 'embeddings.distillation_token', 'embeddings.register_tokens'];

/** Vision transformers with the names of timm, torchvision or Hugging Face. */
export const vitFamily: Family = {
  family: 'vit',
  tell(names, facts) {
    for (const own of layouts) {
      const prefix = names.prefixOf(own.patch, own.prefixes);
      if (prefix === undefined || !names.has(prefix + own.block) || !names.has(prefix + own.positions)) continue;
      const further = furtherTokens.find((name) => names.has(prefix + name));
      if (further !== undefined) throw unsupported(`further tokens (${further})`);
      return told(names, facts, own, prefix);
    }
    return undefined;
  },
};

function told(names: Names, facts: Facts, own: Layout, prefix: string) {
  const { config } = facts;
  const [features = 1, channels = 3, , patch = 1] = names.shape(prefix + own.patch) ?? [];
  const isHuggingFace = own.layout === 'huggingface';
  const side = imageSide(names, facts, own, prefix, patch);
  const hasHead = names.has(own.head);
  const isPooled = isHuggingFace && !hasHead && names.has(`${prefix}pooler.dense.weight`);
  const eps = isHuggingFace ? facts.number(['layer_norm_eps'], { always: 1e-12 }) : undefined;
  const body = said({
    kind: 'vit',
    layout: own.layout,
    heads: facts.heads(['num_attention_heads', 'num_heads'], features, usualHeads),
    // timm normalises the mean of the patches, and then nothing before it.
    pool: own.layout === 'timm' && names.has('fc_norm.weight') && !names.has('norm.weight') ? 'mean' : undefined,
    eps,
    activation: isHuggingFace ? facts.activation(['hidden_act'], { always: 'gelu' }) : undefined,
  });
  if (isPooled && (config?.text('pooler_act') ?? 'tanh') !== 'tanh') throw unsupported('another pooler_act than tanh');
  const pooler = isPooled
    ? [
        { kind: 'linear', name: 'pooler.dense' },
        { kind: 'tanh', name: 'pooled' },
      ]
    : [];
  const last = isHuggingFace && !hasHead ? [{ kind: 'identity', name: 'last', from: 'hidden' }] : [];
  return {
    network: own.title,
    spec: said({
      name: 'vit',
      inputs: [{ name: own.input, shape: ['batch', channels, ...side] }],
      output: hasHead ? 'logits' : isHuggingFace ? 'last_hidden_state' : 'features',
      outputs: isPooled ? { pooler_output: 'pooled' } : undefined,
      layers: [body, ...pooler, ...last],
    }),
  };
}

/** Height and width of the image: as many patches as there are positions, in a square. @throws UNRECOGNISED_NETWORK where they make none. */
function imageSide(names: Names, facts: Facts, own: Layout, prefix: string, patch: number): (number | string)[] {
  const positions = names.size(prefix + own.positions, 1) ?? 0;
  const hasToken = names.has(prefix + own.token);
  // Of a square number of positions none is the class token's (DeiT III).
  const patches = positions - (hasToken && !Number.isInteger(Math.sqrt(positions)) ? 1 : 0);
  const root = Math.round(Math.sqrt(patches));
  if (root * root === patches) {
    const side = facts.config?.has('image_size') === true ? root * patch : facts.assume('image_size', root * patch);
    return [side, side];
  }
  throw unsupported(`${patches} positions of patches, which make no square image`);
}
