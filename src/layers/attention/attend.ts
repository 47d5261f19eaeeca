import { gibbsAttention, gibbsAttentionReading } from '../../../ops/index.ts';
import { as, floatTypeOf, ints, last, scalar, workType } from '../../../ops/precision.ts';
import { HopfcoleError } from '../../files/error.ts';
import { differentDims } from '../../graph/dim.ts';
import * as op from '../../graph/op.ts';
import { type Dim, describeShape } from '../../graph/type.ts';
import type { Value } from '../../graph/value.ts';
import { dropout } from '../dropout.ts';
import { bothMasks, causalMask, keyMaskOf, type Masks, masksOf, paddingMaskOf, sizeOf } from '../masks.ts';
import { layer, type Module, makerOf } from '../module.ts';
import { type AlibiOptions, alibiBias, placesFrom, type RopeOptions, rotaryTables, rotated } from '../positions.ts';
import { type HeadEpsilon, headEpsilon } from './epsilon.ts';
import { type Heads, headsOf, joined, rowsJoined, spread, spreadKeys } from './heads.ts';
import { withMore } from './more.ts';

/** Keys and values of the tokens before, [batch, keyValueHeads, past, dim]. */
export interface AttentionCache {
  readonly key: Value;
  readonly value: Value;
}

export type AttentionOutput = 'weights' | 'entropy' | 'logSumExp' | 'present';

/** How queries read keys; everything but the projections. */
export interface AttendOptions {
  readonly heads: number;
  /** Heads of keys and values, each read by heads/keyValueHeads heads of queries: grouped-query attention, multi-query where 1. Default: heads. */
  readonly keyValueHeads?: number | undefined;
  /** Viscosity = temperature of the softmax, of all heads or of each. Default sqrt(d_k); 1 is no scaling (T5). */
  readonly epsilon?: HeadEpsilon | undefined;
  /** [time, keys] or [batch, heads, time, keys] (or 1): booleans, true is read; or numbers added to the scaled scores, as in PyTorch's attention. */
  readonly mask?: Value | undefined;
  /** [batch, keys]: which keys are real (1, true): the attention_mask of Hugging Face. */
  readonly keyMask?: Value | undefined;
  /** [batch, keys]: which keys are padding (true), or numbers to add: the key_padding_mask of nn.MultiheadAttention. */
  readonly keyPaddingMask?: Value | undefined;
  /** A query reads its own key and those before. Default false. */
  readonly causal?: boolean | undefined;
  /** With `causal`: only so many keys back, the own one counted. */
  readonly window?: number | undefined;
  /** Rotary positions; {} is Llama's. */
  readonly rope?: RopeOptions | undefined;
  /** Linear biases; true is causal with the usual slopes. */
  readonly alibi?: boolean | AlibiOptions | undefined;
  /** A scaled score of each head [heads] that takes weight and gives nothing; true: the parameter `sinks`. */
  readonly sink?: boolean | Value | undefined;
  /** Keys and values [1, n, keyValueHeads * d] that every query reads, whatever the mask. */
  readonly appended?: { readonly key: Value; readonly value: Value } | undefined;
  /** Keys and values before these, zero or more of them; the result has those after. */
  readonly past?: AttentionCache | undefined;
  /** The part of the weights that is set to zero in training. Default 0. */
  readonly dropout?: number | undefined;
  /** A bool scalar, usually an input of the graph, that switches dropout on; without it there is none. */
  readonly training?: Value | undefined;
  /** What else is read; `present` without `past` is the cache of these tokens. */
  readonly outputs?: readonly AttentionOutput[] | undefined;
}

export interface Attended {
  /** [batch, time, heads * v] */
  readonly output: Value;
  /** The cache with these tokens, where there was one or it is asked for. */
  readonly present?: AttentionCache | undefined;
  /** pi, [batch, heads, time, keys]; with a sink its weight stands last. */
  readonly weights?: Value | undefined;
  /** H(pi), [batch, heads, time] */
  readonly entropy?: Value | undefined;
  /** epsilon log sum exp((q.k)/epsilon + mask), [batch, heads, time] */
  readonly logSumExp?: Value | undefined;
}

/**
 * Attention of projected values: q [batch, time, heads * d], k [batch, keys, keyValueHeads * d], v [batch, keys, keyValueHeads * v] ->
 * softmax(q k'/epsilon + mask) v of each head, joined. Exact per head (theory.md section 4). A row that may read nothing gives 0.
 * @throws SHAPE_MISMATCH, DTYPE_MISMATCH, BAD_ARGUMENT, BAD_EPSILON naming the layers
 */
export function attend(module: Module, q: Value, k: Value, v: Value, options: AttendOptions): Attended {
  return layer(attend, module, 'attention', () => {
    const heads = headsOf(module, q, k, v, options);
    const { past, outputs = [] } = options;
    const before = past === undefined ? undefined : sizeOf(past.key, 2);
    const turn = turning(module, q, heads, options, before);
    const query = turn(heads.split(q));
    const kept = past !== undefined || outputs.includes('present');
    const plain = options.rope === undefined && !kept;
    const key = plain ? spreadKeys(k, heads.shared, heads.dim) : turn(spread(k, heads.shared, heads.dim));
    const own = { key, value: spread(v, heads.shared, heads.valueDim) };
    const present = past === undefined ? own : after(module, past, own, heads);
    const masks = masked(module, q, present.key, heads, options, before);
    const read = reading(module, query, present, masks, heads, options);
    return kept ? { ...read, present } : read;
  });
}

/** What turns queries and keys by their positions. */
function turning(
  module: Module,
  q: Value,
  { dim }: Heads,
  { rope }: AttendOptions,
  past: Value | undefined,
): (x: Value) => Value {
  if (rope === undefined) return (x) => x;
  const { dims = dim, interleaved = false } = rope;
  if (!(Number.isInteger(dims) && dims > 0 && dims % 2 === 0 && dims <= dim))
    throw new HopfcoleError(
      'BAD_ARGUMENT',
      `${module.describe()} expects an even number of turning features of at most ${dim}, those of a head, got ${dims}`,
      { argument: 'rope' },
    );
  const positions = rope.positions ?? placesFrom(sizeOf(q, 1), past);
  const tables = rotaryTables(module, positions, dims, rope);
  return (x) => rotated(x, tables, dims, dim, interleaved);
}

/** The cache with these keys and values. */
function after(module: Module, past: AttentionCache, own: AttentionCache, heads: Heads): AttentionCache {
  const joinedTo = (before: Value, x: Value, dim: number): Value => {
    const { shape } = before;
    const full: readonly Dim[] = [x.shape?.[0], heads.shared, undefined, dim];
    const batches = shape?.[0];
    const fits = shape?.length === 4 && !shape.some((size, axis) => differentDims(size, full[axis]));
    if (!fits)
      throw new HopfcoleError(
        'SHAPE_MISMATCH',
        `${module.describe()} expects a cache [${x.shape?.[0] ?? batches ?? 'batch'}, ${heads.shared}, past, ${dim}], but ${makerOf(before)} gives ${describeShape(shape)}`,
        { argument: 'past' },
        'A cache is [batch, keyValueHeads, past, features of a head]',
      );
    return op.concat([before, x], { axis: 2 });
  };
  return {
    key: joinedTo(past.key, own.key, heads.dim),
    value: joinedTo(past.value, own.value, heads.valueDim),
  };
}

/** All that masks the scores. */
function masked(
  module: Module,
  q: Value,
  key: Value,
  heads: Heads,
  options: AttendOptions,
  past: Value | undefined,
): Masks {
  const { mask, keyMask, keyPaddingMask, causal = false, window, alibi = false } = options;
  const [time, keys] = [q.shape?.[1], key.shape?.[2]];
  let masks: Masks = mask === undefined ? {} : masksOf(module, mask, heads.count, time, keys);
  if (keyMask !== undefined) masks = bothMasks(masks, { allowed: keyMaskOf(module, keyMask, keys) });
  if (keyPaddingMask !== undefined) masks = bothMasks(masks, paddingMaskOf(module, keyPaddingMask, keys));
  if (window !== undefined && !causal)
    throw new HopfcoleError('BAD_ARGUMENT', 'expected "causal" with "window"', { argument: 'window' }, 'Add causal');
  // One query after the cache reads it all.
  if (causal && !(past !== undefined && time === 1 && window === undefined))
    masks = bothMasks(masks, { allowed: causalMask(sizeOf(q, 1), sizeOf(key, 2), { past, window }) });
  if (alibi === false) return masks;
  const given = alibi === true ? {} : alibi;
  return bothMasks(masks, { bias: alibiBias(heads.count, sizeOf(q, 1), sizeOf(key, 2), past, given) });
}

function reading(
  module: Module,
  query: Value,
  cache: AttentionCache,
  given: Masks,
  heads: Heads,
  options: AttendOptions,
): Attended {
  const { outputs = [], dropout: p = 0, training } = options;
  const epsilon = headEpsilon(module, options.epsilon, heads, options.past !== undefined);
  const { key, value, masks } = withMore(module, cache, given, heads, options);
  const [k, v] = [heads.shareOut(key), heads.shareOut(value)];
  const mask = maskOf(module, masks, epsilon.value, heads);
  const details = { viscosity: epsilon.said };
  const dropped = p !== 0 && training !== undefined;
  if (!dropped && outputs.every((output) => output === 'present')) {
    const by = rowsWithKeys(mask, options);
    const o = gibbsAttention(query, k, v, epsilon.value, { mask, whole: by !== 'unknown' });
    const output = joined(module.mark(o, 'attention', details), heads);
    return { output: by === 'unknown' || by === 'all' ? output : op.mul(output, as(by, module.dtype)) };
  }
  const read = gibbsAttentionReading(query, k, v, epsilon.value, { mask });
  const marked = module.mark([read.output, read.weights, read.entropy, read.logSumExp], 'attention', details);
  const [o = read.output, weights = read.weights, entropy = read.entropy, logSumExp = read.logSumExp] = marked;
  return {
    output: joined(dropped ? op.matMul(dropout(module, weights, { p, training }), v) : o, heads),
    ...(outputs.includes('weights') ? { weights: rowsJoined(weights, heads, 2) } : {}),
    ...(outputs.includes('entropy') ? { entropy: rowsJoined(entropy, heads, 1) } : {}),
    ...(outputs.includes('logSumExp') ? { logSumExp: rowsJoined(logSumExp, heads, 1) } : {}),
  };
}

/**
 * Which rows have a key: all, or 1 for those that have and 0 for others, [batch, time, 1] for all heads; `unknown` where heads differ. What is set to 0 for
 * all heads at once, after they are joined, costs least.
 */
function rowsWithKeys(mask: Value | undefined, options: AttendOptions): Value | 'all' | 'unknown' {
  const { mask: given, keyMask, keyPaddingMask, sink = false, appended } = options;
  if (mask === undefined || sink !== false || appended !== undefined) return 'all';
  if (given === undefined && keyMask === undefined && keyPaddingMask === undefined) return 'all';
  const rank = mask.shape?.length;
  if (rank !== 2 && !(rank === 4 && mask.shape?.[1] === 1)) return 'unknown';
  const most = op.reduceMax(mask.dtype === 'bool' ? op.cast(mask, { to: 'float32' }) : mask, last(mask));
  const none = as(scalar(mask.dtype === 'bool' ? 0 : Number.NEGATIVE_INFINITY), floatTypeOf(most));
  const any = op.cast(op.greater(most, none), { to: 'float32' });
  return rank === 2 ? any : op.squeeze(any, ints(1));
}

/** The mask as the operator takes it: what is added stands before the division by epsilon there. */
function maskOf(module: Module, { allowed, bias }: Masks, epsilon: Value, heads: Heads): Value | undefined {
  if (bias === undefined) return allowed === undefined ? undefined : heads.group(allowed);
  const work = workType(module.dtype);
  const before = op.mul(as(heads.group(bias), work), as(epsilon, work));
  const nothing = op.cast(op.constant({ valueFloat: Number.NEGATIVE_INFINITY }), { to: work });
  const both = allowed === undefined ? before : op.where(heads.group(allowed), before, nothing);
  return as(both, module.dtype);
}
