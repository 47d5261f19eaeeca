import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { summedTo } from '../broadcast.ts';
import { type Rule, rule } from '../call.ts';
import { ints, scalarLike, transposed } from '../pieces.ts';

/** Products of matrices. */
export const matrixRules: Readonly<Record<string, Rule>> = {
  MatMul: rule('g b^T; a^T g', (call) => {
    const [g, a, b] = [call.g(), call.x(0), call.x(1)];
    const [rankA, rankB] = [call.rank(a), call.rank(b)];
    if (rankB === 1) return [call.to(0, () => outer(g, b)), call.to(1, () => byVector(g, a, rankA))];
    if (rankA === 1 && rankB === 2)
      return [call.to(0, () => op.matMul(b, g)), call.to(1, () => op.mul(op.unsqueeze(a, ints(1)), g))];
    // A vector on the left is a row; its co-state loses that axis again.
    const left = rankA === 1 ? op.unsqueeze(a, ints(0)) : a;
    const bar = rankA === 1 ? op.unsqueeze(g, ints(-2)) : g;
    return [
      call.to(0, () => {
        const made = batchSummed(op.matMul(bar, transposed(b, rankB)), left, b);
        return rankA === 1 ? op.squeeze(made, ints(0)) : made;
      }),
      call.to(1, () => weightBar(left, bar, b, Math.max(rankA, 2), rankB)),
    ];
  }),
  Gemm: rule('alpha g op(B)^T; alpha op(A)^T g; beta g', (call) => {
    const [g, a, b] = [call.g(), call.x(0), call.x(1)];
    const [transA, transB] = [call.int('transA', 0) !== 0, call.int('transB', 0) !== 0];
    const [alpha, beta] = [call.float('alpha', 1), call.float('beta', 1)];
    return [
      call.to(0, () => (transA ? gemm(b, g, transB, true, alpha) : gemm(g, b, false, !transB, alpha))),
      call.to(1, () => (transB ? gemm(g, a, true, transA, alpha) : gemm(a, g, !transA, false, alpha))),
      call.to(2, () => {
        const scaled = beta === 1 ? g : op.mul(g, scalarLike(g, beta));
        return summedTo(scaled, call.x(2));
      }),
    ];
  }),
};

function gemm(a: Value, b: Value, transA: boolean, transB: boolean, alpha: number): Value {
  return op.gemm(a, b, undefined, {
    ...(alpha === 1 ? {} : { alpha }),
    ...(transA ? { transA: 1 } : {}),
    ...(transB ? { transB: 1 } : {}),
  });
}

/** g b^T for a vector b: its multiples, one for each number of g. */
function outer(g: Value, b: Value): Value {
  return op.mul(g.shape?.length === 0 ? g : op.unsqueeze(g, ints(-1)), b);
}

/** a^T g for the co-state g of a product with a vector. */
function byVector(g: Value, a: Value, rank: number): Value {
  if (rank === 1) return op.mul(g, a);
  return rank === 2 ? op.matMul(g, a) : op.matMul(op.reshape(g, ints(-1)), rows(a));
}

/** The product's co-state with the batch axes that `like` had not got summed away. */
function batchSummed(product: Value, like: Value, other: Value): Value {
  return (other.shape?.length ?? Number.POSITIVE_INFINITY) <= 2 ? product : summedTo(product, like);
}

/** a^T g; with a matrix on the right all batches are one product of flattened rows. */
function weightBar(a: Value, g: Value, b: Value, rankA: number, rankB: number): Value {
  if (rankA === 2 && rankB === 2) return op.matMul(transposed(a, 2), g);
  if (rankB > 2) return summedTo(op.matMul(transposed(a, rankA), g), b);
  return op.matMul(op.transpose(rows(a), { perm: [1, 0] }), rows(g));
}

/** All rows of all matrices as one matrix. */
function rows(x: Value): Value {
  const width = x.shape?.at(-1);
  if (typeof width === 'number' && width > 0) return op.reshape(x, ints(-1, width));
  const count = op.reduceProd(op.shape(x, { end: -1 }), undefined, { keepdims: 1 });
  return op.reshape(x, op.concat([count, op.shape(x, { start: -1 })], { axis: 0 }), { allowzero: 1 });
}
