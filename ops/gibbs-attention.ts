import { HopfcoleError } from '../src/files/error.ts';
import { broadcastDims, differentDims } from '../src/graph/dim.ts';
import { type Dim, describeShape, type Shape, tensorType } from '../src/graph/type.ts';
import type { Value } from '../src/graph/value.ts';
import { type AttentionOutput, attentionBody, attentionOutputs } from './attention-body.ts';
import { attentionCostate } from './attention-costate.ts';
import { callForm, constructing, type Form, nth, typePart } from './define.ts';
import { expectEpsilon } from './epsilon.ts';
import { average, dot, gibbsRow, type Matrix, type Vector } from './float64.ts';
import { expectMask, type MaskKind, maskInput, maskKind } from './mask.ts';
import { commonType, type FloatType } from './precision.ts';
import { expectAtoms } from './shapes.ts';
import { unknown } from './solution.ts';

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
    const outputs = call(q, k, v, epsilon, { mask: options.mask }, attentionOutputs);
    return { output: nth(outputs, 0), weights: nth(outputs, 1), entropy: nth(outputs, 2), logSumExp: nth(outputs, 3) };
  });
}

function call(
  q: Value,
  k: Value,
  v: Value,
  epsilon: Value,
  { mask, whole = false }: AttentionOptions,
  outputs: readonly AttentionOutput[],
): readonly Value[] {
  const kind = maskKind(mask);
  const dtype = commonType({ Q: q, K: k, V: v, ...(kind === 'biased' ? { mask } : {}) });
  expectEpsilon(epsilon);
  const rows = scoresShape(q, k, v);
  expectAtoms('K', rows?.at(-1));
  if (rows !== undefined) expectMask(mask, rows);
  const byRow = rows?.slice(0, -1);
  const shapes: Record<AttentionOutput, Shape> = {
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

function form(
  dtype: FloatType,
  mask: MaskKind,
  outputs: readonly AttentionOutput[],
  rank: number,
  whole: boolean,
): Form {
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
    body: (inputs) => attentionBody(dtype, outputs, inputs, whole),
    costate: attentionCostate(outputs),
  };
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
