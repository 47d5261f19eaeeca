import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Rule, type RuleCall, unary } from '../call.ts';
import { cast, int, ints, sizeOf, swapAxes, tensorLike } from '../pieces.ts';

/** The determinant. */
export const determinantRules: Readonly<Record<string, Rule>> = {
  Det: unary(
    'g C, C_ij = (-1)^(i+j) times the determinant of x without row i and column j',
    (g, x, _, call) => {
      const spread = op.unsqueeze(g, ints(-2, -1));
      return x.shape?.at(-1) === 1 ? spread : op.mul(spread, cofactors(x, call));
    },
    'cofactors, not the inverse: right for singular matrices and in every order. n^2 determinants of size n-1: meant for n up to about 30',
  ),
};

/** The matrix of cofactors of every matrix of x [..., n, n]. */
function cofactors(x: Value, call: RuleCall): Value {
  const rank = call.rank(x);
  const n = [x.shape?.[rank - 1], x.shape?.[rank - 2]].find((dim) => typeof dim === 'number');
  if (n === 2) {
    const rows = op.gather(op.gather(x, ints(1, 0), { axis: rank - 2 }), ints(1, 0), { axis: rank - 1 });
    return op.mul(rows, tensorLike(x, [2, 2], [1, -1, -1, 1]));
  }
  // [..., i, n-1, j, n-1] -> [..., i, j, n-1, n-1]: row i and column j left out.
  const others = allButOne(x, rank, n);
  const rows = op.gather(x, others, { axis: rank - 2 });
  const minors = op.transpose(op.gather(rows, others, { axis: rank }), { perm: swapAxes(rank + 2, rank - 1, rank) });
  return op.mul(op.det(minors), signs(x, rank, n));
}

/** [n, n-1]: in row i all indices but i. */
function allButOne(x: Value, rank: number, n: number | undefined): Value {
  if (n !== undefined) {
    const every = [...Array(n).keys()];
    const rows = every.flatMap((row) => every.filter((index) => index !== row));
    return op.reshape(ints(...rows), ints(n, Math.max(n - 1, 0)), { allowzero: 1 });
  }
  const every = counted(x, rank);
  const fewer = op.slice(every, ints(0), ints(-1));
  return op.add(fewer, op.cast(op.greaterOrEqual(fewer, op.unsqueeze(every, ints(1))), { to: 'int64' }));
}

/** (-1)^(i+j). */
function signs(x: Value, rank: number, n: number | undefined): Value {
  if (n !== undefined) {
    const even = (at: number): boolean => (Math.floor(at / n) + (at % n)) % 2 === 0;
    return tensorLike(
      x,
      [n, n],
      Array.from({ length: n * n }, (_, at) => (even(at) ? 1 : -1)),
    );
  }
  const every = counted(x, rank);
  const odd = op.mod(op.add(every, op.unsqueeze(every, ints(1))), int(2));
  return cast(op.sub(int(1), op.mul(odd, int(2))), x.dtype ?? 'float32');
}

/** 0 to n-1. */
function counted(x: Value, rank: number): Value {
  return op.range(int(0), op.squeeze(sizeOf(x, rank - 1), ints(0)), int(1));
}
