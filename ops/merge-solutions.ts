import type { CostateRule } from '../src/graph/costate.ts';
import * as op from '../src/graph/op.ts';
import { tensorType } from '../src/graph/type.ts';
import type { Value } from '../src/graph/value.ts';
import { type AttributionValues, attributionOutputs, expectCount } from './attribution.ts';
import { callForm, constructing, type Form, nth, typePart } from './define.ts';
import { expectPositiveScalar } from './epsilon.ts';
import { at, gibbsRow } from './float64.ts';
import { mergeCostate } from './merge-costate.ts';
import { as, commonType, type FloatType, ints, scalar, type WorkType, widened, workType } from './precision.ts';
import { clampedCount, lastSize } from './ranking.ts';
import { Dimensions, expectAtoms } from './shapes.ts';
import { unknown } from './solution.ts';
import { divisor, finite, positive } from './stable.ts';

/**
 * MergeSolutions: the outputs of Attribution for S shards of the atoms, stacked (F [S, B], P [S, B, d], H [S, B], weights and indices
 * [S, B, k], F_rest [S, B], top [S, B]), offsets [S] (int64, what to add to a shard's indices), epsilon, k -> the same of the union
 * (theory.md 2.6, 2.7). Exact, associative and commutative; shards of no atoms (F = -inf) add nothing.
 * @throws DTYPE_MISMATCH, SHAPE_MISMATCH, EMPTY_ATOMS, BAD_EPSILON, BAD_COUNT
 */
export function mergeSolutions(shards: AttributionValues, offsets: Value, epsilon: Value, k: Value): AttributionValues {
  return constructing('MergeSolutions', mergeSolutions, () => {
    const { f, costate: p, entropy, weights, indices, rest, top } = shards;
    const dims = new Dimensions();
    dims.fit('F', f, 'S', 'B');
    dims.fit('P', p, 'S', 'B', 'd');
    dims.fit('H', entropy, 'S', 'B');
    dims.fit('weights', weights, 'S', 'B', 'k');
    dims.fit('indices', indices, 'S', 'B', 'k');
    dims.fit('F_rest', rest, 'S', 'B');
    dims.fit('top', top, 'S', 'B');
    dims.fit('offsets', offsets, 'S');
    expectAtoms('F', dims.of('S'));
    expectPositiveScalar('epsilon', epsilon);
    const count = expectCount(k);
    const dtype = commonType({ F: f, P: p, H: entropy, weights, F_rest: rest, top });
    const [rows, shardCount, kept] = [dims.of('B'), dims.of('S'), dims.of('k')];
    const candidates = typeof shardCount === 'number' && typeof kept === 'number' ? shardCount * kept : undefined;
    const width = count === undefined || candidates === undefined ? undefined : Math.min(count, candidates);
    const perRow = tensorType(dtype, [rows]);
    const types = [
      perRow,
      tensorType(dtype, [rows, dims.of('d')]),
      perRow,
      tensorType(dtype, [rows, width]),
      tensorType('int64', [rows, width]),
      perRow,
      perRow,
    ];
    const outputs = callForm(form(dtype), [f, p, entropy, weights, indices, rest, top, offsets, epsilon, k], types);
    return {
      f: nth(outputs, 0),
      costate: nth(outputs, 1),
      entropy: nth(outputs, 2),
      weights: nth(outputs, 3),
      indices: nth(outputs, 4),
      rest: nth(outputs, 5),
      top: nth(outputs, 6),
    };
  });
}

function form(dtype: FloatType): Form {
  return {
    name: 'MergeSolutions',
    parts: [typePart(dtype)],
    inputs: [
      ['F', unknown(dtype, 2)],
      ['P', unknown(dtype, 3)],
      ['H', unknown(dtype, 2)],
      ['weights', unknown(dtype, 3)],
      ['indices', unknown('int64', 3)],
      ['F_rest', unknown(dtype, 2)],
      ['top', unknown(dtype, 2)],
      ['offsets', unknown('int64', 1)],
      ['epsilon', tensorType('float32')],
      ['k', tensorType('int64')],
    ],
    outputs: attributionOutputs.map((name) => `union_${name}`),
    doc: 'F, P, H, the k largest weights with their indices, F without the top atom, and the top logit, of the union of shards of atoms.',
    body: (inputs) => body(dtype, inputs),
    costate,
  };
}

// Looked up when it is called: that file imports this one.
const costate: CostateRule = (call, bars, wanted) => mergeCostate(call, bars, wanted);

function body(dtype: FloatType, inputs: readonly Value[]): readonly Value[] {
  const [f, p, h, weights, indices, rest, top, offsets, epsilon, k] = inputs;
  if (f === undefined || p === undefined || h === undefined || weights === undefined || indices === undefined)
    return [];
  if (rest === undefined || top === undefined || offsets === undefined || epsilon === undefined || k === undefined)
    return [];
  const work = workType(dtype);
  const eps = positive(epsilon, work);
  const shares = sharesOf(widened(f), eps, work);
  const column = op.unsqueeze(shares.w, ints(-1));
  const zero = scalar(0, work);
  const mixed = op.where(op.greater(shares.w, zero), op.mul(shares.w, op.sub(widened(h), shares.scaled)), zero);
  const candidates = byRow(op.mul(column, widened(weights)));
  const best = op.topK(candidates, clampedCount(k, lastSize(candidates)));
  const moved = byRow(op.add(indices, op.unsqueeze(offsets, ints(1, 2))));
  const highest = widened(top);
  const others = withoutTop(widened(f), widened(rest), highest);
  const union = [
    shares.f,
    op.reduceSum(op.mul(column, widened(p)), ints(0), { keepdims: 0 }),
    op.add(op.reduceSum(mixed, ints(0), { keepdims: 0 }), op.log(shares.safe)),
    best[0],
    op.gatherElements(moved, best[1], { axis: 1 }),
    sharesOf(others, eps, work).f,
    op.reduceMax(highest, ints(0), { keepdims: 0 }),
  ];
  return union.map((value, index) => (index === 4 ? value : as(value, dtype)));
}

/** The Gibbs measure over shards [S, B] with logits F. */
function sharesOf(f: Value, eps: Value, work: WorkType): { f: Value; w: Value; scaled: Value; safe: Value } {
  const max = finite(op.reduceMax(f, ints(0)), work);
  const scaled = op.div(op.sub(f, max), eps);
  const exp = op.exp(scaled);
  const sum = op.reduceSum(exp, ints(0), { keepdims: 0 });
  const safe = divisor(sum, work);
  const value = op.add(op.squeeze(max, ints(0)), op.mul(eps, op.log(sum)));
  return { f: value, w: op.div(exp, safe), scaled, safe };
}

/** F of each shard, of the one that holds the top atom without it. */
export function withoutTop(f: Value, rest: Value, top: Value): Value {
  return op.where(holdsTop(top), rest, f);
}

/** [S, B]: whether a shard is the first with the largest logit. */
export function holdsTop(top: Value): Value {
  const first = op.argMax(top, { axis: 0, keepdims: 1 });
  const shards = op.range(
    scalar(0, 'int64'),
    op.squeeze(op.slice(op.shape(top), ints(0), ints(1)), ints(0)),
    scalar(1, 'int64'),
  );
  return op.equal(op.unsqueeze(shards, ints(1)), first);
}

/** [S, B, k] as [B, S k]. */
export function byRow(value: Value): Value {
  const swapped = op.transpose(value, { perm: [1, 0, 2] });
  const shape = op.shape(swapped);
  const rest = op.reduceProd(op.slice(shape, ints(1), ints(3)), undefined, { keepdims: 1 });
  const target = op.concat([op.slice(shape, ints(0), ints(1)), rest], { axis: 0 });
  return op.reshape(swapped, target, { allowzero: 1 });
}

/** What the float64 reference takes and gives, for one row. */
export interface ShardRow {
  readonly f: number;
  readonly costate: ArrayLike<number>;
  readonly entropy: number;
  readonly weights: readonly number[];
  readonly indices: readonly number[];
  readonly rest: number;
  readonly top: number;
}

/** The float64 reference: one row. */
export function mergeSolutionsReference(
  shards: readonly ShardRow[],
  offsets: readonly number[],
  epsilon: number,
  k: number,
): ShardRow {
  const whole = gibbsRow(
    shards.map(({ f }) => f),
    epsilon,
  );
  const w = (s: number): number => at(whole.weights, s);
  const best = shards
    .flatMap(({ weights, indices }, s) =>
      weights.map((weight, i) => ({ weight: w(s) * weight, index: at(indices, i) + at(offsets, s) })),
    )
    .sort((a, b) => b.weight - a.weight)
    .slice(0, k);
  const top = Math.max(...shards.map((shard) => shard.top));
  const holder = shards.findIndex((shard) => shard.top === top);
  return {
    f: whole.f,
    costate: Float64Array.from(shards[0]?.costate ?? [], (_, i) =>
      shards.reduce((sum, shard, s) => sum + w(s) * at(shard.costate, i), 0),
    ),
    entropy: shards.reduce((sum, shard, s) => sum + w(s) * shard.entropy, whole.entropy),
    weights: best.map(({ weight }) => weight),
    indices: best.map(({ index }) => index),
    rest: gibbsRow(
      shards.map(({ f, rest }, s) => (s === holder ? rest : f)),
      epsilon,
    ).f,
    top,
  };
}
