import * as op from '../src/graph/op.ts';
import type { Value } from '../src/graph/value.ts';
import { logits } from './logits.ts';
import { withMask } from './mask.ts';
import { as, ints, scalar, type WorkType, widened } from './precision.ts';
import { clampedCount, firstColumn, lastSize, paddedTo, withoutFirst } from './ranking.ts';
import { divisor, dropLast, entropyFrom, exponentials, heatFrom, reciprocal, valueFrom } from './stable.ts';

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
  const inverse = reciprocal(eps, work);
  const parts = exponentials(z, inverse, work);
  const safe = divisor(parts.sum, work);
  const [values, indices] = op.topK(z, clampedCount(k, lastSize(z)));
  const others = exponentials(withoutFirst(z, firstColumn(indices), work), inverse, work);
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
 * One block as one tensor (see blocks.ts): [max | sum | sum exp a | max and sum without the first | k logits | k indices | sum exp W].
 * Indices are numbers that float32 holds exactly, up to 2^24.
 */
export function attributionState(
  x: Value,
  w: Value,
  b: Value,
  mask: Value | undefined,
  inverse: Value,
  k: Value,
  [from, count]: readonly [from: number, count: number],
  work: WorkType,
): Value {
  const wide = widened(w);
  const z = withMask(logits(x, wide, widened(b), 'single'), mask, work);
  const { max, scaled, exp, sum, axis } = exponentials(z, inverse, work);
  const heat = heatFrom({ exp, scaled, axis }, work);
  const wanted = clampedCount(k, ints(count));
  const [values, columns] = op.topK(z, clampedCount(wanted, lastSize(z)));
  const others = exponentials(withoutFirst(z, firstColumn(columns), work), inverse, work);
  const ranked = [
    paddedTo(values, wanted, Number.NEGATIVE_INFINITY, work),
    paddedTo(as(op.add(columns, ints(from)), work), wanted, 0, work),
  ];
  return op.concat([max, sum, heat, others.max, others.sum, ...ranked, op.matMul(exp, wide)], { axis: 1 });
}

/** As many states are stacked at a time. */
const groupSize = 16;

/** What the states of all blocks give together: states [B, 5 + 2k + d]. */
export function attributionUnion(
  states: readonly Value[],
  count: number,
  eps: Value,
  k: Value,
  work: WorkType,
): readonly Value[] {
  const wanted = clampedCount(k, ints(count));
  let level = states;
  while (level.length > 1) {
    const groups = Array.from({ length: Math.ceil(level.length / groupSize) }, (_, index) =>
      level.slice(index * groupSize, (index + 1) * groupSize),
    );
    level = groups.map((group) => stateOf(group, wanted, eps, work));
  }
  const [whole] = level;
  return whole === undefined ? [] : read(partsOf(whole, wanted), eps, work);
}

interface Parts {
  readonly max: Value;
  readonly sum: Value;
  readonly heat: Value;
  readonly otherMax: Value;
  readonly otherSum: Value;
  readonly values: Value;
  readonly indices: Value;
  readonly vectors: Value;
}

/** The columns of a state, or of a stack of them. */
function partsOf(state: Value, wanted: Value): Parts {
  const columns = (from: Value, to: Value): Value => op.slice(state, from, to, ints(-1));
  const column = (index: number): Value => columns(ints(index), ints(index + 1));
  const ranked = ints(fixed);
  const middle = op.add(ranked, wanted);
  const end = op.add(middle, wanted);
  return {
    max: column(0),
    sum: column(1),
    heat: column(2),
    otherMax: column(3),
    otherSum: column(4),
    values: columns(ranked, middle),
    indices: columns(middle, end),
    vectors: columns(end, ints(Number.MAX_SAFE_INTEGER)),
  };
}

function read(parts: Parts, eps: Value, work: WorkType): readonly Value[] {
  const { max, sum, heat, values } = parts;
  const safe = divisor(sum, work);
  return [
    dropLast(valueFrom(max, sum, eps)),
    op.div(parts.vectors, safe),
    dropLast(op.sub(op.log(safe), op.div(heat, safe))),
    op.div(op.exp(op.div(op.sub(values, max), eps)), safe),
    op.cast(parts.indices, { to: 'int64' }),
    dropLast(valueFrom(parts.otherMax, parts.otherSum, eps)),
    dropLast(firstColumn(values)),
  ];
}

/** One state of several. */
function stateOf(states: readonly Value[], wanted: Value, eps: Value, work: WorkType): Value {
  const [only] = states;
  if (only !== undefined && states.length === 1) return only;
  const stacked = op.concat(
    states.map((state) => op.unsqueeze(state, ints(0))),
    { axis: 0 },
  );
  const { max, sum, heat, otherMax, otherSum, values, indices, vectors } = partsOf(stacked, wanted);
  const zero = scalar(0, work);
  const top = op.reduceMax(max, ints(0));
  const shift = op.div(op.sub(max, top), eps);
  const share = op.exp(shift);
  const counted = op.where(op.greater(share, zero), op.mul(share, op.add(heat, op.mul(sum, shift))), zero);
  const [best, positions] = op.topK(rowMajor(values), wanted);
  const order = op.range(scalar(0, 'int64'), scalar(states.length, 'int64'), scalar(1, 'int64'));
  const holdsTop = op.equal(op.reshape(order, ints(-1, 1, 1)), op.div(firstColumn(positions), wanted));
  const highest = op.where(holdsTop, otherMax, max);
  const peak = op.reduceMax(highest, ints(0));
  const others = op.mul(op.exp(op.div(op.sub(highest, peak), eps)), op.where(holdsTop, otherSum, sum));
  return op.concat(
    [
      op.squeeze(top, ints(0)),
      overStates(op.mul(share, sum)),
      overStates(counted),
      op.squeeze(peak, ints(0)),
      overStates(others),
      best,
      op.gatherElements(rowMajor(indices), positions, { axis: 1 }),
      overStates(op.mul(share, vectors)),
    ],
    { axis: 1 },
  );
}

function overStates(value: Value): Value {
  return op.reduceSum(value, ints(0), { keepdims: 0 });
}

/** [states, B, k] as [B, states k]. */
function rowMajor(value: Value): Value {
  const byRow = op.transpose(value, { perm: [1, 0, 2] });
  const shape = op.shape(byRow);
  const rows = op.slice(shape, ints(0), ints(1));
  const rest = op.reduceProd(op.slice(shape, ints(1), ints(3)), undefined, { keepdims: 1 });
  return op.reshape(byRow, op.concat([rows, rest], { axis: 0 }), { allowzero: 1 });
}
