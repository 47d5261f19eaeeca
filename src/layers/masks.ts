import { ints, scalar } from '../../ops/precision.ts';
import { HopfcoleError } from '../files/error.ts';
import { differentDims } from '../graph/dim.ts';
import * as op from '../graph/op.ts';
import { type Dim, describeShape } from '../graph/type.ts';
import type { Value } from '../graph/value.ts';
import { type Module, makerOf } from './module.ts';

/** Which keys a causal row reads, in whole numbers of steps (int64 scalars or vectors of one). */
export interface CausalOptions {
  /** How many keys stand before the first query: those of a cache. Default 0. */
  readonly past?: Value | undefined;
  /** Only so many keys back, the query's own counted (sliding_window). */
  readonly window?: number | undefined;
}

/** The size of one axis at run time, [1]. */
export function sizeOf(x: Value, axis: number): Value {
  return op.shape(x, { start: axis, end: axis + 1 });
}

/** 0, 1, .. before `count` [1], int64. */
export function counted(count: Value): Value {
  return op.range(scalar(0, 'int64'), scalarOf(count), scalar(1, 'int64'));
}

/** A scalar of a scalar or of a vector of one. */
export function scalarOf(value: Value): Value {
  return value.shape?.length === 0 ? value : op.squeeze(value);
}

/**
 * The causal mask [time, keys] of booleans, true where key j is read by query i: j <= i + past, and j > i + past - window. Make it once for
 * all layers of a model. `time` and `keys` are sizes, [1] of int64 (`sizeOf`).
 */
export function causalMask(time: Value, keys: Value, { past, window }: CausalOptions = {}): Value {
  const rows = past === undefined ? counted(time) : op.add(counted(time), past);
  const own = op.unsqueeze(rows, ints(1));
  const other = counted(keys);
  const before = op.lessOrEqual(other, own);
  if (window === undefined) return before;
  if (!(Number.isInteger(window) && window > 0))
    throw new HopfcoleError('BAD_ARGUMENT', `expected a window of 1 or more keys, got ${window}`, {
      argument: 'window',
    });
  return op.and(before, op.greater(op.add(other, ints(window)), own));
}

/**
 * A mask of keys [batch, keys] (1 or true: a real token, as the attention_mask of Hugging Face) as the rows of every head take it,
 * [batch, 1, 1, keys] of booleans; one of that shape already is taken as well.
 */
export function keyMaskOf(module: Module, mask: Value, keys: Dim | undefined): Value {
  const rank = module.rank(mask, [2, 4], 'a mask of keys [batch, keys]');
  const bad = rank === 4 && mask.shape?.slice(1, 3).some((dim) => differentDims(dim, 1));
  if (bad || differentDims(mask.shape?.at(-1), keys))
    throw module.misfit(mask, `a mask of keys [batch, ${keys ?? 'keys'}]`);
  const bool = mask.dtype === 'bool' ? mask : op.cast(mask, { to: 'bool' });
  return rank === 4 ? bool : op.unsqueeze(bool, ints(1, 2));
}

/** Keys that are padding, true as in PyTorch's key_padding_mask, or numbers to add, [batch, keys]. */
export function paddingMaskOf(module: Module, mask: Value, keys: Dim | undefined): Masks {
  if (mask.dtype === 'bool') return { allowed: op.not(keyMaskOf(module, mask, keys)) };
  module.rank(mask, [2], 'a mask of keys [batch, keys]');
  if (differentDims(mask.shape?.[1], keys)) throw module.misfit(mask, `a mask of ${keys} keys`);
  return { bias: op.unsqueeze(mask, ints(1, 2)) };
}

/** What the scores of an attention are masked by: who may be read, and what is added before the softmax. */
export interface Masks {
  /** Of booleans, true: read. Broadcasts to [batch, heads, time, keys]. */
  readonly allowed?: Value | undefined;
  /** Of numbers, added to the scaled scores (-inf: not read). */
  readonly bias?: Value | undefined;
}

/** Masks all of which hold. */
export function bothMasks(a: Masks, b: Masks): Masks {
  const together = (x: Value | undefined, y: Value | undefined, join: (x: Value, y: Value) => Value) =>
    x === undefined ? y : y === undefined ? x : join(x, y);
  return {
    allowed: together(a.allowed, b.allowed, (x, y) => op.and(x, y)),
    bias: together(a.bias, b.bias, (x, y) => op.add(x, y)),
  };
}

/**
 * A mask as attention takes it, [time, keys] or [batch or 1, heads or 1, time or 1, keys]: booleans (true: read) or numbers that are added to
 * the scaled scores. @throws SHAPE_MISMATCH, DTYPE_MISMATCH
 */
export function masksOf(
  module: Module,
  mask: Value,
  heads: number,
  time: Dim | undefined,
  keys: Dim | undefined,
): Masks {
  const bool = mask.dtype === 'bool';
  if (!bool && mask.dtype !== undefined && !['float32', 'float64', 'float16', 'bfloat16'].includes(mask.dtype))
    throw new HopfcoleError(
      'DTYPE_MISMATCH',
      `${module.describe()} expects a mask of booleans, or of numbers that are added, but ${makerOf(mask)} gives ${mask.dtype}`,
      { argument: 'mask' },
      'Cast it to bool: true reads a key',
    );
  const { shape } = mask;
  const wanted = `a mask [time, keys] or [batch, heads, time, keys], here ${describeShape(['batch', heads, time, keys])}`;
  const rank = module.rank(mask, [2, 4], wanted);
  const full = [undefined, heads, time, keys].slice(4 - rank);
  if (!shape?.every((dim, axis) => dim === 1 || !differentDims(dim, full[axis]))) throw module.misfit(mask, wanted);
  return bool ? { allowed: mask } : { bias: mask };
}

/** The masks with so many more keys at their end that are always read, after `keys` [1]. */
export function withFreeKeys({ allowed, bias }: Masks, more: number, keys: Value): Masks {
  const longer = (mask: Value, fill: Value) => {
    const rank = mask.shape?.length ?? 2;
    const lead = op.shape(mask, { start: 0, end: rank - 1 });
    const whole = mask.shape?.at(-1) === 1 ? op.expand(mask, op.concat([lead, keys], { axis: 0 })) : mask;
    return op.concat([whole, op.expand(fill, op.concat([lead, ints(more)], { axis: 0 }))], { axis: -1 });
  };
  return {
    allowed: allowed === undefined ? undefined : longer(allowed, op.cast(scalar(1, 'int64'), { to: 'bool' })),
    bias: bias === undefined ? undefined : longer(bias, op.cast(scalar(0), { to: bias.dtype ?? 'float32' })),
  };
}
