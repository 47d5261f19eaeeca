import { ints, scalar } from '../../../ops/precision.ts';
import { HopfcoleError } from '../../files/error.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { attend } from '../attention.ts';
import { feedForward } from '../feed-forward.ts';
import { fanInUniform, normal, zeros } from '../initial.ts';
import { sizeOf } from '../masks.ts';
import { layer, type Module } from '../module.ts';
import { layerNorm } from '../norm.ts';
import { residual } from '../residual.ts';
import type { Activation } from '../units.ts';
import { dense, depthOf, headsOf, innerOf, prefixed, small } from './parts.ts';

export const vitLayouts = ['timm', 'torchvision', 'huggingface'] as const;
export type VitLayout = (typeof vitLayouts)[number];

export interface VitOptions {
  /** Whose names the parameters have; default: those of the checkpoint, or timm's. */
  readonly layout?: VitLayout | undefined;
  /** Side of a patch; sizes may be left out where a checkpoint gives them. */
  readonly patch?: number | undefined;
  readonly hidden?: number | undefined;
  /** Default: 64 features for each. */
  readonly heads?: number | undefined;
  readonly layers?: number | undefined;
  /** Default 4 * hidden. */
  readonly feedForward?: number | undefined;
  /** Default: as stored, or none: the features of the class token (or their mean) are the output. */
  readonly classes?: number | undefined;
  /** Of the norms; default 1e-6. */
  readonly eps?: number | undefined;
  /** Default gelu. */
  readonly activation?: Activation | undefined;
  /** What the head reads: the class token, or the mean of the patches; default: token, or mean where the checkpoint has no class token. */
  readonly pool?: 'token' | 'mean' | undefined;
}

export interface VitValues {
  /** [batch, classes], or [batch, hidden] without classes. */
  readonly output: Value;
  /** All tokens after the last norm, [batch, tokens, hidden]. */
  readonly hidden: Value;
}

/** Where each of the two layouts keeps its parameters. */
const names = {
  timm: {
    patch: 'patch_embed.proj',
    token: 'cls_token',
    positions: 'pos_embed',
    block: (index: number) => `blocks.${index}`,
    norms: ['norm1', 'norm2'],
    attention: 'attn',
    inner: ['mlp.fc1', 'mlp.fc2'],
    norm: 'norm',
    head: 'head',
  },
  torchvision: {
    patch: 'conv_proj',
    token: 'class_token',
    positions: 'encoder.pos_embedding',
    block: (index: number) => `encoder.layers.encoder_layer_${index}`,
    norms: ['ln_1', 'ln_2'],
    attention: 'self_attention',
    inner: ['mlp.0', 'mlp.3'],
    norm: 'encoder.ln',
    head: 'heads.head',
  },
  huggingface: {
    patch: 'embeddings.patch_embeddings.projection',
    token: 'embeddings.cls_token',
    positions: 'embeddings.position_embeddings',
    block: (index: number) => `encoder.layer.${index}`,
    norms: ['layernorm_before', 'layernorm_after'],
    attention: 'attention',
    inner: ['intermediate.dense', 'output.dense'],
    norm: 'layernorm',
    head: 'classifier',
  },
} as const;

/** A weight of a block's attention, by which blocks are counted, and where its output is turned. */
const attentions = {
  timm: ['attn.qkv.weight', 'proj'],
  torchvision: ['self_attention.in_proj_weight', 'out_proj'],
  huggingface: ['attention.attention.query.weight', 'output.dense'],
} as const;

/** Whose names a checkpoint has. */
function storedLayout(module: Module): VitLayout {
  if (module.has('conv_proj.weight') === true) return 'torchvision';
  const patch = `${names.huggingface.patch}.weight`;
  return module.has(patch) === true || module.has(`vit.${patch}`) === true ? 'huggingface' : 'timm';
}

type Names = (typeof names)[VitLayout];

/**
 * Vision transformer: image [batch, channels, height, width] -> scores [batch, classes]. Names of timm (`blocks.0.attn.qkv.weight`, with LayerScale
 * where the checkpoint has it), torchvision (`encoder.layers.encoder_layer_0.self_attention.in_proj_weight`) or Hugging Face
 * (`encoder.layer.0.attention.attention.query.weight`, under `vit.` or without).
 */
export function vit(module: Module, image: Value, options: VitOptions = {}): VitValues {
  return layer(vit, module, 'vit', () => {
    const layout = options.layout ?? storedLayout(module);
    const own = names[layout];
    // Hugging Face puts the body inside another module where there is a head on it.
    const body = layout === 'huggingface' ? prefixed(module, `${own.patch}.weight`, ['vit', '']) : module;
    const { eps = 1e-6 } = options;
    const hasToken = options.pool === undefined ? body.has(own.token) !== false : options.pool === 'token';
    const pool = options.pool ?? (hasToken ? 'token' : 'mean');
    const patches = patchesOf(body.at(own.patch), image, options);
    let x = placed(body, patches, own, body.has(own.token) ?? hasToken);
    const [first] = attentions[layout];
    const layers = depthOf(body, options.layers, (index) => `${own.block(index)}.${first}`);
    for (let index = 0; index < layers; index++) x = block(body.at(own.block(index)), x, layout, options);
    // timm normalises the mean of the patches, under another name.
    const after = pool === 'mean' && layout === 'timm' && module.has('fc_norm.weight') !== false;
    const hidden = after ? x : layerNorm(body.at(own.norm), x, { eps });
    const read =
      pool === 'token' ? op.gather(hidden, scalar(0, 'int64'), { axis: 1 }) : meanOfPatches(hidden, body, own);
    const features = after ? layerNorm(module.at('fc_norm'), read, { eps }) : read;
    const head = module.at(own.head);
    const classes = options.classes ?? head.shapeOf('weight')?.[0];
    return { output: classes === undefined ? features : dense(head, features, { out: classes }), hidden };
  });
}

/** [batch, channels, height, width] -> [batch, patches, hidden]: a convolution whose stride is its kernel. */
function patchesOf(module: Module, image: Value, options: VitOptions): Value {
  return layer(patchesOf, module, 'patches', () => {
    module.rank(image, [4], '[batch, channels, height, width]');
    const stored = module.shapeOf('weight');
    const channels = image.shape?.[1];
    const hidden = module.size(options.hidden, 'hidden', 'weight', 0);
    const patch = module.size(options.patch, 'patch', 'weight', 3);
    const into = typeof channels === 'number' ? channels : (stored?.[1] ?? 3);
    for (const side of [image.shape?.[2], image.shape?.[3]])
      if (typeof side === 'number' && (side % patch !== 0 || side === 0))
        throw module.misfit(image, `an image whose sides are multiples of its patches, ${patch}`);
    const fanIn = into * patch * patch;
    const W = module.parameter('weight', [hidden, into, patch, patch], fanInUniform(fanIn));
    const b = module.parameter('bias', [hidden], fanInUniform(fanIn));
    const z = module.mark(
      op.conv(image, W, b, { kernelShape: [patch, patch], strides: [patch, patch] }),
      'convolution',
    );
    return op.transpose(op.reshape(z, ints(0, hidden, -1)), { perm: [0, 2, 1] });
  });
}

/** The class token put before the patches, and the table of positions added to all. */
function placed(module: Module, patches: Value, own: Names, hasToken: boolean): Value {
  const features = module.features(patches, undefined, 'hidden');
  const count = patches.shape?.[1];
  const stored = module.shapeOf(own.positions)?.[1];
  // Where there are as many positions as patches the class token has none (DeiT III).
  const isPlaced = hasToken && !(stored !== undefined && stored === count);
  const tokens = stored ?? (typeof count === 'number' ? count + (isPlaced ? 1 : 0) : undefined);
  if (tokens === undefined)
    throw new HopfcoleError(
      'BAD_SPEC',
      `${module.describe()} does not know the size of the image`,
      {},
      'Give the input a fixed height and width',
    );
  if (typeof count === 'number' && count + (isPlaced ? 1 : 0) !== tokens)
    throw module.misfit(patches, `${tokens} tokens, as many as it has positions`);
  const table = module.parameter(own.positions, [1, tokens, features], normal(0.02));
  if (!hasToken) return op.add(patches, table);
  const token = module.parameter(own.token, [1, 1, features], layoutToken(own));
  const batch = op.concat([sizeOf(patches, 0), ints(1, features)], { axis: 0 });
  const first = op.expand(token, batch);
  return isPlaced
    ? op.add(op.concat([first, patches], { axis: 1 }), table)
    : op.concat([first, op.add(patches, table)], { axis: 1 });
}

/** torchvision's class token starts at 0, timm's at N(0, 1e-6^2). */
function layoutToken(own: Names) {
  return own === names.torchvision ? zeros : normal(1e-6);
}

function meanOfPatches(hidden: Value, module: Module, own: Names): Value {
  const patches =
    module.has(own.token) === true ? op.slice(hidden, ints(1), ints(Number.MAX_SAFE_INTEGER), ints(1)) : hidden;
  return op.reduceMean(patches, ints(1), { keepdims: false });
}

function block(module: Module, x: Value, layout: VitLayout, options: VitOptions): Value {
  const own = names[layout];
  const { eps = 1e-6, activation } = options;
  const features = module.features(x, undefined, 'hidden');
  const heads = headsOf(module, features, options.heads);
  const attention = module.at(own.attention);
  const [query, key, value] = packed(attention, layerNorm(module.at(own.norms[0]), x, { eps }), features, layout);
  const read = attend(attention, query, key, value, { heads }).output;
  const out = dense(attention.at(attentions[layout][1]), read, { out: features });
  const middle = step(module, x, out, ['attn_step', 'ls1']);
  const made = feedForward(module, layerNorm(module.at(own.norms[1]), middle, { eps }), {
    hidden: innerOf(module.at(own.inner[0]), options.feedForward, features),
    activation,
    names: own.inner,
    initial: small,
  });
  return step(module, middle, made, ['mlp_step', 'ls2']);
}

/** Queries, keys and values, of one product or of three. */
function packed(module: Module, x: Value, features: number, layout: VitLayout): [Value, Value, Value] {
  if (layout === 'huggingface') {
    const of = (name: string) => {
      const own = module.at(`attention.${name}`);
      return dense(own, x, { out: features, bias: own.has('bias') ?? true });
    };
    return [of('query'), of('key'), of('value')];
  }
  const linear =
    layout === 'timm'
      ? dense(module.at('qkv'), x, {
          out: 3 * features,
          bias: module.has('qkv.weight') !== true || module.has('qkv.bias') === true,
        })
      : dense(module, x, {
          out: 3 * features,
          weight: module.nameOf('in_proj_weight'),
          bias: module.nameOf('in_proj_bias'),
        });
  return op.split(linear, undefined, { axis: 2, numOutputs: 3 }) as [Value, Value, Value];
}

/** A residual step, scaled by LayerScale's gamma where the checkpoint has it. */
function step(module: Module, x: Value, branch: Value, [plain, scaled]: readonly [string, string]): Value {
  const scale = module.at(scaled);
  return scale.has('gamma') === true
    ? residual(scale, x, branch, { scale: 'gamma' })
    : residual(module.at(plain), x, branch);
}
