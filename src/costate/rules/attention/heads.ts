import * as op from '../../../graph/op.ts';
import type { Value } from '../../../graph/value.ts';
import { cast, ints, scalarLike, sizeOf } from '../../pieces.ts';

/** [batch, length, heads * size] as [batch, heads, length, size]. */
export function splitHeads(x: Value, heads: number): Value {
  return op.transpose(op.reshape(x, ints(0, 0, heads, -1)), { perm: [0, 2, 1, 3] });
}

/** [batch, heads, length, size] as [batch, length, heads * size]. */
export function mergeHeads(x: Value): Value {
  return op.reshape(op.transpose(x, { perm: [0, 2, 1, 3] }), ints(0, 0, -1));
}

/** What is computed of queries [B, H, Q, D], keys [B, H or fewer, K, D] and values [B, ..., K, V] on the way to their attention. */
export interface Attended {
  /** [B, H, Q, V]. */
  readonly y: Value;
  /** Queries times keys, scaled, and then through the soft cap: [B, H, Q, K]. */
  readonly scores: Value;
  readonly capped: Value;
  /** The probabilities. */
  readonly weights: Value;
}

export interface Attention {
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
  /** 1 / sqrt(D) where it is left out. */
  readonly scale?: number | undefined;
  readonly softcap?: number;
  /** Added to the scores. */
  readonly bias?: Value | undefined;
  /** Which keys a query sees; broadcasts against the scores. */
  readonly allowed?: Value | undefined;
  /** Whether each query is known to see a key. Those that see none give 0, and pass nothing. */
  readonly covered?: boolean;
  /** The probabilities of given scores, where they are not their Softmax. */
  readonly softmax?: (scores: Value) => Value;
}

/** Attention in operators that each have a rule. Several heads of queries to one of keys are more rows of the same product. */
export function attend({ q, k, v, scale, softcap = 0, bias, allowed, covered = false, softmax }: Attention): Attended {
  const [heads, groups] = [q.shape?.[1], k.shape?.[1]];
  const plain = heads !== undefined && heads === groups;
  const folded = (x: Value): Value => (plain ? x : op.reshape(x, ofHeads(k)));
  const unfolded = (x: Value): Value => (plain ? x : op.reshape(x, ofHeads(q)));
  const scaled = op.mul(q, scale === undefined ? rootOfSize(q) : scalarLike(q, scale));
  const scores = unfolded(op.matMul(folded(scaled), op.transpose(k, { perm: [0, 1, 3, 2] })));
  const cap = scalarLike(scores, softcap);
  const capped = softcap > 0 ? op.mul(op.tanh(op.div(scores, cap)), cap) : scores;
  const certain = allowed === undefined || covered;
  // What a mask hides is a number to add, not a choice among scores: the mask is smaller, and the choice would come back in the co-state.
  const hidden = certain ? Number.NEGATIVE_INFINITY : q.dtype === 'float16' ? -3e4 : -1.7e38;
  const shift =
    allowed === undefined ? bias : op.where(allowed, bias ?? scalarLike(scores, 0), scalarLike(scores, hidden));
  const shifted = shift === undefined ? capped : op.add(capped, shift);
  const chances = softmax === undefined ? op.softmax(shifted) : softmax(shifted);
  const weights = certain ? chances : op.where(allowed, chances, scalarLike(chances, 0));
  return { y: unfolded(op.matMul(folded(cast(weights, v.dtype ?? 'float32')), v)), scores, capped, weights };
}

/** A shape with the heads of x, the batch and the last axis as they are. */
function ofHeads(x: Value): Value {
  const heads = x.shape?.[1];
  if (typeof heads === 'number') return ints(0, heads, -1, 0);
  return op.concat([ints(0), sizeOf(x, 1), ints(-1, 0)], { axis: 0 });
}

function rootOfSize(q: Value): Value {
  const size = q.shape?.[3];
  if (typeof size === 'number') return scalarLike(q, 1 / Math.sqrt(size));
  return op.reciprocal(op.sqrt(cast(sizeOf(q, 3), q.dtype ?? 'float32')));
}
