import { toNumbers } from '../../../files/tensor.ts';
import * as op from '../../../graph/op.ts';
import { constantTensor } from '../../../graph/passes/constants.ts';
import type { Value } from '../../../graph/value.ts';
import { int, ints, scalarLike, sizeOf } from '../../pieces.ts';

/** The numbers 0, 1, ... of axis `axis` of x. */
export function places(x: Value, axis: number): Value {
  const size = x.shape?.[axis];
  if (typeof size === 'number') return ints(...Array.from({ length: size }, (_, index) => index));
  return op.range(int(0), op.squeeze(sizeOf(x, axis), ints(0)), int(1));
}

/** All of the conditions; undefined for none. */
export function allOf(conditions: readonly (Value | undefined)[]): Value | undefined {
  return conditions
    .filter((one) => one !== undefined)
    .reduce<Value | undefined>((all, one) => (all === undefined ? one : op.and(all, one)), undefined);
}

/** Where something that is added to scores leaves them a chance; undefined where it is known to everywhere. */
export function leavesChance(bias: Value): Value | undefined {
  const known = constantTensor(bias);
  if (known !== undefined && known.bytes.length <= looked && toNumbers(known).every(Number.isFinite)) return undefined;
  return op.greater(bias, scalarLike(bias, Number.NEGATIVE_INFINITY));
}

/** Constants up to this many bytes are looked at. */
const looked = 1 << 20;

/** A mask whose last axis may be shorter than that of the keys [B, H, K, D], with what lies beyond it left out. */
export function lengthened(mask: Value, keys: Value): Value {
  const [width, length] = [mask.shape?.at(-1), keys.shape?.[2]];
  if (width !== undefined && width === length) return mask;
  const missing = op.sub(sizeOf(keys, 2), op.shape(mask, { start: -1 }));
  const known = typeof width === 'number' && typeof length === 'number' ? ints(length - width) : undefined;
  const pads = op.concat([ints(0), known ?? missing], { axis: 0 });
  if (mask.dtype !== 'bool') return op.pad(mask, pads, scalarLike(mask, Number.NEGATIVE_INFINITY), ints(-1));
  // Padding of booleans fills with false.
  return op.pad(mask, pads, undefined, ints(-1));
}
