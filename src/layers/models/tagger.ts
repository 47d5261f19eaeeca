import { ints } from '../../../ops/precision.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { embedding } from '../embedding.ts';
import { linear } from '../linear.ts';
import { lse, softmax } from '../lse.ts';
import { type Epsilon, layer, type Module } from '../module.ts';
import type { RecurrentForm, RecurrentKind } from '../recurrent/options.ts';
import { gru, lstm, rnn } from '../recurrent/recurrent.ts';

export interface TaggerOptions {
  /** Rows of the embedding; sizes may be left out where a checkpoint says them. */
  readonly vocabulary?: number | undefined;
  /** Features of the embedding. */
  readonly features?: number | undefined;
  /** Features of the state, by direction. */
  readonly hidden?: number | undefined;
  readonly tags?: number | undefined;
  /** Default: as many as the checkpoint has, or 1. */
  readonly layers?: number | undefined;
  /** Default: as the checkpoint has, or true. */
  readonly bidirectional?: boolean | undefined;
  readonly paddingIdx?: number | undefined;
  /** Default lstm. */
  readonly cell?: RecurrentKind | undefined;
  readonly form?: RecurrentForm | undefined;
  /** Integer lengths [batch], as packed sequences. */
  readonly lengths?: Value | undefined;
  /** Between the recurrent layers and before the tags, where `training` is true. */
  readonly dropout?: number | undefined;
  readonly training?: Value | undefined;
  /** Each tag is a log-sum-exp unit of so many atoms (or of those stored), at `epsilon`; default: linear scores. */
  readonly atoms?: number | undefined;
  /** Of the log-sum-exp units; saying it asks for them. */
  readonly epsilon?: Epsilon | undefined;
  /** Ends in softmax weights of the tags at this temperature; default: scores. */
  readonly head?: Epsilon | undefined;
  /** Names of the parts in the state dict; default `embedding`, the name of the cell, `fc`. */
  readonly names?: TaggerNames | undefined;
}

export interface TaggerNames {
  readonly embedding?: string | undefined;
  readonly recurrent?: string | undefined;
  readonly classifier?: string | undefined;
}

/**
 * Tagger of sequences: embedding, LSTM (or GRU, RNN) in both directions, a score for every tag at every step. tokens [batch, time] ->
 * [batch, time, tags]; parameters `embedding.weight`, `lstm.*`, `fc.*`, or as `names` says. With `hmm` or `viterbi` after it, a CRF.
 */
export function lstmTagger(module: Module, tokens: Value, options: TaggerOptions = {}): Value {
  return layer(lstmTagger, module, 'lstm-tagger', () => {
    const { cell = 'lstm', names = {}, vocabulary, features, hidden, layers, form, lengths, paddingIdx } = options;
    module.rank(tokens, [2], '[batch, time] of tokens');
    const recurrent = module.at(names.recurrent ?? cell);
    const bidirectional = options.bidirectional ?? recurrent.has('weight_ih_l0_reverse') ?? true;
    const x = embedding(module.at(names.embedding ?? 'embedding'), tokens, {
      entries: vocabulary,
      called: ['vocabulary', 'features'],
      features,
      paddingIdx,
    });
    const { dropout, training } = options;
    const own = { hidden, layers, bidirectional, form, lengths, dropout, training };
    const { output } = { rnn, gru, lstm }[cell](recurrent, x, own);
    const z = scores(module.at(names.classifier ?? 'fc'), output, options);
    return options.head === undefined ? z : softmax(module.at('softmax'), z, { epsilon: options.head });
  });
}

/** Scores of the tags at every step, [batch, time, tags]. */
function scores(module: Module, y: Value, { tags, atoms, epsilon }: TaggerOptions): Value {
  const bank = atoms !== undefined || epsilon !== undefined;
  if (!bank) return linear(module, y, { out: tags });
  const features = module.features(y, undefined, 'dim', module.shapeOf('weight')?.at(-1));
  const units = module.size(tags, 'tags', 'weight', 0);
  const f = lse(module, op.reshape(y, ints(-1, features)), { units, atoms, epsilon });
  return op.reshape(f, op.concat([op.shape(y, { start: 0, end: 2 }), ints(units)], { axis: 0 }));
}
