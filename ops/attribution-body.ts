import * as op from '../src/graph/op.ts';
import type { Value } from '../src/graph/value.ts';
import { logits } from './logits.ts';
import { withMask } from './mask.ts';
import { as, ints, scalar, type WorkType, widened } from './precision.ts';
import { clampedCount, firstColumn, lastSize, paddedTo, withoutFirst } from './ranking.ts';
import { divisor, dropLast, entropyFrom, exponentials, finite, valueFrom } from './stable.ts';

/** F, P, H, weights, indices, F_rest and the top logit, all atoms at once. */
export function denseAttribution(
  x: Value,
  w: Value,
  b: Value,
  mask: Value | undefined,
  eps: Value,
  k: Value,
  work: WorkType,
): readonly Value[] {
  const wide = widened(w);
  const z = withMask(logits(x, wide, widened(b), 'single'), mask, work);
  const parts = exponentials(z, eps, work);
  const safe = divisor(parts.sum, work);
  const [values, indices] = op.topK(z, clampedCount(k, lastSize(z)));
  const others = exponentials(withoutFirst(z, firstColumn(indices), work), eps, work);
  return [
    dropLast(valueFrom(parts.max, parts.sum, eps)),
    op.div(op.matMul(parts.exp, wide), safe),
    dropLast(entropyFrom(parts, work)),
    op.div(op.exp(op.div(op.sub(values, parts.max), eps)), safe),
    indices,
    dropLast(valueFrom(others.max, others.sum, eps)),
    dropLast(firstColumn(values)),
  ];
}

/** Columns before the ranking's: max, sum, sum of exp times log, and max and sum of the others than the first. */
const fixed = 5;

/**
 * One block as one tensor (see blocks.ts): [max | sum | sum exp a | max and sum without the first | k logits | their k columns | sum exp W].
 * Columns within a block are numbers that float32 holds exactly.
 */
export function attributionState(
  x: Value,
  w: Value,
  b: Value,
  mask: Value | undefined,
  eps: Value,
  k: Value,
  count: number,
  work: WorkType,
): Value {
  const wide = widened(w);
  const z = withMask(logits(x, wide, widened(b), 'single'), mask, work);
  const { max, scaled, exp, sum } = exponentials(z, eps, work);
  const zero = scalar(0, work);
  const heat = op.reduceSum(op.where(op.greater(exp, zero), op.mul(exp, scaled), zero), ints(-1));
  const wanted = clampedCount(k, ints(count));
  const [values, columns] = op.topK(z, clampedCount(wanted, lastSize(z)));
  const others = exponentials(withoutFirst(z, firstColumn(columns), work), eps, work);
  const ranked = [
    paddedTo(values, wanted, Number.NEGATIVE_INFINITY, work),
    paddedTo(as(columns, work), wanted, 0, work),
  ];
  return op.concat([max, sum, heat, others.max, others.sum, ...ranked, op.matMul(exp, wide)], { axis: 1 });
}

/** What the states of all blocks give together: states [B, 5 + 2k + d]. */
export function attributionUnion(
  states: readonly Value[],
  bounds: readonly number[],
  eps: Value,
  k: Value,
  work: WorkType,
): readonly Value[] {
  const stacked = op.concat(
    states.map((state) => op.unsqueeze(state, ints(0))),
    { axis: 0 },
  );
  const column = (index: number): Value => op.slice(stacked, ints(index), ints(index + 1), ints(-1));
  const wanted = clampedCount(k, ints(bounds.at(-1) ?? 0));
  const ranked = ints(fixed);
  const middle = op.add(ranked, wanted);
  const end = op.add(middle, wanted);
  const [max, sum, heat] = [column(0), column(1), column(2)];
  const top = op.reduceMax(max, ints(0));
  const shift = op.div(op.sub(max, top), eps);
  const share = op.exp(shift);
  const all = overBlocks(op.mul(share, sum));
  const safe = divisor(all, work);
  const zero = scalar(0, work);
  const counted = op.where(op.greater(share, zero), op.mul(share, op.add(heat, op.mul(sum, shift))), zero);
  const spread = overBlocks(op.where(op.greater(sum, zero), counted, zero));
  const vectors = overBlocks(op.mul(share, op.slice(stacked, end, ints(Number.MAX_SAFE_INTEGER), ints(-1))));
  const first = scalar(0, 'int64');
  const best = flatTopK(op.slice(stacked, ranked, middle, ints(-1)), wanted);
  const places = op.add(
    as64(op.slice(stacked, middle, end, ints(-1))),
    op.reshape(ints(...bounds.slice(0, -1)), ints(-1, 1, 1)),
  );
  const indices = op.gatherElements(rowMajor(places), best.positions, { axis: 1 });
  const topBlock = op.div(firstColumn(best.positions), wanted);
  const order = op.reshape(op.range(first, scalar(states.length, 'int64'), scalar(1, 'int64')), ints(-1, 1, 1));
  const holdsTop = op.equal(order, topBlock);
  const lse = ([highest, sums]: readonly [Value, Value]): Value => {
    const peak = op.reduceMax(highest, ints(0));
    const total = overBlocks(op.mul(op.exp(op.div(op.sub(highest, peak), eps)), sums));
    return dropLast(valueFrom(op.squeeze(peak, ints(0)), total, eps));
  };
  const flat = finite(op.squeeze(top, ints(0)), work);
  return [
    dropLast(valueFrom(flat, all, eps)),
    op.div(vectors, safe),
    dropLast(op.sub(op.log(safe), op.div(spread, safe))),
    op.div(op.exp(op.div(op.sub(best.values, flat), eps)), safe),
    indices,
    lse([op.where(holdsTop, column(3), max), op.where(holdsTop, column(4), sum)]),
    dropLast(firstColumn(best.values)),
  ];
}

function overBlocks(value: Value): Value {
  return op.reduceSum(value, ints(0), { keepdims: 0 });
}

function as64(value: Value): Value {
  return op.cast(value, { to: 'int64' });
}

/** [blocks, B, k] as [B, blocks k]. */
function rowMajor(value: Value): Value {
  const byRow = op.transpose(value, { perm: [1, 0, 2] });
  const shape = op.shape(byRow);
  const rows = op.slice(shape, ints(0), ints(1));
  const rest = op.reduceProd(op.slice(shape, ints(1), ints(3)), undefined, { keepdims: 1 });
  return op.reshape(byRow, op.concat([rows, rest], { axis: 0 }), { allowzero: 1 });
}

function flatTopK(candidates: Value, k: Value): { readonly values: Value; readonly positions: Value } {
  const [values, positions] = op.topK(rowMajor(candidates), k);
  return { values, positions };
}
