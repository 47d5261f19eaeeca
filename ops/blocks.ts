import * as op from '../src/graph/op.ts';
import type { Value } from '../src/graph/value.ts';
import { logits } from './logits.ts';
import { withMask } from './mask.ts';
import { ints, type WorkType, widened } from './precision.ts';
import { divisor, dropLast, exponentials, valueFrom } from './stable.ts';

/**
 * Atoms block after block. What is kept of a block is ONE tensor, [max | sum exp | sum exp W] per row, because with two ONNX Runtime's
 * order of execution keeps every block's logits alive. States merge exactly (theory.md 2.6).
 */
export function blockState(
  x: Value,
  w: Value,
  b: Value,
  mask: Value | undefined,
  inverse: Value,
  work: WorkType,
  withCostate: boolean,
): Value {
  const wide = widened(w);
  const z = withMask(logits(x, wide, widened(b), 'single'), mask, work);
  const { max, exp, sum } = exponentials(z, inverse, work);
  return op.concat(withCostate ? [max, sum, op.matMul(exp, wide)] : [max, sum], { axis: 1 });
}

/** As many states are stacked at a time, so that those of many blocks never stand side by side. */
const groupSize = 16;

/** f [B] and, where the states hold it, p [B, d] of the union of the blocks: states [B, 2 (+ d)]. */
export function unionOf(states: readonly Value[], eps: Value, work: WorkType, withCostate: boolean): readonly Value[] {
  let level = states;
  while (level.length > 1) {
    const groups = Array.from({ length: Math.ceil(level.length / groupSize) }, (_, index) =>
      level.slice(index * groupSize, (index + 1) * groupSize),
    );
    level = groups.map((group) => stateOf(group, eps));
  }
  const [whole] = level;
  return whole === undefined ? [] : readState(whole, eps, work, withCostate);
}

/** One state of several. */
function stateOf(states: readonly Value[], eps: Value): Value {
  const [only] = states;
  if (only !== undefined && states.length === 1) return only;
  const stacked = op.concat(
    states.map((state) => op.unsqueeze(state, ints(0))),
    { axis: 0 },
  );
  const max = columns(stacked, 0, 1);
  const top = op.reduceMax(max, ints(0));
  const share = op.exp(op.div(op.sub(max, top), eps));
  const rest = op.reduceSum(op.mul(share, columns(stacked, 1)), ints(0), { keepdims: 0 });
  return op.concat([op.squeeze(top, ints(0)), rest], { axis: 1 });
}

/** The state after one more block: what a Scan carries on. */
export function mergedState(before: Value, block: Value, eps: Value): Value {
  const top = op.max([columns(before, 0, 1), columns(block, 0, 1)]);
  const scaled = (state: Value): Value =>
    op.mul(op.exp(op.div(op.sub(columns(state, 0, 1), top), eps)), columns(state, 1));
  return op.concat([top, op.add(scaled(before), scaled(block))], { axis: 1 });
}

/** f and p of a state. */
export function readState(state: Value, eps: Value, work: WorkType, withCostate: boolean): readonly Value[] {
  return read(columns(state, 0, 1), columns(state, 1), eps, work, withCostate);
}

function read(max: Value, rest: Value, eps: Value, work: WorkType, withCostate: boolean): readonly Value[] {
  const sum = columns(rest, 0, 1);
  const f = dropLast(valueFrom(max, sum, eps));
  return withCostate ? [f, op.div(columns(rest, 1), divisor(sum, work))] : [f];
}

function columns(state: Value, from: number, to = Number.MAX_SAFE_INTEGER): Value {
  return op.slice(state, ints(from), ints(to), ints(-1));
}
