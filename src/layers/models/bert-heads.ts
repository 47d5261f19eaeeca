import { scalar } from '../../../ops/precision.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { layer, type Module } from '../module.ts';
import { layerNorm } from '../norm.ts';
import { activation } from '../units.ts';
import type { BertOptions } from './bert.ts';
import type { BertLayout } from './bert-names.ts';
import { dense } from './parts.ts';
import { meanPool } from './pool.ts';

export const bertHeads = ['none', 'pooler', 'mean', 'sequence', 'token', 'masked-lm', 'question-answering'] as const;
export type BertHead = (typeof bertHeads)[number];

/** What a head makes of the last hidden state. */
export interface Headed {
  readonly output: Value;
  /** [batch, hidden]: tanh of a linear layer of the first token; absent where nobody reads it. */
  readonly pooled?: Value | undefined;
  /** Of question answering: scores [batch, time] of where the answer ends; `output` says where it starts. */
  readonly end?: Value | undefined;
}

/** The head that the options ask for, with the names of its layout. `body` is the module of the network below it. */
export function bertHead(
  module: Module,
  body: Module,
  hidden: Value,
  options: BertOptions,
  layout: BertLayout,
): Headed {
  const { head = 'none', classes } = options;
  const isStored = options.pooled !== false && (body.has('pooler.dense.weight') ?? options.pooled === true);
  const isRead = head === 'pooler' || (head === 'sequence' && layout === 'bert') || (head === 'none' && isStored);
  if (!isRead) for (const part of ['weight', 'bias']) body.ignore(`pooler.dense.${part}`);
  const pooled = isRead ? pooler(body.at('pooler'), hidden) : undefined;
  switch (head) {
    case 'none':
      return { output: hidden, pooled };
    case 'pooler':
      return { output: pooled ?? hidden, pooled };
    case 'mean':
      return { output: meanPool(body.at('mean'), hidden, options.mask) };
    case 'sequence':
      return { output: sequenceScores(module, pooled ?? firstOf(hidden), classes, layout), pooled };
    case 'token':
      return { output: dense(module.at('classifier'), hidden, { out: classes }) };
    case 'masked-lm':
      return { output: wordScores(module, body, hidden, options, layout) };
    case 'question-answering': {
      const spans = dense(module.at('qa_outputs'), hidden, { out: 2 });
      const of = (index: number) => op.gather(spans, scalar(index, 'int64'), { axis: 2 });
      return { output: of(0), end: of(1) };
    }
  }
}

function firstOf(hidden: Value): Value {
  return op.gather(hidden, scalar(0, 'int64'), { axis: 1 });
}

function featuresOf(x: Value): number | undefined {
  const features = x.shape?.at(-1);
  return typeof features === 'number' ? features : undefined;
}

function pooler(module: Module, hidden: Value): Value {
  const z = dense(module.at('dense'), firstOf(hidden), { out: featuresOf(hidden) });
  return activation(module, z, 'tanh');
}

/** [batch, hidden] -> [batch, classes]: BERT's pooler stands before, RoBERTa and DistilBERT have a layer of their own. */
function sequenceScores(module: Module, x: Value, classes: number | undefined, layout: BertLayout): Value {
  if (layout === 'bert') return dense(module.at('classifier'), x, { out: classes });
  const isRoberta = layout === 'roberta';
  const before = module.at(isRoberta ? 'classifier.dense' : 'pre_classifier');
  const z = activation(before, dense(before, x, { out: featuresOf(x) }), isRoberta ? 'tanh' : 'relu');
  return dense(module.at(isRoberta ? 'classifier.out_proj' : 'classifier'), z, { out: classes });
}

/** Where the layouts keep what scores words: its linear layer, its norm, the decoder, and what holds a bias of its own. */
const words = {
  bert: [
    'cls.predictions.transform.dense',
    'cls.predictions.transform.LayerNorm',
    'cls.predictions.decoder',
    'cls.predictions',
  ],
  roberta: ['lm_head.dense', 'lm_head.layer_norm', 'lm_head.decoder', 'lm_head'],
  distilbert: ['vocab_transform', 'vocab_layer_norm', 'vocab_projector', 'vocab_projector'],
} as const;

/** [batch, time, hidden] -> [batch, time, vocabulary]: the decoder is the table of the words unless the checkpoint has another. */
function wordScores(module: Module, body: Module, hidden: Value, options: BertOptions, layout: BertLayout): Value {
  return layer(wordScores, module, 'masked words', () => {
    const { eps = 1e-12, vocabulary } = options;
    const [transform, norm, decoderName, biasName] = words[layout];
    for (const part of ['weight', 'bias']) module.ignore(`cls.seq_relationship.${part}`);
    const unit = layout === 'roberta' ? 'gelu' : (options.activation ?? 'gelu');
    const before = module.at(transform);
    const z = activation(before, dense(before, hidden, { out: featuresOf(hidden) }), unit);
    const normed = layerNorm(module.at(norm), z, { eps: layout === 'distilbert' ? 1e-12 : eps });
    const decoder = module.at(decoderName);
    const isOwn = decoder.has('weight') === true;
    const holder = decoder.has('bias') === true ? decoder : module.at(biasName);
    const bias = holder.nameOf('bias');
    module.at(biasName).ignore('bias');
    const weight = isOwn ? undefined : body.nameOf('embeddings.word_embeddings.weight');
    return dense(decoder, normed, { out: vocabulary, weight, bias });
  });
}
