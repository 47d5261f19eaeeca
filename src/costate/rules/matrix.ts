import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { summedTo } from '../broadcast.ts';
import { type Rule, rule } from '../call.ts';
import { ints, scalarLike, swapAxes, transposed } from '../pieces.ts';

/** Products of matrices. */
export const matrixRules: Readonly<Record<string, Rule>> = {
  MatMul: rule('g b^T; a^T g', (call) => {
    const [g, a, b] = [call.g(), call.x(0), call.x(1)];
    const [rankA, rankB] = [call.rank(a), call.rank(b)];
    // A vector is a row on the left and a column on the right; its co-state loses that axis again.
    const left = rankA === 1 ? op.unsqueeze(a, ints(0)) : a;
    const right = rankB === 1 ? op.unsqueeze(b, ints(1)) : b;
    let bar = g;
    if (rankB === 1) bar = op.unsqueeze(bar, ints(-1));
    if (rankA === 1) bar = op.unsqueeze(bar, ints(-2));
    return [
      call.to(0, () => {
        const product = op.matMul(bar, transposed(right, Math.max(rankB, 2)));
        const made = batchSummed(product, left, right);
        return rankA === 1 ? op.squeeze(made, ints(0)) : made;
      }),
      call.to(1, () => {
        const made = weightBar(left, bar, right, Math.max(rankA, 2), Math.max(rankB, 2));
        return rankB === 1 ? op.squeeze(made, ints(1)) : made;
      }),
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

/** The product's co-state with the batch axes that `like` had not got summed away. */
function batchSummed(product: Value, like: Value, other: Value): Value {
  return (other.shape?.length ?? Number.POSITIVE_INFINITY) <= 2 ? product : summedTo(product, like);
}

/** a^T g; with a matrix on the right all batches are one product of flattened rows. */
function weightBar(a: Value, g: Value, b: Value, rankA: number, rankB: number): Value {
  if (rankA === 2 && rankB === 2) return op.matMul(transposed(a, 2), g);
  if (rankB > 2) return summedTo(op.matMul(transposed(a, rankA), g), b);
  const [inner, outer] = [a.shape?.at(-1), g.shape?.at(-1)];
  const rows = (x: Value, width: unknown): Value =>
    typeof width === 'number'
      ? op.reshape(x, ints(-1, width))
      : op.reshape(x, op.concat([ints(-1), op.shape(x, { start: -1 })], { axis: 0 }));
  return op.matMul(op.transpose(rows(a, inner), { perm: swapAxes(2, 0, 1) }), rows(g, outer));
}
