import { HopfcoleError } from '../src/files/error.ts';
import type { CostateRule } from '../src/graph/costate.ts';
import { broadcastDims, differentDims } from '../src/graph/dim.ts';
import * as op from '../src/graph/op.ts';
import { type Dim, describeShape, type Shape, tensorType } from '../src/graph/type.ts';
import type { Value } from '../src/graph/value.ts';
import { callForm, constructing, type Form, nth, typePart } from './define.ts';
import { expectEpsilon } from './epsilon.ts';
import { average, dot, gibbsRow, type Matrix, type Vector } from './float64.ts';
import { gibbsEntropy } from './gibbs-entropy.ts';
import { gibbsWeights } from './gibbs-weights.ts';
import { expectMask, type MaskKind, maskInput, maskKind, withMask } from './mask.ts';
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
import { epsilonFrom, lastAxis, scaledLogits, throughEntropy, throughWeights, total } from './rules.ts';
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

/**
 * By Softmax, for which runtimes have a kernel: z/epsilon made as (Q/epsilon) K' carries the same error as z itself. A mask is added as numbers, for an
 * addition is far cheaper than a choice: the lowest number takes a key away, since a sum with it is that number, and rows without a key are set to 0 after.
 * max z and max pi then tell the rest: LSE = epsilon (max - log max pi), H = -log max pi - E_pi (z/epsilon - max).
 */
function body(
  dtype: FloatType,
  outputs: readonly Output[],
  [q, k, v, epsilon, mask]: readonly Value[],
  whole: boolean,
): readonly Value[] {
  if (q === undefined || k === undefined || v === undefined || epsilon === undefined) return [];
  const work = workType(dtype);
  const eps = positive(epsilon, work);
  const inverse = reciprocal(eps, work);
  const scaled = op.matMul(op.mul(widened(q), inverse), swapped(widened(k)));
  const masked = maskOf(mask, inverse, work);
  const z = masked === undefined ? scaled : op.add(scaled, masked.bias);
  const pi = op.softmax(z, { axis: -1 });
  const alive = (value: Value) => (masked === undefined || whole ? value : op.mul(value, masked.alive));
  const axis = last(z);
  const max = op.reduceMax(z, axis);
  const logSum = op.neg(op.log(op.reduceMax(pi, axis)));
  const made: Record<Output, () => Value> = {
    O: () => alive(op.matMul(pi, widened(v))),
    weights: () => alive(pi),
    H: () => dropLast(alive(op.sub(logSum, op.reduceSum(op.mul(pi, finite(op.sub(z, max), work)), axis)))),
    LSE: () => {
      const value = op.mul(eps, op.add(max, logSum));
      return dropLast(masked === undefined ? value : op.add(value, op.log(masked.alive)));
    },
  };
  return outputs.map((output) => as(made[output](), dtype));
}

/** What is added to z/epsilon, finite, and 1 for the rows that have a key, 0 for others, [.., 1]. */
function maskOf(
  mask: Value | undefined,
  inverse: Value,
  work: WorkType,
): { readonly bias: Value; readonly alive: Value } | undefined {
  if (mask === undefined) return undefined;
  const lowest = scalar(-largest[work], work);
  if (mask.dtype === 'bool') {
    const any = op.reduceMax(op.cast(mask, { to: work }), last(mask));
    return { bias: op.where(mask, scalar(0, work), lowest), alive: lastAxis(dropLast(any)) };
  }
  const numbers = widened(mask);
  const most = op.reduceMax(numbers, last(numbers));
  const none = op.equal(most, scalar(Number.NEGATIVE_INFINITY, work));
  return {
    bias: finite(op.mul(numbers, inverse), work),
    alive: lastAxis(dropLast(op.cast(op.not(none), { to: work }))),
  };
}

/** Q K' in the work type. Einsum would do for any rank, but only MatMul is fast everywhere; the transpose swaps the last two axes. */
function scores(q: Value, k: Value): Value {
  return op.matMul(widened(q), swapped(widened(k)));
}

/** The last two axes swapped. */
function swapped(value: Value): Value {
  const rank = value.shape?.length ?? 4;
  const axes = Array.from({ length: rank }, (_, axis) => axis);
  return op.transpose(value, { perm: [...axes.slice(0, -2), rank - 1, rank - 2] });
}

export function ruleFor(outputs: readonly Output[]): CostateRule {
  return (node, cotangents, wanted) => {
    const [q, k, v, epsilon, mask] = node.inputs;
    if (q === undefined || k === undefined || v === undefined || epsilon === undefined) return [];
    const dtype = floatTypeOf(q);
    const work = workType(dtype);
    const eps = as(epsilon, work);
    const bar = (output: Output): Value | undefined => {
      const given = cotangents[outputs.indexOf(output)];
      return outputs.includes(output) && given !== undefined ? widened(given) : undefined;
    };
    const z = withMask(scores(q, k), mask, work);
    const pi = gibbsWeights(z, epsilon);
    const oBar = bar('O');
    const zBars = partsOf(z, pi, eps, work, { o: oBar, v: widened(v), weights: bar('weights'), h: bar('H') });
    const lseBar = bar('LSE');
    const zBar = total(zBars.homogeneous, lseBar === undefined ? undefined : op.mul(lastAxis(lseBar), pi));
    if (zBar === undefined) return [];
    return [
      wanted[0] === true ? summedTo(op.matMul(zBar, widened(k)), q) : undefined,
      wanted[1] === true ? summedTo(op.matMul(swapped(zBar), widened(q)), k) : undefined,
      wanted[2] === true && oBar !== undefined ? summedTo(op.matMul(swapped(pi), oBar), v) : undefined,
      wanted[3] === true ? toEpsilon(z, zBars.homogeneous, zBars.scaled, lseBar, epsilon) : undefined,
      mask !== undefined && mask.dtype !== 'bool' && wanted[4] === true ? summedTo(zBar, mask) : undefined,
    ];
  };
}

interface Bars {
  readonly o: Value | undefined;
  readonly v: Value;
  readonly weights: Value | undefined;
  readonly h: Value | undefined;
}

/** The part of zBar that comes through functions of z / eps alone: the weights and H. */
function partsOf(
  z: Value,
  pi: Value,
  eps: Value,
  work: WorkType,
  { o, v, weights, h }: Bars,
): { readonly homogeneous: Value | undefined; readonly scaled: Value } {
  const scaled = scaledLogits(z, pi, eps, work);
  const g = total(o === undefined ? undefined : op.matMul(o, swapped(v)), weights);
  const throughPi = g === undefined ? undefined : throughWeights(pi, g, eps);
  const throughH = h === undefined ? undefined : throughEntropy(lastAxis(h), pi, scaled, eps);
  return { homogeneous: total(throughPi, throughH), scaled };
}

function toEpsilon(
  z: Value,
  homogeneous: Value | undefined,
  scaled: Value,
  lseBar: Value | undefined,
  epsilon: Value,
): Value | undefined {
  const fromLse = lseBar === undefined ? undefined : lastAxis(op.mul(lseBar, gibbsEntropy(z, epsilon)));
  const sum = total(homogeneous === undefined ? undefined : epsilonFrom(homogeneous, scaled), fromLse);
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
