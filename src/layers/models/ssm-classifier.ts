import type { Value } from '../../graph/value.ts';
import { dropout } from '../dropout.ts';
import { linear } from '../linear.ts';
import { layer, type Module } from '../module.ts';
import { layerNorm } from '../norm.ts';
import { residual } from '../residual.ts';
import { type SsmForm, s4d } from '../ssm/s4d.ts';
import { depthOf } from './parts.ts';
import { meanPool } from './pool.ts';

export interface S4ClassifierOptions {
  /** Features of the input (d_input); default: those of `x`. */
  readonly in?: number | undefined;
  /** Features inside (d_model); may be left out where a checkpoint says them. */
  readonly features?: number | undefined;
  /** Blocks; default: as many as the checkpoint has. */
  readonly layers?: number | undefined;
  /** Default: as the checkpoint has, or 64. */
  readonly state?: number | undefined;
  /** Outputs of the decoder (d_output). */
  readonly classes?: number | undefined;
  /** The norm stands before the block, not after the residual sum. Default false. */
  readonly normFirst?: boolean | undefined;
  /** Mean over time before the decoder (default), or scores at every step. */
  readonly pool?: boolean | undefined;
  /** The steps that count in the mean, [batch, time]. */
  readonly mask?: Value | undefined;
  readonly form?: SsmForm | undefined;
  /** Inside the blocks and after them, where `training` is true. Default 0. */
  readonly dropout?: number | undefined;
  readonly training?: Value | undefined;
}

/**
 * The S4D classifier of the reference's example: x [batch, time, in] -> encoder -> residual S4D blocks with LayerNorm -> mean over time -> decoder,
 * [batch, classes]. Parameters `encoder.*`, `s4_layers.i.*`, `norms.i.*`, `decoder.*`.
 */
export function s4Classifier(module: Module, x: Value, options: S4ClassifierOptions = {}): Value {
  return layer(s4Classifier, module, 's4-classifier', () => {
    const { normFirst = false, pool = true, state, form, training, mask } = options;
    module.rank(x, [3], '[batch, time, features]');
    const count = depthOf(module, options.layers, (index) => `s4_layers.${index}.D`);
    const encoder = module.at('encoder');
    let h = linear(encoder, x, { in: options.in, out: encoder.size(options.features, 'features', 'weight', 0) });
    for (let index = 0; index < count; index++) {
      const place = module.at(`s4_layers.${index}`);
      const p = options.dropout ?? 0;
      const branch = (z: Value) =>
        dropout(place, s4d(place, z, { state, form, dropout: p, training }).output, { p, training });
      const norm = (z: Value) => layerNorm(module.at(`norms.${index}`), z);
      const step = module.at(`steps.${index}`);
      h = normFirst ? residual(step, h, branch(norm(h))) : norm(residual(step, h, branch(h)));
    }
    const summary = pool ? meanPool(module.at('pool'), h, mask) : h;
    const decoder = module.at('decoder');
    return linear(decoder, summary, { out: decoder.size(options.classes, 'classes', 'weight', 0) });
  });
}
