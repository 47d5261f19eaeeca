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
import { type BertHead, bertHead } from './bert-heads.ts';
import { type BertLayout, type BertNames, bertNames, storedLayout } from './bert-names.ts';
import { dense, depthOf, expectLength, headsOf, innerOf, placesOf, prefixed } from './parts.ts';

export interface BertOptions {
  /** Whose names the parameters have; default: those of the checkpoint, or BERT's. */
  readonly layout?: BertLayout | undefined;
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
  /** The position of the first token: 0, or 2 in RoBERTa (where `paddingToken` says it too). */
  readonly positionOffset?: number | undefined;
  /** The token of padding: it stands at the position of its own number, and the others are counted from the next on, as in RoBERTa. */
  readonly paddingToken?: number | undefined;
  /** int64 or bool [batch, time]: which tokens are real. Default: all. */
  readonly mask?: Value | undefined;
  /** int64 [batch, time]; default: all of type 0. */
  readonly tokenTypes?: Value | undefined;
  /** Without a head: whether there is a pooler. Default: where a checkpoint has it. */
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
  /** Of question answering: scores [batch, time] of where the answer ends; `output` says where it starts. */
  readonly end: Value | undefined;
}

/**
 * BERT, RoBERTa and DistilBERT: tokens [batch, time] int64 -> the last hidden state [batch, time, hidden], or what `head` says. Hugging Face's names
 * (`embeddings.word_embeddings.weight`, `encoder.layer.0.attention.self.query.weight`), under `bert.`, `roberta.` or `distilbert.` or without.
 */
export function bert(module: Module, tokens: Value, options: BertOptions = {}): BertValues {
  return layer(bert, module, 'bert', () => {
    const layout = options.layout ?? storedLayout(module);
    const own = bertNames[layout];
    const body = prefixed(module, 'embeddings.word_embeddings.weight', prefixesFor(own, options.head));
    const embedded = embeddings(body, tokens, options, layout);
    const layers = depthOf(body, options.layers, (index) => `${own.block(index)}.${own.query}.weight`);
    const mask = options.mask === undefined ? undefined : keyMaskOf(body, options.mask, tokens.shape?.[1]);
    let hidden = embedded;
    for (let index = 0; index < layers; index++) hidden = block(body.at(own.block(index)), hidden, mask, options, own);
    return { hidden, pooled: undefined, end: undefined, ...bertHead(module, body, hidden, options, layout) };
  });
}

/** A bare model has no prefix; one with a head on it has. */
function prefixesFor({ prefixes: within }: BertNames, head: BertHead = 'none'): readonly string[] {
  return head === 'none' || head === 'pooler' || head === 'mean' ? ['', ...within] : [...within, ''];
}

function embeddings(body: Module, tokens: Value, options: BertOptions, layout: BertLayout): Value {
  const { vocabulary, hidden, types = 2, positions = 512, paddingToken, tokenTypes, eps = 1e-12 } = options;
  const positionOffset = paddingToken === undefined ? (options.positionOffset ?? 0) : paddingToken + 1;
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
  const counted = paddingToken === undefined ? placesOf(tokens) : countedOf(tokens, paddingToken);
  const first = paddingToken ?? positionOffset;
  const places = first === 0 ? counted : op.add(counted, scalar(first, 'int64'));
  const placed = embedding(table, places, { entries, features, std });
  if (layout === 'distilbert') return layerNorm(module.at('LayerNorm'), op.add(words, placed), { eps });
  const typeTable = module.at('token_type_embeddings');
  const kinds = typeTable.shapeOf('weight')?.[0] ?? types;
  const typed = embedding(typeTable, tokenTypes ?? scalar(0, 'int64'), { entries: kinds, features, std });
  // Positions and a single type are added first: they are small.
  const sum = tokenTypes === undefined ? op.add(words, op.add(placed, typed)) : op.add(op.add(words, typed), placed);
  return layerNorm(module.at('LayerNorm'), sum, { eps });
}

/** 1, 2, ... for the tokens [batch, time] that are no padding, 0 for padding. */
function countedOf(tokens: Value, padding: number): Value {
  const real = op.cast(op.not(op.equal(tokens, scalar(padding, 'int64'))), { to: 'int64' });
  return op.mul(op.cumSum(real, scalar(1, 'int64')), real);
}

function block(module: Module, x: Value, mask: Value | undefined, options: BertOptions, names: BertNames): Value {
  const { eps = 1e-12, activation: unit = 'gelu' } = options;
  const features = module.features(x, options.hidden, 'hidden');
  const heads = headsOf(module, features, options.heads);
  const [query, key, value] = (['query', 'key', 'value'] as const).map((name) =>
    dense(module.at(names[name]), x, { out: features }),
  ) as [Value, Value, Value];
  const own = module.at(names.query.slice(0, names.query.lastIndexOf('.')));
  const read = attend(own, query, key, value, { heads, mask }).output;
  const attended = residual(module.at('attention.step'), x, dense(module.at(names.attended), read, { out: features }));
  const middle = layerNorm(module.at(names.attendedNorm), attended, { eps });
  const inner = module.at(names.wide);
  const wide = dense(inner, middle, { out: innerOf(inner, options.feedForward, features) });
  const made = dense(module.at(names.narrow), activation(module.at('intermediate'), wide, unit), { out: features });
  return layerNorm(module.at(names.norm), residual(module.at('output.step'), middle, made), { eps });
}
