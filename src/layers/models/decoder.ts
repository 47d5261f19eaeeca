import type { FloatType } from '../../../ops/precision.ts';
import { HopfcoleError } from '../../files/error.ts';
import { input } from '../../graph/make.ts';
import { type Dim, describeShape } from '../../graph/type.ts';
import type { Value } from '../../graph/value.ts';
import { sizeOf } from '../masks.ts';
import { type Module, makerOf } from '../module.ts';
import { decoderMask, dense, lastPosition, placesOf } from './parts.ts';

/** What one layer of a decoder keeps of the tokens before: keys and values [batch, heads, time, dim]. */
export interface CacheValue {
  readonly key: Value;
  readonly value: Value;
}

/** How many layers a decoder has, and the shape [batch, heads, time, dim] of what each keeps. */
export interface CacheSizes {
  readonly layers: number;
  readonly heads: number;
  readonly dim: number;
}

/** What decoders have in common. */
export interface DecoderOptions {
  /** Sizes may be left out where a checkpoint gives them. */
  readonly vocabulary?: number | undefined;
  /** Features of each token. */
  readonly hidden?: number | undefined;
  readonly layers?: number | undefined;
  /** Features between the linear layers of the feed-forward block. */
  readonly feedForward?: number | undefined;
  /** The longest sequence. */
  readonly positions?: number | undefined;
  /** Of the norms. */
  readonly eps?: number | undefined;
  /** int64 or bool [batch, past + time]: which tokens are real; needed for shorter prompts, which are padded on the left. */
  readonly mask?: Value | undefined;
  /** int64 [batch, time]: where the tokens stand. Default: after `past`, padding not counted. */
  readonly places?: Value | undefined;
  /** What each layer keeps of the tokens before, zero or more of them: `cacheInputs`. Then `present` is what it keeps after. */
  readonly past?: readonly CacheValue[] | undefined;
  /** Logits of the last position alone, [batch, 1, vocabulary]: all that generation reads. */
  readonly lastLogits?: boolean | undefined;
  /** The head is the table of the embedding. Default: unless the checkpoint has a head of its own. */
  readonly tied?: boolean | undefined;
}

export interface DecoderValues {
  /** [batch, time, vocabulary]; time is 1 with `lastLogits`. */
  readonly logits: Value;
  /** After the last norm, [batch, time, hidden]. */
  readonly hidden: Value;
  /** The cache after these tokens; empty without `past`. */
  readonly present: readonly CacheValue[];
}

/** Inputs `past.0.key`, `past.0.value`, ... [batch, heads, past, dim] of a graph for a decoder's cache. */
export function cacheInputs(
  { layers, heads, dim }: CacheSizes,
  { dtype = 'float32', batch = 'batch' }: { readonly dtype?: FloatType; readonly batch?: Dim } = {},
): CacheValue[] {
  const of = (index: number, part: string) => input(`past.${index}.${part}`, dtype, [batch, heads, 'past', dim]);
  return Array.from({ length: layers }, (_, index) => ({ key: of(index, 'key'), value: of(index, 'value') }));
}

/** Outputs `present.0.key`, ... by their names. */
export function cacheOutputs(present: readonly CacheValue[]): Record<string, Value> {
  return Object.fromEntries(
    present.flatMap(({ key, value }, index) => [
      [`present.${index}.key`, key],
      [`present.${index}.value`, value],
    ]),
  );
}

/** How attention of a decoder is masked: by order alone where every token is real, or by one mask that all layers share. */
export type Ordered = { readonly causal: true; readonly window: number | undefined } | { readonly mask: Value };

/** Where the tokens stand, given or found, and which keys each of them reads. */
export function placing(
  module: Module,
  tokens: Value,
  options: DecoderOptions & { readonly window?: number | undefined },
): { readonly places: Value; readonly ordered: Ordered } {
  const { past: cache, mask, window } = options;
  const past = cache?.[0] === undefined ? undefined : sizeOf(cache[0].key, 2);
  return {
    places: options.places ?? placesOf(tokens, past, mask),
    ordered: mask === undefined ? { causal: true, window } : { mask: decoderMask(module, tokens, mask, past, window) },
  };
}

/** @throws SHAPE_MISMATCH where the cache is known not to be that of this model. */
export function expectCache(
  module: Module,
  past: readonly CacheValue[] | undefined,
  { layers, heads, dim }: CacheSizes,
): void {
  if (past === undefined) return;
  if (past.length !== layers)
    throw new HopfcoleError(
      'SHAPE_MISMATCH',
      `${module.describe()} has ${layers} layers, but a cache of ${past.length} was given`,
      { argument: 'past' },
    );
  for (const value of past.flatMap((own) => [own.key, own.value])) {
    const [, own, , features] = value.shape ?? [];
    const fits = (dim: Dim | undefined, wanted: number) => typeof dim !== 'number' || dim === wanted;
    if (value.shape !== undefined && (value.shape.length !== 4 || !fits(own, heads) || !fits(features, dim)))
      throw new HopfcoleError(
        'SHAPE_MISMATCH',
        `${module.describe()} expects a cache [batch, ${heads}, past, ${dim}], but ${makerOf(value)} gives ${describeShape(value.shape)}`,
        { argument: 'past' },
      );
  }
}

/** Logits of the hidden states: by `lm_head.weight`, or by the table of the embedding. */
export function logitsOf(
  module: Module,
  table: string,
  hidden: Value,
  vocabulary: number | undefined,
  { tied, lastLogits = false }: DecoderOptions,
  tiedFresh: boolean,
): Value {
  const head = module.at('lm_head');
  const stored = head.has('weight');
  const isTied = tied ?? (stored === undefined ? tiedFresh : !stored);
  const x = lastLogits ? lastPosition(hidden) : hidden;
  if (!isTied) return dense(head, x, { out: vocabulary, bias: false });
  head.ignore('weight');
  return dense(head, x, { out: vocabulary, weight: table, bias: false });
}
