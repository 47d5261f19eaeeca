import { ints, scalar } from '../../../ops/precision.ts';
import { HopfcoleError } from '../../files/error.ts';
import { fromNumbers } from '../../files/tensor.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { normal, zeros } from '../initial.ts';
import { type LinearOptions, linear } from '../linear.ts';
import { causalMask, keyMaskOf, sizeOf } from '../masks.ts';
import type { Module } from '../module.ts';

/** How linear layers of BERT, GPT-2, Llama and ViT start: weights N(0, 0.02^2), biases 0. */
export const small = { weight: normal(0.02), bias: zeros };

/** A linear layer of such a model. */
export function dense(module: Module, x: Value, options: LinearOptions = {}): Value {
  return linear(module, x, { initial: small, ...options });
}

/** How many blocks a model has: said, or as many as the checkpoint has parameters `name(i)` for. */
export function depthOf(module: Module, said: number | undefined, name: (index: number) => string): number {
  if (said !== undefined) return said;
  let count = 0;
  while (module.has(name(count)) === true) count++;
  if (count > 0) return count;
  throw new HopfcoleError(
    'BAD_SPEC',
    module.has(name(0)) === undefined
      ? `${module.describe()} does not say "layers"`
      : `${module.describe()} does not say "layers", and the checkpoint has no ${module.nameOf(name(0))}`,
    { argument: 'layers' },
    'Add "layers", or look at the names of the checkpoint',
  );
}

/** The features of each head. @throws BAD_SPEC where they do not divide. */
export function perHead(module: Module, features: number, heads: number, what = 'heads'): number {
  if (features % heads === 0) return features / heads;
  throw new HopfcoleError(
    'BAD_SPEC',
    `${module.describe()} divides ${features} features among ${heads} ${what}`,
    { argument: what },
    `${features} must be a multiple of "${what}"`,
  );
}

/** As many features as are said, or stored, or four times those of a token. */
export function innerOf(module: Module, said: number | undefined, features: number, axis = 0): number {
  return said ?? module.shapeOf('weight')?.[axis] ?? 4 * features;
}

/** Heads of 64 features where nobody says how many there are. */
export function headsOf(module: Module, features: number, said: number | undefined): number {
  const heads = said ?? (features % 64 === 0 ? features / 64 : undefined);
  if (heads === undefined)
    throw new HopfcoleError(
      'BAD_SPEC',
      `${module.describe()} does not say "heads"`,
      { argument: 'heads' },
      'Add "heads"',
    );
  perHead(module, features, heads);
  return heads;
}

/** The first of the prefixes under which the checkpoint has `name`; for a fresh network the first. */
export function prefixed(module: Module, name: string, prefixes: readonly string[]): Module {
  const found = prefixes.find((prefix) => module.at(prefix).has(name) !== false);
  return module.at(found ?? prefixes[0] ?? '');
}

/** The last `count` [1] of the entries of axis 1. */
function lastOf(x: Value, count: Value): Value {
  return op.slice(x, op.neg(count), ints(Number.MAX_SAFE_INTEGER), ints(1));
}

/**
 * Where the tokens [batch, time] stand in their sequence, int64: [1, time] after `past` [1] tokens; [batch, time] by the mask [batch, past + time], in
 * which padding counts for nothing.
 */
export function placesOf(tokens: Value, past?: Value, mask?: Value): Value {
  const time = sizeOf(tokens, 1);
  if (mask === undefined) {
    // Counted up, not a Range: so runtimes know that there are as many as tokens (ONNX Runtime fuses norms with sums of known shapes only), and the
    // rows of a table they name stay a Gather, which refuses what is beyond it.
    const ones = op.constantOfShape(op.concat([ints(1), time], { axis: 0 }), { value: fromNumbers('int64', [1], [1]) });
    const before = op.cumSum(ones, scalar(1, 'int64'), { exclusive: true });
    return past === undefined ? before : op.add(before, past);
  }
  const real = op.cast(mask, { to: 'int64' });
  const counted = op.sub(op.cumSum(real, scalar(1, 'int64')), scalar(1, 'int64'));
  return lastOf(op.max([counted, scalar(0, 'int64')]), time);
}

/** The last position alone, [batch, 1, features]. */
export function lastPosition(x: Value): Value {
  return op.slice(x, ints(-1), ints(Number.MAX_SAFE_INTEGER), ints(1));
}

/** @throws SHAPE_MISMATCH where a sequence is known to be empty, or longer than there are positions. */
export function expectLength(module: Module, tokens: Value, positions: number | undefined): void {
  module.rank(tokens, [2], '[batch, time]');
  const time = tokens.shape?.[1];
  if (typeof time !== 'number') return;
  if (time === 0) throw module.misfit(tokens, 'a sequence of at least one token');
  if (positions !== undefined && time > positions)
    throw module.misfit(tokens, `at most ${positions} tokens, as many as it has positions`);
}

/**
 * Which keys each token of a decoder reads, made once for all its layers: [batch, 1, time, keys], by a mask of real tokens [batch, keys]. `past` [1]
 * tokens stand before. @throws SHAPE_MISMATCH where the mask cannot be one.
 */
export function decoderMask(module: Module, tokens: Value, mask: Value, past?: Value, window?: number): Value {
  const time = sizeOf(tokens, 1);
  const keys = past === undefined ? time : op.add(time, past);
  const before = causalMask(time, keys, { past, window });
  return op.and(before, keyMaskOf(module, mask, past === undefined ? tokens.shape?.[1] : undefined));
}
