import type { CostateRule } from '../src/graph/costate.ts';
import * as op from '../src/graph/op.ts';
import type { Value } from '../src/graph/value.ts';
import { type AttentionOutput, readingOf, swapped, type Weighed, weighed } from './attention-body.ts';
import { floatTypeOf, last, scalar, type WorkType, widened, workType } from './precision.ts';
import { summedTo } from './reduction.ts';
import { epsilonFrom, lastAxis, rowSum, total } from './rules.ts';
import { positive } from './stable.ts';

/** Works on a = z/epsilon, and divides by epsilon what is smaller than a row of keys. */
export function attentionCostate(outputs: readonly AttentionOutput[]): CostateRule {
  return (node, cotangents, wanted) => {
    const [q, k, v, epsilon, mask] = node.inputs;
    if (q === undefined || k === undefined || v === undefined || epsilon === undefined) return [];
    const work = workType(floatTypeOf(q));
    const bars: Bars = Object.fromEntries(
      outputs
        .map((output, index) => [output, cotangents[index]] as const)
        .flatMap(([output, given]) => (given === undefined ? [] : [[output, widened(given)]])),
    );
    const whole = node.overload.split('_').includes('whole');
    const rows = weighed(q, k, epsilon, mask, whole);
    const known = { ...rows, pi: rows.alive(rows.pi) };
    const output = floatTypeOf(q) === work ? node.outputs[outputs.indexOf('O')] : undefined;
    const homogeneous = throughRows(known, bars, widened(v), output, work);
    const fromLse = bars.LSE === undefined ? undefined : op.mul(lastAxis(bars.LSE), known.pi);
    const aBar = total(homogeneous, fromLse === undefined ? undefined : op.mul(fromLse, positive(epsilon, work)));
    if (aBar === undefined) return [];
    const divided = (value: Value) => op.mul(value, rows.inverse);
    return [
      wanted[0] === true ? summedTo(divided(op.matMul(aBar, widened(k))), q) : undefined,
      wanted[1] === true ? summedTo(divided(op.matMul(swapped(aBar), widened(q))), k) : undefined,
      wanted[2] === true && bars.O !== undefined ? summedTo(op.matMul(swapped(known.pi), bars.O), v) : undefined,
      wanted[3] === true ? toEpsilon(rows, homogeneous, bars.LSE, epsilon, work) : undefined,
      mask !== undefined && mask.dtype !== 'bool' && wanted[4] === true ? summedTo(divided(aBar), mask) : undefined,
    ];
  };
}

type Bars = { readonly [output in AttentionOutput]?: Value };

/** a's co-state through functions of a alone: O, the weights and H. With O known, E_pi of its part is a product of vectors, not of rows of keys. */
function throughRows(
  rows: Weighed,
  bars: Bars,
  v: Value,
  output: Value | undefined,
  work: WorkType,
): Value | undefined {
  const { pi } = rows;
  const centred = (g: Value, mean: Value) => op.mul(pi, op.sub(g, mean));
  const parts: Value[] = [];
  if (bars.O !== undefined) {
    const g = op.matMul(bars.O, swapped(v));
    parts.push(centred(g, output === undefined ? rowSum(op.mul(pi, g)) : rowSum(op.mul(bars.O, output))));
  }
  if (bars.weights !== undefined) parts.push(centred(bars.weights, rowSum(op.mul(pi, bars.weights))));
  if (bars.H !== undefined) {
    const below = counted(rows, work);
    parts.push(op.neg(op.mul(lastAxis(bars.H), centred(below, rowSum(op.mul(pi, below))))));
  }
  return total(...parts);
}

/** a - max a where a key has weight, 0 elsewhere: finite, and so is its derivative. */
function counted({ scaled, pi }: Weighed, work: WorkType): Value {
  const max = op.reduceMax(scaled, last(scaled));
  return op.sub(op.where(op.greater(pi, scalar(0, work)), scaled, max), max);
}

/** Of what depends on a alone, -sum aBar (a - max)/epsilon; H of what is epsilon log sum exp a. */
function toEpsilon(
  rows: Weighed,
  homogeneous: Value | undefined,
  lseBar: Value | undefined,
  epsilon: Value,
  work: WorkType,
): Value | undefined {
  const fromLse = lseBar === undefined ? undefined : op.mul(lastAxis(lseBar), readingOf(rows, work).entropy());
  const fromRows =
    homogeneous === undefined ? undefined : op.mul(epsilonFrom(homogeneous, counted(rows, work)), rows.inverse);
  const sum = total(fromRows, fromLse);
  return sum === undefined ? undefined : summedTo(sum, epsilon);
}
