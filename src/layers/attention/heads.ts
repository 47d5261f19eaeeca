import { ints } from '../../../ops/precision.ts';
import { HopfcoleError } from '../../files/error.ts';
import { differentDims } from '../../graph/dim.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Module, makerOf } from '../module.ts';

/**
 * The heads of one attention. Where several heads of queries share one of keys, but not all one, they stand on an axis of their own,
 * [batch, shared, group, time, d], so that MatMul broadcasts keys and values and nothing is copied.
 */
export interface Heads {
  readonly count: number;
  /** Heads of keys and values. */
  readonly shared: number;
  readonly grouped: boolean;
  readonly dim: number;
  readonly valueDim: number;
  /** Queries [batch, time, heads * d] as the operator takes them. */
  readonly split: (query: Value) => Value;
  /** Keys or values [batch, shared, keys, d] as the operator takes them. */
  readonly shareOut: (x: Value) => Value;
  /** What broadcasts to [batch, heads, time, keys] as the operator takes it. */
  readonly group: (mask: Value) => Value;
}

interface Counts {
  readonly heads: number;
  readonly keyValueHeads?: number | undefined;
}

/** The heads of q, k and v. @throws SHAPE_MISMATCH naming both layers, BAD_ARGUMENT where heads do not divide. */
export function headsOf(module: Module, q: Value, k: Value, v: Value, { heads, keyValueHeads }: Counts): Heads {
  const shared = keyValueHeads ?? heads;
  for (const [field, count] of Object.entries({ heads, keyValueHeads: shared }))
    if (!(Number.isInteger(count) && count > 0))
      throw new HopfcoleError('BAD_ARGUMENT', `${module.describe()} expects "${field}" of 1 or more, got ${count}`, {
        argument: field,
      });
  if (heads % shared !== 0)
    throw new HopfcoleError(
      'BAD_ARGUMENT',
      `${module.describe()} shares ${shared} heads of keys among ${heads} heads of queries`,
      { argument: 'keyValueHeads' },
      '"heads" must be a multiple of "keyValueHeads"',
    );
  for (const x of [q, k, v]) module.rank(x, [3], '[batch, time, features]');
  for (const x of [q, k, v]) if (x.shape?.[1] === 0) throw module.misfit(x, 'a sequence of at least one step');
  const dim = perHead(module, q, heads, 'heads');
  const keyDim = perHead(module, k, shared, 'keyValueHeads');
  if (dim !== keyDim)
    throw new HopfcoleError(
      'SHAPE_MISMATCH',
      `${module.describe()} has ${heads} heads of queries of ${dim} features, but ${shared} heads of keys of ${keyDim}: ${makerOf(q)} gives ${heads * dim}, ${makerOf(k)} ${shared * keyDim}`,
      { argument: 'k' },
      'Change "keyValueHeads" or the layer before',
    );
  if (differentDims(k.shape?.[1], v.shape?.[1])) throw module.misfit(v, `as many values as keys, ${k.shape?.[1]}`);
  const batches = [q, k, v].map(({ shape }) => shape?.[0]).filter((size) => size !== 1);
  if (batches.some((size) => differentDims(size, batches[0]))) throw module.misfit(k, `a batch of ${q.shape?.[0]}`);
  const grouped = shared > 1 && shared < heads;
  const group = heads / shared;
  return {
    count: heads,
    shared,
    grouped,
    dim,
    valueDim: perHead(module, v, shared, 'keyValueHeads'),
    split: (query) =>
      grouped
        ? op.transpose(op.reshape(query, ints(0, 0, shared, group, dim)), { perm: [0, 2, 3, 1, 4] })
        : spread(query, heads, dim),
    shareOut: (x) => (grouped ? op.unsqueeze(x, ints(2)) : x),
    group: (mask) => (grouped ? groupedMask(mask, shared, group) : mask),
  };
}

function perHead(module: Module, x: Value, heads: number, field: string): number {
  const features = module.features(x, undefined, 'features');
  if (features % heads === 0) return features / heads;
  throw new HopfcoleError(
    'SHAPE_MISMATCH',
    `${module.describe()} divides ${features} features of ${makerOf(x)} among ${heads} heads`,
    { argument: field },
    `Their number must be a multiple of "${field}"`,
  );
}

function groupedMask(mask: Value, shared: number, group: number): Value {
  const { shape = [] } = mask;
  if (shape.length < 3) return mask;
  const axis = shape.length - 3;
  if (shape[axis] === 1) return op.unsqueeze(mask, ints(axis));
  return op.reshape(mask, axes(mask, 0, axis, [shared, group], axis + 1, shape.length), { allowzero: true });
}

/** The axes [from, to) of x, those given, and the axes [next, end) of x: a shape in which 0 is 0, since ONNX Runtime else makes it one with an axis to be guessed, which an empty batch forbids. */
function axes(x: Value, from: number, to: number, between: readonly number[], next: number, end: number): Value {
  const parts = [ints(...between), op.shape(x, { start: next, end })];
  return op.concat(from === to ? parts : [op.shape(x, { start: from, end: to }), ...parts], { axis: 0 });
}

/** [batch, time, heads * d] -> [batch, heads, time, d] */
export function spread(x: Value, heads: number, dim: number): Value {
  return op.transpose(op.reshape(x, ints(0, 0, heads, dim)), { perm: [0, 2, 1, 3] });
}

/**
 * The same for keys that nothing else reads: turned first, [batch, heads * d, time], which is one fast transposition, so that the operator's own one
 * comes to nothing once its body stands in its place.
 */
export function spreadKeys(x: Value, heads: number, dim: number): Value {
  const turned = op.transpose(x, { perm: [0, 2, 1] });
  const shape = [op.shape(x, { start: 0, end: 1 }), ints(heads, dim), op.shape(x, { start: 1, end: 2 })];
  const split = op.reshape(turned, op.concat(shape, { axis: 0 }), { allowzero: true });
  return op.transpose(split, { perm: [0, 1, 3, 2] });
}

/** What the operator gives, [batch, heads (or shared, group), time, v] -> [batch, time, heads * v] */
export function joined(o: Value, { count, valueDim, grouped }: Heads): Value {
  const turned = op.transpose(o, { perm: grouped ? [0, 3, 1, 2, 4] : [0, 2, 1, 3] });
  return op.reshape(turned, ints(0, 0, count * valueDim));
}

/** [batch, heads (or shared, group), ..] -> [batch, heads, ..] with `last` axes behind. */
export function rowsJoined(x: Value, { count, grouped }: Heads, last: number): Value {
  return grouped ? op.reshape(x, axes(x, 0, 1, [count], 3, 3 + last), { allowzero: true }) : x;
}
