import { scalar } from '../../../ops/precision.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { attend } from '../attention.ts';
import { embedding } from '../embedding.ts';
import { keyMaskOf } from '../masks.ts';
import { layer, type Module } from '../module.ts';
import { layerNorm } from '../norm.ts';
import { residual } from '../residual.ts';
import { type Activation, activation } from '../units.ts';
import { dense, depthOf, expectLength, headsOf, innerOf, placesOf, prefixed } from './parts.ts';
import { meanPool } from './pool.ts';

export const bertHeads = ['none', 'pooler', 'mean', 'sequence', 'token', 'masked-lm'] as const;
export type BertHead = (typeof bertHeads)[number];

export interface BertOptions {
  /** Sizes may be left out where a checkpoint gives them. */
  readonly vocabulary?: number | undefined;
  /** Features of each token (hidden_size). */
  readonly hidden?: number | undefined;
  /** Default: 64 features for each. */
  readonly heads?: number | undefined;
  readonly layers?: number | undefined;
  /** intermediate_size; default 4 * hidden. */
  readonly feedForward?: number | undefined;
  /** max_position_embeddings, `positionOffset` included; default 512. */
  readonly positions?: number | undefined;
  /** type_vocab_size; default 2. */
  readonly types?: number | undefined;
  /** Of the norms; default 1e-12 (RoBERTa: 1e-5). */
  readonly eps?: number | undefined;
  /** Default gelu. */
  readonly activation?: Activation | undefined;
  /** The position of the first token: 0, or 2 in RoBERTa. */
  readonly positionOffset?: number | undefined;
  /** int64 or bool [batch, time]: which tokens are real. Default: all. */
  readonly mask?: Value | undefined;
  /** int64 [batch, time]; default: all of type 0. */
  readonly tokenTypes?: Value | undefined;
  /** Without a head: whether a fresh network has a pooler. One of a checkpoint is read where it is stored. Default false. */
  readonly pooled?: boolean | undefined;
  /** What is made of the last hidden state; default none. */
  readonly head?: BertHead | undefined;
  /** Labels of the heads 'sequence' and 'token'. */
  readonly classes?: number | undefined;
}

export interface BertValues {
  /** What the head gives; the last hidden state where there is none. */
  readonly output: Value;
  /** [batch, time, hidden] */
  readonly hidden: Value;
  /** [batch, hidden]: tanh of a linear layer of the first token; absent where the checkpoint has no pooler. */
  readonly pooled: Value | undefined;
}

/**
 * BERT and RoBERTa: tokens [batch, time] int64 -> the last hidden state [batch, time, hidden], or what `head` says. Hugging Face's names
 * (`embeddings.word_embeddings.weight`, `encoder.layer.0.attention.self.query.weight`), under `bert.` or `roberta.` or without.
 */
export function bert(module: Module, tokens: Value, options: BertOptions = {}): BertValues {
  return layer(bert, module, 'bert', () => {
    const body = prefixed(module, 'embeddings.word_embeddings.weight', prefixesFor(options.head));
    const embedded = embeddings(body, tokens, options);
    const layers = depthOf(body, options.layers, (index) => `encoder.layer.${index}.attention.self.query.weight`);
    const mask = options.mask === undefined ? undefined : keyMaskOf(body, options.mask, tokens.shape?.[1]);
    let hidden = embedded;
    for (let index = 0; index < layers; index++)
      hidden = block(body.at(`encoder.layer.${index}`), hidden, mask, options);
    return headed(module, body, hidden, options);
  });
}

/** A bare model has no prefix; one with a head on it has. */
function prefixesFor(head: BertHead = 'none'): readonly string[] {
  const within = ['bert', 'roberta'];
  return head === 'none' || head === 'pooler' || head === 'mean' ? ['', ...within] : [...within, ''];
}

function embeddings(body: Module, tokens: Value, options: BertOptions): Value {
  const { vocabulary, hidden, types = 2, positions = 512, positionOffset = 0, tokenTypes, eps = 1e-12 } = options;
  const module = body.at('embeddings');
  const std = 0.02;
  const table = module.at('position_embeddings');
  const entries = table.shapeOf('weight')?.[0] ?? positions;
  expectLength(module, tokens, entries - positionOffset);
  module.ignore('position_ids');
  module.ignore('token_type_ids');
  const words = embedding(module.at('word_embeddings'), tokens, {
    entries: vocabulary,
    features: hidden,
    std,
    called: ['vocabulary', 'hidden'],
  });
  const features = module.features(words, hidden, 'hidden');
  const counted = placesOf(tokens);
  const places = positionOffset === 0 ? counted : op.add(counted, scalar(positionOffset, 'int64'));
  const placed = embedding(table, places, { entries, features, std });
  const typeTable = module.at('token_type_embeddings');
  const kinds = typeTable.shapeOf('weight')?.[0] ?? types;
  const typed = embedding(typeTable, tokenTypes ?? scalar(0, 'int64'), { entries: kinds, features, std });
  // Positions and a single type are added first: they are small.
  const sum = tokenTypes === undefined ? op.add(words, op.add(placed, typed)) : op.add(op.add(words, typed), placed);
  return layerNorm(module.at('LayerNorm'), sum, { eps });
}

function block(module: Module, x: Value, mask: Value | undefined, options: BertOptions): Value {
  const { eps = 1e-12, activation: unit = 'gelu' } = options;
  const features = module.features(x, options.hidden, 'hidden');
  const heads = headsOf(module, features, options.heads);
  const own = module.at('attention.self');
  const [query, key, value] = (['query', 'key', 'value'] as const).map((name) =>
    dense(own.at(name), x, { out: features }),
  ) as [Value, Value, Value];
  const read = attend(own, query, key, value, { heads, mask }).output;
  const attended = residual(
    module.at('attention.step'),
    x,
    dense(module.at('attention.output.dense'), read, { out: features }),
  );
  const middle = layerNorm(module.at('attention.output.LayerNorm'), attended, { eps });
  const inner = module.at('intermediate.dense');
  const wide = dense(inner, middle, { out: innerOf(inner, options.feedForward, features) });
  const made = dense(module.at('output.dense'), activation(module.at('intermediate'), wide, unit), { out: features });
  return layerNorm(module.at('output.LayerNorm'), residual(module.at('output.step'), middle, made), { eps });
}

function headed(module: Module, body: Module, hidden: Value, options: BertOptions): BertValues {
  const { head = 'none', eps = 1e-12, activation: unit = 'gelu', classes } = options;
  const wanted =
    head === 'pooler' ||
    head === 'sequence' ||
    (head === 'none' && (body.has('pooler.dense.weight') ?? options.pooled === true));
  const pooled = wanted ? pooler(body.at('pooler'), hidden) : undefined;
  const done = (output: Value): BertValues => ({ output, hidden, pooled });
  if (head === 'none') return done(hidden);
  if (head === 'mean') return done(meanPool(body.at('mean'), hidden, options.mask));
  if (head === 'pooler') return done(pooled ?? hidden);
  if (head === 'sequence' || head === 'token') {
    if (head === 'token') ignoreUnder(body, 'pooler');
    return done(dense(module.at('classifier'), pooled ?? hidden, { out: classes }));
  }
  ignoreUnder(body, 'pooler');
  const predictions = module.at('cls.predictions');
  const features = hidden.shape?.at(-1);
  const z = dense(predictions.at('transform.dense'), hidden, {
    out: typeof features === 'number' ? features : undefined,
  });
  const normed = layerNorm(predictions.at('transform.LayerNorm'), activation(predictions.at('transform'), z, unit), {
    eps,
  });
  const decoder = predictions.at('decoder');
  const own = decoder.has('weight') === true;
  const bias = decoder.has('bias') === true ? decoder.nameOf('bias') : predictions.nameOf('bias');
  predictions.ignore('bias');
  const weight = own ? undefined : body.nameOf('embeddings.word_embeddings.weight');
  return done(dense(decoder, normed, { out: options.vocabulary, weight, bias }));
}

function pooler(module: Module, hidden: Value): Value {
  const features = hidden.shape?.at(-1);
  const first = op.gather(hidden, scalar(0, 'int64'), { axis: 1 });
  const z = dense(module.at('dense'), first, { out: typeof features === 'number' ? features : undefined });
  return activation(module, z, 'tanh');
}

/** A pooler that no head reads is stored all the same. */
function ignoreUnder(body: Module, name: string): void {
  for (const part of ['dense.weight', 'dense.bias']) body.ignore(`${name}.${part}`);
}
