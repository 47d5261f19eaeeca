import { HopfcoleError } from '../src/files/error.ts';
import { toNumbers } from '../src/files/tensor.ts';
import type { CostateRule } from '../src/graph/costate.ts';
import * as op from '../src/graph/op.ts';
import { type Dim, tensorType } from '../src/graph/type.ts';
import type { Value } from '../src/graph/value.ts';
import { type Atoms, atomsOf, type Blocks, boundsPart, type FormOptions } from './atoms.ts';
import { attributionState, attributionUnion, denseAttribution } from './attribution-body.ts';
import { attributionCostate } from './attribution-costate.ts';
import { callForm, constructing, type Form, nth, typePart } from './define.ts';
import { expectPositiveScalar } from './epsilon.ts';
import { at, average, gibbsRow, logitsRow, type Matrix, type Vector } from './float64.ts';
import { expectMask, type MaskKind, maskColumns, maskInput, maskKind } from './mask.ts';
import { as, commonType, type FloatType, ints, scalar, type WorkType, widened, workType } from './precision.ts';
import { expectScalar } from './shapes.ts';
import { unknown } from './solution.ts';
import { positive, reciprocal } from './stable.ts';

export interface AttributionOptions extends FormOptions {
  /** Of booleans (true keeps an atom) or of numbers added to the logits; broadcasts to [B, N]. */
  readonly mask?: Value | undefined;
}

export interface AttributionValues {
  /** [B] */
  readonly f: Value;
  /** [B, d] */
  readonly costate: Value;
  /** [B], nats */
  readonly entropy: Value;
  /** The largest pi of each row, [B, k], falling; and whose they are, [B, k] int64. */
  readonly weights: Value;
  readonly indices: Value;
  /** F of all atoms but the first of `indices`, [B]: leave-one-out that stays right where pi rounds to 1. */
  readonly rest: Value;
  /** The largest logit, [B] */
  readonly top: Value;
}

export const attributionOutputs = ['F', 'P', 'H', 'weights', 'indices', 'F_rest', 'top'] as const;

/**
 * Attribution: X [B, d], W [N, d], b [N], epsilon, k (int64, one number; more than N means N) -> F, P, H, the k largest weights and their
 * indices, F_rest and the top logit, in one pass over the atoms (theory.md 2.1, 2.3, 2.7, 2.8).
 * Without the top atom the value is F_rest; without atom j of the others F + epsilon log1p(-pi_j).
 * @throws DTYPE_MISMATCH, SHAPE_MISMATCH, EMPTY_ATOMS, BAD_EPSILON, BAD_FORM, BAD_COUNT
 */
export function attribution(
  x: Value,
  w: Blocks,
  b: Blocks,
  epsilon: Value,
  k: Value,
  options: AttributionOptions = {},
): AttributionValues {
  return constructing('Attribution', attribution, () => {
    const { mask } = options;
    const atoms = atomsOf(x, w, b, 'attribution', options);
    expectKnownForm(atoms, mask);
    expectPositiveScalar('epsilon', epsilon);
    const count = expectCount(k);
    const kind = maskKind(mask);
    const dtype = commonType({
      X: x,
      ...Object.fromEntries(atoms.w.map((value, index) => [`W${index || ''}`, value])),
      ...Object.fromEntries(atoms.b.map((value, index) => [`b${index || ''}`, value])),
      ...(kind === 'biased' ? { mask } : {}),
    });
    const form = formOf({
      dtype,
      mask: kind,
      bounds: atoms.form === 'blocked' ? atoms.bounds : [],
      blocks: atoms.w.length,
    });
    const inputs = [x, ...atoms.w, ...atoms.b, epsilon, k, ...(mask === undefined ? [] : [mask])];
    const outputs = callForm(form, inputs, typesOf(dtype, atoms, count), atoms.metadata);
    const [f, costate, entropy, weights, indices, rest, top] = [0, 1, 2, 3, 4, 5, 6].map((index) =>
      nth(outputs, index),
    );
    return { f, costate, entropy, weights, indices, rest, top } as AttributionValues;
  });
}

/** Indices travel with the states as numbers: float32 holds integers up to here. */
const largestIndex = 2 ** 24;

function expectKnownForm({ form, arrangement, bounds, dims }: Atoms, mask: Value | undefined): void {
  if (form === 'streamed' || arrangement === 'bank' || bounds.some(Number.isNaN))
    throw new HopfcoleError(
      'BAD_FORM',
      `Attribution goes over one set of atoms, dense or in blocks of known size; got ${arrangement === 'bank' ? 'a bank' : 'a stream'}`,
      { argument: 'W' },
      arrangement === 'bank' ? 'Call it once per head' : 'Give the blocks as a list, or merge shards by MergeSolutions',
    );
  const count = form === 'blocked' ? bounds.at(-1) : dims.of('N');
  if (form === 'blocked' && typeof count === 'number' && count > largestIndex)
    throw new HopfcoleError(
      'BAD_FORM',
      `Attribution in blocks counts up to ${largestIndex} atoms, got ${count}`,
      { argument: 'W' },
      'Attribute shards of them and merge by MergeSolutions',
    );
  expectMask(mask, [dims.of('B'), count], form === 'blocked');
}

/** k: the number where it is a constant. */
export function expectCount(k: Value): number | undefined {
  if (k.dtype !== undefined && k.dtype !== 'int64')
    throw new HopfcoleError('DTYPE_MISMATCH', `expected int64 for 'k', got ${k.dtype}`, { argument: 'k' });
  expectScalar('k', k);
  if (k.source.kind !== 'constant') return undefined;
  const [count = 0] = toNumbers(k.source.tensor);
  if (count >= 1) return count;
  throw new HopfcoleError('BAD_COUNT', `expected 'k' of at least 1, got ${count}`, { argument: 'k' });
}

function typesOf(
  dtype: FloatType,
  { dims, form, bounds }: Atoms,
  count: number | undefined,
): ReturnType<typeof tensorType>[] {
  const rows = dims.of('B');
  const atoms: Dim = form === 'blocked' ? bounds.at(-1) : dims.of('N');
  const kept = count === undefined || typeof atoms !== 'number' ? undefined : Math.min(count, atoms);
  return [
    tensorType(dtype, [rows]),
    tensorType(dtype, [rows, dims.of('d')]),
    tensorType(dtype, [rows]),
    tensorType(dtype, [rows, kept]),
    tensorType('int64', [rows, kept]),
    tensorType(dtype, [rows]),
    tensorType(dtype, [rows]),
  ];
}

interface AttributionForm {
  readonly dtype: FloatType;
  readonly mask: MaskKind;
  /** Where blocks begin, and where the last ends; none where the form is dense. */
  readonly bounds: readonly number[];
  readonly blocks: number;
}

function formOf(form: AttributionForm): Form {
  const { dtype, mask, bounds, blocks } = form;
  const dense = bounds.length === 0;
  const names = (letter: string): string[] =>
    dense ? [letter] : Array.from({ length: blocks }, (_, index) => `${letter}${index}`);
  return {
    name: 'Attribution',
    parts: [dense ? '' : `blocks${blocks}_${boundsPart(bounds)}`, mask, typePart(dtype)],
    inputs: [
      ['X', unknown(dtype, 2)],
      ...names('W').map((name) => [name, unknown(dtype, 2)] as const),
      ...names('b').map((name) => [name, unknown(dtype, 1)] as const),
      ['epsilon', tensorType('float32')],
      ['k', tensorType('int64')],
      ...maskInput(mask, dtype),
    ],
    outputs: attributionOutputs,
    doc: 'F, its gradient P, entropy H, the k largest Gibbs weights with indices, F without the top atom, and the top logit.',
    body: (inputs) => body(form, inputs),
    costate: ruleOf(form),
  };
}

function body({ dtype, bounds, blocks }: AttributionForm, [x, ...others]: readonly Value[]): readonly Value[] {
  const w = others.slice(0, blocks);
  const b = others.slice(blocks, 2 * blocks);
  const [epsilon, k, mask] = others.slice(2 * blocks);
  const [first] = w;
  const [bias] = b;
  if (x === undefined || first === undefined || bias === undefined || epsilon === undefined || k === undefined)
    return [];
  const work = workType(dtype);
  const eps = positive(epsilon, work);
  const { rows, wide } = neverEmpty(widened(x), work);
  const lowered = (values: readonly Value[]): Value[] =>
    values.map((value, index) => {
      const kept = op.slice(value, ints(0), rows, ints(0));
      return index === 4 ? kept : as(kept, dtype);
    });
  if (bounds.length === 0) return lowered(denseAttribution(wide, first, bias, mask, eps, k, work));
  const inverse = reciprocal(eps, work);
  const states = w.map((block, index) => {
    const from = bounds[index] ?? 0;
    const to = bounds[index + 1] ?? from;
    const columns = mask === undefined ? undefined : maskColumns(mask, from, to);
    return attributionState(wide, block, b[index] ?? bias, columns, inverse, k, [from, bounds.at(-1) ?? 0], work);
  });
  return lowered(attributionUnion(states, bounds.at(-1) ?? 0, eps, k, work));
}

/** X with a row of zeros where it has none: ONNX Runtime's CPU TopK divides by zero on an empty batch. `rows` is what it had. */
function neverEmpty(x: Value, work: WorkType): { readonly rows: Value; readonly wide: Value } {
  const rows = op.shape(x, { end: 1 });
  const missing = op.max([op.sub(ints(1), rows), ints(0)]);
  const zeros = op.expand(scalar(0, work), op.concat([missing, op.shape(x, { start: 1 })], { axis: 0 }));
  return { rows, wide: op.concat([x, zeros], { axis: 0 }) };
}

function ruleOf({ blocks }: AttributionForm): CostateRule {
  return (node, cotangents, wanted) => attributionCostate(node, cotangents, wanted, blocks);
}

/** The float64 reference: one row. */
export function attributionReference(
  x: Vector,
  w: Matrix,
  b: Vector,
  epsilon: number,
  k: number,
): {
  readonly f: number;
  readonly costate: Float64Array;
  readonly entropy: number;
  readonly weights: readonly number[];
  readonly indices: readonly number[];
  readonly rest: number;
  readonly top: number;
} {
  const z = logitsRow(x, w, b);
  const { f, weights, entropy, max } = gibbsRow(z, epsilon);
  const order = Array.from(z, (_, j) => j).sort((i, j) => at(z, j) - at(z, i) || i - j);
  const indices = order.slice(0, k);
  const others = z.filter((_, j) => j !== order[0]);
  return {
    f,
    costate: average(weights, w),
    entropy,
    weights: indices.map((j) => at(weights, j)),
    indices,
    rest: gibbsRow(others, epsilon).f,
    top: max,
  };
}
