import { ints } from '../../../ops/precision.ts';
import { fromNumbers } from '../../files/tensor.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Result } from '../lower/item.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { axisOf, rankOf } from '../lower/sizes.ts';
import { inSingle, like, workable } from './kernels.ts';
import { worked } from './linear.ts';

/** The largest matrix that is inverted by its cofactors: their number of operations grows as n^5. */
const largestInverse = 8;

const refused = (why: string): Lowering => {
  return (call: Call): Result => {
    throw call.unsupported(why);
  };
};

const singular = refused('needs singular values or eigenvalues, for which ONNX has no operator');
const factors = refused('needs a factorisation of matrices, for which ONNX has no operator');

export const linearAlgebraRules: Rules = {
  'aten.linalg_det.default': (call) => op.det(inSingle(call.tensor('A'))),
  'aten.det.default': (call) => op.det(inSingle(call.tensor('self'))),
  'aten._linalg_det.default': (call) => [op.det(inSingle(call.tensor('A')))],
  'aten.logdet.default': (call) => op.log(op.det(inSingle(call.tensor('self')))),
  'aten.slogdet.default': (call) => signAndLog(call.tensor('self')),
  'aten.linalg_slogdet.default': (call) => signAndLog(call.tensor('A')),
  'aten._linalg_slogdet.default': (call) => signAndLog(call.tensor('A')),
  'aten.inverse.default': (call) => inverse(call, call.tensor('self')),
  'aten.linalg_inv.default': (call) => inverse(call, call.tensor('A')),
  'aten.linalg_inv_ex.default': (call) => {
    call.ignore('check_errors');
    const x = call.tensor('A');
    return [inverse(call, x), cast(op.mul(op.det(inSingle(x)), like(inSingle(x), 0)), 'int32')];
  },
  'aten.linalg_solve.default': (call) => solve(call),
  'aten._linalg_solve_ex.default': (call) => [solve(call.ignore('check_errors'))],
  'aten.linalg_matrix_power.default': (call) => power(call),
  'aten.matrix_power.default': (call) => power(call),
  'aten.linalg_cross.default': (call) => cross(call, call.int('dim', -1)),
  'aten.cross.default': (call) => cross(call, call.has('dim') ? call.int('dim') : undefined),
  'aten.trace.default': (call) => {
    const x = call.tensor('self');
    const [rows, columns] = [x.shape?.[0], x.shape?.[1]];
    if (typeof rows !== 'number' || typeof columns !== 'number') throw call.unsupported('sizes that are not known');
    const places = Array.from({ length: Math.min(rows, columns) }, (_, place) => place * (columns + 1));
    const flat = op.reshape(cast(x, workable(call.outDType())), ints(-1));
    return op.reduceSum(op.gather(flat, constant(places, 'int64')), undefined, { keepdims: false });
  },
  'aten.linalg_matrix_exp.default': refused('the exponential of a matrix'),
  'aten.matrix_exp.default': refused('the exponential of a matrix'),
  'aten.linalg_eigh.default': singular,
  'aten._linalg_eigh.default': singular,
  'aten.linalg_eig.default': singular,
  'aten.linalg_eigvals.default': singular,
  'aten.linalg_svd.default': singular,
  'aten._linalg_svd.default': singular,
  'aten.linalg_svdvals.default': singular,
  'aten.linalg_pinv.default': singular,
  'aten.linalg_cholesky.default': factors,
  'aten.linalg_cholesky_ex.default': factors,
  'aten.cholesky.default': factors,
  'aten.linalg_qr.default': factors,
  'aten.linalg_lu_factor_ex.default': factors,
  'aten.linalg_lstsq.default': factors,
  'aten.linalg_solve_triangular.default': factors,
  'aten.triangular_solve.default': factors,
};

function signAndLog(given: Value): [Value, Value] {
  const det = op.det(inSingle(given));
  return [op.sign(det), op.log(op.abs(det))];
}

/** Cofactors over the determinant, of small matrices [.., n, n]. */
function inverse(call: Call, given: Value): Value {
  const x = inSingle(given);
  const n = x.shape?.at(-1);
  if (typeof n !== 'number' || n > largestInverse)
    throw call.unsupported(
      `the inverse of matrices of more than ${largestInverse} rows, for which ONNX has no operator`,
    );
  if (n === 1) return op.reciprocal(x);
  const rank = rankOf(x);
  const dtype = x.dtype ?? 'float32';
  const signs = Array.from({ length: n * n }, (_, place) => ((Math.floor(place / n) + (place % n)) % 2 === 0 ? 1 : -1));
  const others = Array.from({ length: n }, (_, own) => Array.from({ length: n }, (_, i) => i).filter((i) => i !== own));
  const left = constant(fromNumbers('int64', [n, n - 1], others.flat()));
  // [.., i, n-1, j, n-1] -> [.., j, i, n-1, n-1]: without row i and column j, and transposed.
  const parts = op.gather(op.gather(x, left, { axis: rank - 2 }), left, { axis: rank });
  const lead = Array.from({ length: rank - 2 }, (_, axis) => axis);
  const minors = op.transpose(parts, { perm: [...lead, rank, rank - 2, rank - 1, rank + 1] });
  const adjugate = op.mul(op.det(minors), constant(fromNumbers(dtype, [n, n], signs)));
  return op.div(adjugate, op.unsqueeze(op.det(x), ints(-2, -1)));
}

function solve(call: Call): Value {
  const [a, b] = [call.tensor('A'), inSingle(call.tensor('B'))];
  const own = inverse(call, a);
  // A right side of one rank less is a vector for each matrix.
  const isVector = rankOf(b) === 1 || (rankOf(b) === rankOf(a) - 1 && sameSizes(b, a));
  if (!call.bool('left', true)) return op.matMul(b, own);
  return isVector ? op.squeeze(op.matMul(own, op.unsqueeze(b, ints(-1))), ints(-1)) : op.matMul(own, b);
}

function sameSizes(b: Value, a: Value): boolean {
  return b.shape?.every((dim, axis) => dim === a.shape?.[axis]) ?? false;
}

function power(call: Call): Value {
  const given = worked(call.tensor('self'));
  const n = call.int('n');
  const base = n < 0 ? inverse(call, given) : given;
  if (n === 0) {
    const size = base.shape?.at(-1);
    if (typeof size !== 'number') throw call.unsupported('sizes that are not known');
    const ones = Array.from({ length: size * size }, (_, place) => (place % (size + 1) === 0 ? 1 : 0));
    return op.expand(constant(fromNumbers(base.dtype ?? 'float32', [size, size], ones)), op.shape(base));
  }
  let [result, square] = [undefined as Value | undefined, base];
  for (let left = Math.abs(n); left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result = result === undefined ? square : op.matMul(result, square);
    if (left > 1) square = op.matMul(square, square);
  }
  return result ?? base;
}

/** a x b over an axis of three: the first of them where none is said. */
function cross(call: Call, said: number | undefined): Value {
  const dtype = workable(call.outDType());
  const [a, b] = [cast(call.tensor('self'), dtype), cast(call.tensor('other'), dtype)];
  const rank = Math.max(rankOf(a), rankOf(b));
  const axis = said ?? a.shape?.indexOf(3) ?? -1;
  const fromEnd = axisOf(axis, rank) - rank;
  const turn = (x: Value, by: readonly number[]) => op.gather(x, constant(by, 'int64'), { axis: fromEnd + rankOf(x) });
  const [once, twice] = [
    [1, 2, 0],
    [2, 0, 1],
  ] as const;
  return op.sub(op.mul(turn(a, once), turn(b, twice)), op.mul(turn(a, twice), turn(b, once)));
}
