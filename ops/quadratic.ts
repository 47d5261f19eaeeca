import * as op from '../src/graph/op.ts';
import type { Value } from '../src/graph/value.ts';
import { ints, last, scalar, type WorkType } from './precision.ts';

/** The atoms of initial data (y, g) as logits, up to a number per row: z_j = x.y_j/(2t) - |y_j|^2/(4t) - g_j, all about y's mean. */
export interface QuadraticLogits {
  /** x and y about the mean of y: products of far-off numbers would cancel. */
  readonly x: Value;
  readonly y: Value;
  /** [1, d] */
  readonly centre: Value;
  /** [B, N] = |x|^2/(4t) - cost. */
  readonly z: Value;
}

export function quadraticLogits(x: Value, y: Value, g: Value, t: Value, work: WorkType): QuadraticLogits {
  const centre = op.reduceMean(y, ints(0));
  const about = op.sub(y, centre);
  const from = op.sub(x, centre);
  const twice = op.mul(t, scalar(2, work));
  const four = op.mul(t, scalar(4, work));
  const square = op.reduceSum(op.mul(about, about), last(about), { keepdims: 0 });
  const bias = op.neg(op.add(g, op.div(square, four)));
  return { x: from, y: about, centre, z: op.gemm(op.div(from, twice), about, bias, { transB: 1 }) };
}

/** The cost g_i + |x - y_i|^2/(4t) of the atom nearest in cost, found by the logits and then computed with no cancellation. */
export interface Nearest {
  /** [B], int64 */
  readonly index: Value;
  /** [B] */
  readonly cost: Value;
  /** x - y_i, [B, d] */
  readonly offset: Value;
}

export function nearest({ x, y, z }: QuadraticLogits, g: Value, t: Value, work: WorkType): Nearest {
  const index = op.argMax(z, { axis: 1, keepdims: 0 });
  const offset = op.sub(x, op.gather(y, index));
  const square = op.reduceSum(op.mul(offset, offset), last(offset), { keepdims: 0 });
  const cost = op.add(op.gather(g, index), op.div(square, op.mul(t, scalar(4, work))));
  return { index, cost, offset };
}

/** L^-1 of a lower triangular L [d, d] by forward substitution, row after row; what stands above the diagonal is not looked at. */
export function inverseOfLower(lower: Value): Value {
  const identity = op.eyeLike(lower);
  const [inverse] = op.scan(
    [op.sub(identity, identity)],
    [op.trilu(lower, undefined, { upper: 0 }), identity],
    ([known], [row, unit]) => {
      if (known === undefined || row === undefined || unit === undefined) return { carried: [] };
      const diagonal = op.reduceSum(op.mul(row, unit), ints(-1));
      const next = op.div(op.sub(unit, op.matMul(row, known)), diagonal);
      return { carried: [op.add(known, op.mul(op.unsqueeze(unit, ints(1)), op.unsqueeze(next, ints(0))))] };
    },
  );
  return inverse ?? identity;
}
