import { ints } from '../../../ops/precision.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Rules } from '../lower/rule.ts';
import { axisOf, rankOf } from '../lower/sizes.ts';
import { type Axes, axesOf, reduced } from './axes.ts';
import { inSingle, like, plus } from './kernels.ts';

/**
 * (sum |x|^p)^(1/p) over axes, and its limits: the largest entry, the least, how many there are that are not 0. Its co-state at 0 is 0, as PyTorch's,
 * which ONNX's own reductions for p of 1 and 2 have.
 */
export function vectorNorm(x: Value, p: number, axes: Axes, keep: boolean): Value {
  if (p === 2) return reduced(op.reduceL2, x, axes, keep);
  if (p === 1) return reduced(op.reduceL1, x, axes, keep);
  const size = op.abs(x);
  if (p === Number.POSITIVE_INFINITY) return reduced(op.reduceMax, size, axes, keep);
  if (p === Number.NEGATIVE_INFINITY) return reduced(op.reduceMin, size, axes, keep);
  if (p === 0) {
    const counted = cast(op.not(op.equal(x, like(x, 0))), x.dtype ?? 'float32');
    return reduced(op.reduceSum, counted, axes, keep);
  }
  const sum = reduced(op.reduceSum, op.pow(size, like(x, p)), axes, keep);
  // The root of 0 has no slope.
  const none = op.equal(sum, like(x, 0));
  const root = op.pow(op.where(none, like(x, 1), sum), like(x, 1 / p));
  return op.where(none, p > 0 ? like(x, 0) : op.reciprocal(like(x, 0)), root);
}

/** An order of a norm: 2 where none is given. */
function order(call: Call, name: string): number {
  const said = call.has(name) ? call.scalar(name) : 2;
  if (typeof said === 'number') return said;
  if (said === 'inf') return Number.POSITIVE_INFINITY;
  if (said === '-inf') return Number.NEGATIVE_INFINITY;
  throw call.unsupported(`${name}=${String(said)}`);
}

function operand(call: Call, name = 'self'): Value {
  return inSingle(cast(call.tensor(name), call.dtype('dtype') ?? call.outDType()));
}

const norm =
  (p: string) =>
  (call: Call): Value => {
    const x = operand(call);
    return vectorNorm(x, order(call, p), axesOf(call, x), call.bool('keepdim', false));
  };

export const vectorNormRules: Rules = {
  'aten.norm.Scalar': norm('p'),
  'aten.norm.ScalarOpt_dim': norm('p'),
  'aten.norm.ScalarOpt_dtype': norm('p'),
  'aten.norm.ScalarOpt_dim_dtype': norm('p'),
  'aten.linalg_vector_norm.default': norm('ord'),
  'aten.frobenius_norm.dim': norm('p'),
  'aten.linalg_norm.default': (call) => {
    const x = operand(call);
    const axes = axesOf(call, x);
    const matrix = call.has('ord') && (axes === undefined ? rankOf(x) === 2 : axes.length === 2);
    const keep = call.bool('keepdim', false);
    return matrix
      ? matrixNorm(call, x, order(call, 'ord'), axes ?? [0, 1], keep)
      : vectorNorm(x, order(call, 'ord'), axes, keep);
  },
  'aten.linalg_norm.ord_str': (call) => named(call),
  'aten.linalg_matrix_norm.default': (call) => {
    const x = operand(call);
    const axes = call.ints('dim', [-2, -1]).map((axis) => axisOf(axis, rankOf(x)));
    return matrixNorm(call, x, order(call, 'ord'), axes, call.bool('keepdim', false));
  },
  'aten.linalg_matrix_norm.str_ord': (call) => named(call),
  'aten.dist.default': (call) => {
    const [a, b] = call.together('self', 'other') as [Value, Value];
    return vectorNorm(inSingle(op.sub(a, b)), order(call, 'p'), undefined, false);
  },
  'aten.renorm.default': (call) => {
    const x = operand(call);
    const axis = axisOf(call.int('dim'), rankOf(x));
    const others = Array.from({ length: rankOf(x) }, (_, own) => own).filter((own) => own !== axis);
    const size = vectorNorm(x, order(call, 'p'), others, true);
    const most = like(x, call.float('maxnorm'));
    const factor = op.div(most, plus(size, 1e-7));
    return op.mul(x, op.where(op.greater(size, most), factor, like(x, 1)));
  },
};

/** Norms of matrices by their names: that of Frobenius is that of the vector of all entries. */
function named(call: Call): Value {
  const x = operand(call);
  const said = call.text('ord', 'fro');
  if (said !== 'fro') throw call.unsupported(`ord='${said}' needs singular values, for which ONNX has no operator`);
  const rank = rankOf(x);
  const axes = call.has('dim') ? axesOf(call, x) : [rank - 2, rank - 1];
  return vectorNorm(x, 2, axes, call.bool('keepdim', false));
}

/** The largest (or least) sum of a column or a row. */
function matrixNorm(call: Call, x: Value, p: number, axes: readonly number[], keep: boolean): Value {
  const [row = 0, column = 1] = axes;
  if (Math.abs(p) !== 1 && Math.abs(p) !== Number.POSITIVE_INFINITY)
    throw call.unsupported(`ord=${p} needs singular values, for which ONNX has no operator`);
  const [summed, compared] = Math.abs(p) === 1 ? [row, column] : [column, row];
  const sums = op.reduceL1(x, ints(summed), { keepdims: true });
  const most = reduced(p > 0 ? op.reduceMax : op.reduceMin, sums, [compared], true);
  return keep ? most : op.squeeze(most, ints(...axes));
}
