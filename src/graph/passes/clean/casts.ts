import { type DType, dtypeOfCode, dtypes, isFloat, isInteger } from '../../../files/dtype.ts';
import type { Model } from '../../graph.ts';
import type { Value } from '../../value.ts';
import { intOf } from '../constants.ts';
import { remake, rewriteModel } from '../rewrite.ts';
import { isStandard, madeBy } from './program.ts';

/** Bits of the significand, the leading one included. */
const significand: Partial<Record<DType, number>> = { float64: 53, float32: 24, float16: 11, bfloat16: 8 };

/** A model in which a Cast of a Cast that loses nothing is one Cast, or none where it leads back. */
export function mergeCasts(model: Model): Model {
  return rewriteModel(model, (node) => {
    if (node.opType !== 'Cast' || !isStandard(node)) return undefined;
    const inner = madeBy(node.inputs[0], 'Cast');
    const x: Value | undefined = inner?.inputs[0];
    const [from, through, to] = [x?.dtype, node.inputs[0]?.dtype, dtypeOfCode(intOf(node, 'to', 0) ?? 0)];
    if (x === undefined || from === undefined || through === undefined || to === undefined) return undefined;
    if (!holdsAll(from, through)) return undefined;
    if (from === to) return [x];
    // Which integer a float outside their range becomes, a runtime decides: only what stays within is the same by both ways.
    const same = holdsAll(from, to) || (isFloat(from) && isFloat(to));
    return same ? remake(node, { inputs: [x] }).outputs : undefined;
  });
}

/** Whether every number of one type is a number of the other. */
export function holdsAll(from: DType, to: DType): boolean {
  if (from === to) return true;
  const [a, b] = [dtypes[from], dtypes[to]];
  if (a.kind === 'string' || b.kind === 'string') return false;
  if (from === 'bool') return isInteger(to) || significand[to] !== undefined;
  const digits = significand[to];
  if (isInteger(from)) {
    const magnitude = a.kind === 'int' ? a.bits - 1 : a.bits;
    if (digits !== undefined) return magnitude <= digits && to !== 'float16';
    if (!isInteger(to)) return false;
    return a.kind === b.kind ? a.bits <= b.bits : a.kind === 'uint' && a.bits < b.bits;
  }
  if (significand[from] === undefined || digits === undefined) return false;
  return to === 'float64' || (to === 'float32' && from !== 'float64');
}
