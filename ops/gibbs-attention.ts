import { HopfcoleError } from '../src/files/error.ts';
import type { CostateRule } from '../src/graph/costate.ts';
import { broadcastDims, differentDims } from '../src/graph/dim.ts';
import * as op from '../src/graph/op.ts';
import { type Dim, describeShape, type Shape, tensorType } from '../src/graph/type.ts';
import type { Value } from '../src/graph/value.ts';
import { callForm, constructing, type Form, nth, typePart } from './define.ts';
import { expectEpsilon } from './epsilon.ts';
import { average, dot, gibbsRow, type Matrix, type Vector } from './float64.ts';
import { expectMask, type MaskKind, maskInput, maskKind } from './mask.ts';
import {
  as,
  commonType,
  type FloatType,
  floatTypeOf,
  last,
  scalar,
  type WorkType,
  widened,
  workType,
} from './precision.ts';
import { summedTo } from './reduction.ts';
import { epsilonFrom, lastAxis, rowSum, total } from './rules.ts';
import { expectAtoms } from './shapes.ts';
import { unknown } from './solution.ts';
import { dropLast, finite, largest, positive, reciprocal } from './stable.ts';

export interface AttentionOptions {
  /** Of booleans (true keeps a key) or of numbers added to q.k before the division by epsilon; broadcasts to [.., T, S]. A causal mask is one of these. */
  readonly mask?: Value | undefined;
  /** Every row is known to have a key, as with a causal mask: nothing is spent on rows without one, whose output then is of no meaning. */
  readonly whole?: boolean | undefined;
}

export interface AttentionReading {
  /** [.., T, v] */
  readonly output: Value;
  /** pi, [.., T, S] */
  readonly weights: Value;
  /** H(pi), [.., T] */
  readonly entropy: Value;
  /** epsilon log sum exp(q.k/epsilon), [.., T] */
  readonly logSumExp: Value;
}

/**
 * GibbsAttention: Q [.., T, d], K [.., S, d], V [.., S, v], epsilon (one number, or per head [H, 1, 1]; sqrt(d) as usual) ->
 * O [.., T, v] = softmax(QK'/epsilon) V (theory.md sections 2.10 and 4). A row whose keys are all masked gives 0. Builds nothing but O.
 * @throws DTYPE_MISMATCH, SHAPE_MISMATCH, EMPTY_ATOMS, BAD_EPSILON
 */
export function gibbsAttention(q: Value, k: Value, v: Value, epsilon: Value, options: AttentionOptions = {}): Value {
  return constructing('GibbsAttention', gibbsAttention, () => nth(call(q, k, v, epsilon, options, ['O']), 0));
}

/** The same, and the weights, entropy and log-sum-exp of every row: another overload of the same definition, for attribution. */
export function gibbsAttentionReading(
  q: Value,
  k: Value,
  v: Value,
  epsilon: Value,
  options: AttentionOptions = {},
): AttentionReading {
  return constructing('GibbsAttention', gibbsAttentionReading, () => {
    const outputs = call(q, k, v, epsilon, { mask: options.mask }, all);
    return { output: nth(outputs, 0), weights: nth(outputs, 1), entropy: nth(outputs, 2), logSumExp: nth(outputs, 3) };
  });
}

export type Output = 'O' | 'weights' | 'H' | 'LSE';
export const all: readonly Output[] = ['O', 'weights', 'H', 'LSE'];

function call(
  q: Value,
  k: Value,
  v: Value,
  epsilon: Value,
  { mask, whole = false }: AttentionOptions,
  outputs: readonly Output[],
): readonly Value[] {
  const kind = maskKind(mask);
  const dtype = commonType({ Q: q, K: k, V: v, ...(kind === 'biased' ? { mask } : {}) });
  expectEpsilon(epsilon);
  const rows = scoresShape(q, k, v);
  expectAtoms('K', rows?.at(-1));
  if (rows !== undefined) expectMask(mask, rows);
  const byRow = rows?.slice(0, -1);
  const shapes: Record<Output, Shape> = {
    O: byRow === undefined || v.shape === undefined ? undefined : [...byRow, v.shape.at(-1)],
    weights: rows,
    H: byRow,
    LSE: byRow,
  };
  const inputs = [q, k, v, epsilon, ...(mask === undefined ? [] : [mask])];
  return callForm(
    form(dtype, kind, outputs, rankOf(q, k, v), whole && kind !== ''),
    inputs,
    outputs.map((output) => tensorType(dtype, shapes[output])),
  );
}

/** [.., T, S], where Q and K say. */
function scoresShape(q: Value, k: Value, v: Value): readonly Dim[] | undefined {
  for (const [argument, { shape }] of Object.entries({ Q: q, K: k, V: v }))
    if (shape !== undefined && shape.length < 2)
      throw misfit(argument, 'of rank 2 or more, [.., rows, features]', shape);
  const [qs, ks, vs] = [q.shape, k.shape, v.shape];
  if (qs !== undefined && ks !== undefined && differentDims(qs.at(-1), ks.at(-1)))
    throw misfit('K', `with as many features as 'Q', ${qs.at(-1)}`, ks);
  if (ks !== undefined && vs !== undefined && differentDims(ks.at(-2), vs.at(-2)))
    throw misfit('V', `with as many rows as 'K', ${ks.at(-2)}`, vs);
  if (qs === undefined || ks === undefined) return undefined;
  const rank = Math.max(qs.length, ks.length);
  const batch = Array.from({ length: rank - 2 }, (_, axis) => {
    const a = qs[axis - rank + qs.length];
    const b = ks[axis - rank + ks.length];
    const [left, right] = [axis - rank + qs.length < 0 ? 1 : a, axis - rank + ks.length < 0 ? 1 : b];
    if (differentDims(left, right) && left !== 1 && right !== 1)
      throw misfit('K', `that fits 'Q' ${describeShape(qs)}`, ks);
    return broadcastDims(left, right);
  });
  return [...batch, qs.at(-2), ks.at(-2)];
}

/** The rank of K and of the scores, by which overloads differ: the bodies swap K's last two axes. */
function rankOf(...values: readonly Value[]): number {
  const ranks = values.map(({ shape }) => shape?.length);
  const [rank] = ranks;
  if (rank !== undefined && ranks.every((other) => other === rank)) return rank;
  throw new HopfcoleError(
    'SHAPE_MISMATCH',
    `expected 'Q', 'K' and 'V' of one known rank, got ${values.map(({ shape }) => describeShape(shape)).join(', ')}`,
    { argument: 'K' },
    'Reshape or unsqueeze them first',
  );
}

function misfit(argument: string, expected: string, shape: Shape): HopfcoleError {
  return new HopfcoleError('SHAPE_MISMATCH', `expected '${argument}' ${expected}, got ${describeShape(shape)}`, {
    argument,
  });
}

function form(dtype: FloatType, mask: MaskKind, outputs: readonly Output[], rank: number, whole: boolean): Form {
  return {
    name: 'GibbsAttention',
    parts: [
      outputs.length === 1 ? '' : 'reading',
      rank === 4 ? '' : `rank${rank}`,
      mask,
      whole ? 'whole' : '',
      typePart(dtype),
    ],
    inputs: [
      ['Q', unknown(dtype, rank)],
      ['K', unknown(dtype, rank)],
      ['V', unknown(dtype, rank)],
      ['epsilon', tensorType('float32')],
      ...maskInput(mask, dtype),
    ],
    outputs,
    doc: "O = softmax(Q K' / epsilon) V, one Gibbs average per row; a row with every key masked gives 0.",
    body: (inputs) => body(dtype, outputs, inputs, whole),
    costate: ruleFor(outputs),
  };
}

/** The weights of every row, and what they come from, in the work type. */
interface Weighed {
  /** (q.k + mask)/epsilon, finite. */
  readonly scaled: Value;
  readonly pi: Value;
  readonly inverse: Value;
  /** Sets rows without a key to 0. */
  readonly alive: (rows: Value) => Value;
  /** 1 for rows with a key, 0 for others, [.., 1]; undefined without a mask. */
  readonly any: Value | undefined;
}

/**
 * By Softmax, for which runtimes have a kernel: z/epsilon made as (Q/epsilon) K' carries the same error as z itself. A mask is added as numbers, for an
 * addition is far cheaper than a choice: the lowest number takes a key away, since a sum with it is that number, and rows without a key are set to 0 after.
 * Body and co-state rule make the same nodes, so that runtimes compute them once.
 */
function weighed(q: Value, k: Value, epsilon: Value, mask: Value | undefined, whole: boolean): Weighed {
  const work = workType(floatTypeOf(q));
  const inverse = reciprocal(positive(epsilon, work), work);
  const logits = op.matMul(op.mul(widened(q), inverse), swapped(widened(k)));
  const masked = mask === undefined ? undefined : maskOf(mask, inverse, work);
  const scaled = masked === undefined ? logits : op.add(logits, masked.bias);
  return {
    scaled,
    pi: op.softmax(scaled, { axis: -1 }),
    inverse,
    alive: (rows) => (masked === undefined || whole ? rows : op.mul(rows, masked.any)),
    any: masked?.any,
  };
}

/** What is added to z/epsilon, finite, and 1 for the rows that have a key, 0 for others, [.., 1]. */
function maskOf(mask: Value, inverse: Value, work: WorkType): { readonly bias: Value; readonly any: Value } {
  const lowest = scalar(-largest[work], work);
  if (mask.dtype === 'bool') {
    const most = op.reduceMax(op.cast(mask, { to: work }), last(mask));
    return { bias: op.where(mask, scalar(0, work), lowest), any: lastAxis(dropLast(most)) };
  }
  const numbers = widened(mask);
  const none = op.equal(op.reduceMax(numbers, last(numbers)), scalar(Number.NEGATIVE_INFINITY, work));
  return {
    bias: finite(op.mul(numbers, inverse), work),
    any: lastAxis(dropLast(op.cast(op.not(none), { to: work }))),
  };
}

/** max z/epsilon, the logarithm of the sum of exp(z/epsilon - max), z/epsilon - max, and H of every row, [.., 1] but the third. */
function readingOf({ scaled, pi, alive }: Weighed, work: WorkType) {
  const max = op.reduceMax(scaled, last(scaled));
  const logSum = op.neg(op.log(op.reduceMax(pi, last(pi))));
  const below = finite(op.sub(scaled, max), work);
  return { max, logSum, below, entropy: () => alive(op.sub(logSum, rowSum(op.mul(pi, below)))) };
}

function body(
  dtype: FloatType,
  outputs: readonly Output[],
  [q, k, v, epsilon, mask]: readonly Value[],
  whole: boolean,
): readonly Value[] {
  if (q === undefined || k === undefined || v === undefined || epsilon === undefined) return [];
  const work = workType(dtype);
  const rows = weighed(q, k, epsilon, mask, whole);
  const { pi, alive, any } = rows;
  const { max, logSum, entropy } = readingOf(rows, work);
  const made: Record<Output, () => Value> = {
    O: () => alive(op.matMul(pi, widened(v))),
    weights: () => alive(pi),
    H: () => dropLast(entropy()),
    LSE: () => {
      const value = op.mul(positive(epsilon, work), op.add(max, logSum));
      return dropLast(any === undefined ? value : op.add(value, op.log(any)));
    },
  };
  return outputs.map((output) => as(made[output](), dtype));
}

/** The last two axes swapped. Einsum would do for any rank, but only MatMul is fast everywhere. */
function swapped(value: Value): Value {
  const rank = value.shape?.length ?? 4;
  const axes = Array.from({ length: rank }, (_, axis) => axis);
  return op.transpose(value, { perm: [...axes.slice(0, -2), rank - 1, rank - 2] });
}

/** Works on a = z/epsilon, and divides by epsilon what is smaller than a row of keys. */
export function ruleFor(outputs: readonly Output[]): CostateRule {
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

type Bars = { readonly [output in Output]?: Value };

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

/** The float64 reference: one query. */
export function gibbsAttentionReference(
  q: Vector,
  k: Matrix,
  v: Matrix,
  epsilon: number,
): {
  readonly output: Float64Array;
  readonly weights: Float64Array;
  readonly entropy: number;
  readonly logSumExp: number;
} {
  const { f, weights, entropy } = gibbsRow(
    Float64Array.from(k, (key) => dot(q, key)),
    epsilon,
  );
  return { output: average(weights, v), weights, entropy, logSumExp: f };
}
