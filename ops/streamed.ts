import { fromNumbers } from '../src/files/tensor.ts';
import * as op from '../src/graph/op.ts';
import type { Value } from '../src/graph/value.ts';
import { mergedState, readState } from './blocks.ts';
import { ints, type WorkType, widened } from './precision.ts';
import { exponentials, largest, reciprocal } from './stable.ts';

/**
 * Atoms in a Scan, for a number of them that is not known when the graph is built: W [blocks, d, n] (laid out so beforehand),
 * b [blocks, n]. The state is that of blocks.ts.
 */
export function scanned(
  x: Value,
  w: Value,
  b: Value,
  eps: Value,
  work: WorkType,
  withCostate: boolean,
): readonly Value[] {
  const inverse = reciprocal(eps, work);
  const [state] = op.scan([emptyState(x, work, withCostate)], [w, b], ([before], [block, bias]) => {
    if (before === undefined || block === undefined || bias === undefined) return { carried: [] };
    const wide = widened(block);
    const z = op.add(op.matMul(x, wide), widened(bias));
    const { max, exp, sum } = exponentials(z, inverse, work);
    const parts = withCostate ? [max, sum, op.matMul(exp, op.transpose(wide, { perm: [1, 0] }))] : [max, sum];
    return { carried: [mergedState(before, op.concat(parts, { axis: 1 }), eps)] };
  });
  return state === undefined ? [] : readState(state, eps, work, withCostate);
}

/** The state of no atoms: the lowest finite maximum, and sums of 0. */
function emptyState(x: Value, work: WorkType, withCostate: boolean): Value {
  const rows = op.slice(op.shape(x), ints(0), ints(1));
  const lowest = filled(op.concat([rows, ints(1)], { axis: 0 }), -largest[work], work);
  const sum = filled(op.concat([rows, ints(1)], { axis: 0 }), 0, work);
  return op.concat(withCostate ? [lowest, sum, filled(op.shape(x), 0, work)] : [lowest, sum], { axis: 1 });
}

function filled(shape: Value, value: number, work: WorkType): Value {
  return op.constantOfShape(shape, { value: fromNumbers(work, [1], [value]) });
}
