import * as op from '../src/graph/op.ts';
import type { Value } from '../src/graph/value.ts';
import { ints } from './precision.ts';

/** One set of atoms W [N, d], b [N], or a bank of K of them, W [K, N, d], b [K, N]. */
export type Arrangement = 'single' | 'bank';

/** z = X W' + b: [B, N], or [K, B, N] for a bank. */
export function logits(x: Value, w: Value, b: Value, arrangement: Arrangement): Value {
  if (arrangement === 'single') return op.gemm(x, w, b, { transB: 1 });
  return op.add(op.matMul(x, op.transpose(w, { perm: [0, 2, 1] })), op.unsqueeze(b, ints(1)));
}

/** Values of a bank are [B, K] outside and [K, B] inside; co-states [B, K, d] and [K, B, d]. */
export function swapHeads(value: Value, rank: 2 | 3): Value {
  return op.transpose(value, { perm: rank === 2 ? [1, 0] : [1, 0, 2] });
}

/** The co-state through z = X W' + b: what reaches X, W and b from that of z. */
export function throughLogits(
  zBar: Value,
  x: Value,
  w: Value,
  arrangement: Arrangement,
  wanted: readonly boolean[],
): readonly (Value | undefined)[] {
  const [toX = false, toW = false, toB = false] = wanted;
  const weighted = toX ? op.matMul(zBar, w) : undefined;
  const byAtom = (): Value => op.transpose(zBar, { perm: arrangement === 'single' ? [1, 0] : [0, 2, 1] });
  return [
    weighted !== undefined && arrangement === 'bank' ? op.reduceSum(weighted, ints(0), { keepdims: 0 }) : weighted,
    toW ? op.matMul(byAtom(), x) : undefined,
    toB ? op.reduceSum(zBar, ints(-2), { keepdims: 0 }) : undefined,
  ];
}
