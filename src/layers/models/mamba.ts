import type { Value } from '../../graph/value.ts';
import { embedding } from '../embedding.ts';
import { uniform } from '../initial.ts';
import { linear } from '../linear.ts';
import { layer, type Module } from '../module.ts';
import { rmsNorm } from '../norm.ts';
import { residual } from '../residual.ts';
import {
  mambaMixer,
  type SelectiveScanOptions,
  type SelectiveSizes,
  type SelectiveState,
  selectiveSizes,
} from '../ssm/selective-scan.ts';
import { depthOf } from './parts.ts';
import { meanPool } from './pool.ts';

export interface MambaOptions extends Omit<SelectiveScanOptions, 'in' | 'past'> {
  /** Rows of the embedding; sizes may be left out where a checkpoint says them. */
  readonly vocabulary?: number | undefined;
  /** Features of a token (d_model). */
  readonly features?: number | undefined;
  readonly layers?: number | undefined;
  /** Of the norms. Default 1e-5. */
  readonly eps?: number | undefined;
  /** What comes after the last norm: scores of the next token (default), `head` on the mean over time, or nothing. */
  readonly task?: 'language-model' | 'classifier' | 'features' | undefined;
  /** Whether lm_head is the embedding; default: where the checkpoint has no lm_head of its own. */
  readonly tied?: boolean | undefined;
  /** Of the classifier. */
  readonly classes?: number | undefined;
  /** The tokens that count in the classifier's mean, [batch, time]: those of padding on the right do not. */
  readonly mask?: Value | undefined;
  /** The state of each layer before the first token, asked for by its sizes; default: none. */
  readonly past?: ((index: number, sizes: SelectiveSizes) => SelectiveState) | undefined;
}

export interface MambaValues {
  /** Logits [batch, time, vocabulary], or what the task gives. */
  readonly output: Value;
  /** After the last norm, [batch, time, features]. */
  readonly hidden: Value;
  /** The state of each layer after the last token. */
  readonly present: readonly SelectiveState[];
}

/**
 * Mamba: tokens [batch, time] -> embedding -> layers x + mixer(RMSNorm(x)) -> RMSNorm -> logits. Parameters `backbone.embedding(s).weight`,
 * `backbone.layers.i.norm.weight`, `backbone.layers.i.mixer.*`, `backbone.norm_f.weight`, `lm_head.weight` (tied), as mamba_ssm and Hugging Face name them;
 * the classifier's are `head.weight` and `head.bias`.
 */
export function mamba(module: Module, tokens: Value, options: MambaOptions = {}): MambaValues {
  return layer(mamba, module, 'mamba', () => {
    const { task = 'language-model', eps = 1e-5, past, ...own } = options;
    module.rank(tokens, [2], '[batch, time] of tokens');
    if (tokens.shape?.[1] === 0) throw module.misfit(tokens, 'a sequence of at least one token');
    const alone = module.has('backbone.norm_f.weight') === false && module.has('norm_f.weight') === true;
    const body = alone ? module : module.at('backbone');
    const table = body.at(body.has('embedding.weight') === true ? 'embedding' : 'embeddings');
    let x = embedding(table, tokens, {
      entries: options.vocabulary,
      features: options.features,
      std: 0.02,
      called: ['vocabulary', 'features'],
    });
    const count = depthOf(body, options.layers, (index) => `layers.${index}.mixer.A_log`);
    const features = module.features(x, undefined, 'features');
    const present: SelectiveState[] = [];
    for (let index = 0; index < count; index++) {
      const place = body.at(`layers.${index}`);
      const mixer = place.at('mixer');
      const sizes = selectiveSizes(mixer, features, own);
      // out_proj starts smaller the deeper the network is, as in mamba_ssm: 1/sqrt(layers) of nn.Linear's.
      mixer.at('out_proj').parameter('weight', [features, sizes.inner], uniform(1 / Math.sqrt(sizes.inner * count)));
      const mixed = mambaMixer(mixer, rmsNorm(place.at('norm'), x, { eps }), { ...own, past: past?.(index, sizes) });
      present.push(mixed.present);
      x = residual(place, x, mixed.output);
    }
    const hidden = rmsNorm(body.at('norm_f'), x, { eps });
    if (task === 'features') return { output: hidden, hidden, present };
    if (task === 'classifier') {
      const summary = meanPool(module.at('pool'), hidden, options.mask);
      const head = module.at('head');
      const classes = head.size(options.classes, 'classes', 'weight', 0);
      return { output: linear(head, summary, { out: classes }), hidden, present };
    }
    return { output: logits(module, hidden, table.nameOf('weight'), options), hidden, present };
  });
}

function logits(module: Module, hidden: Value, table: string, { tied, vocabulary }: MambaOptions): Value {
  const head = module.at('lm_head');
  const own = head.has('weight') === true;
  if (tied ?? !own) {
    if (own) head.ignore('weight');
    return linear(head, hidden, { out: vocabulary, bias: false, weight: table });
  }
  return linear(head, hidden, { out: vocabulary ?? module.root.shapeOf(table)?.[0], bias: false });
}
