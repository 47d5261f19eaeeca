import { as, ints, scalar } from '../../../ops/precision.ts';
import { HopfcoleError } from '../../files/error.ts';
import * as op from '../../graph/op.ts';
import { describeShape } from '../../graph/type.ts';
import type { Value } from '../../graph/value.ts';
import { normal } from '../initial.ts';
import { bothMasks, type Masks, sizeOf, withFreeKeys } from '../masks.ts';
import type { Module } from '../module.ts';
import type { AttentionCache } from './attend.ts';
import type { Heads } from './heads.ts';

/**
 * Keys, values and masks with one more atom: a key of zeros whose scaled score is the sink's and whose value is zeros, so it takes weight
 * and gives nothing.
 */
export function withSink(
  module: Module,
  { key, value }: AttentionCache,
  masks: Masks,
  { count }: Heads,
  given: boolean | Value | undefined,
): AttentionCache & { readonly masks: Masks } {
  if (given === undefined || given === false) return { key, value, masks };
  const sink = given === true ? module.parameter('sinks', [count], normal(0.02)) : given;
  if (sink.shape?.length !== 1 || (typeof sink.shape[0] === 'number' && sink.shape[0] !== count))
    throw new HopfcoleError(
      'SHAPE_MISMATCH',
      `${module.describe()} expects a sink [${count}], one score per head, got ${describeShape(sink.shape)}`,
      { argument: 'sink' },
    );
  const none = op.expand(as(scalar(0), module.dtype), op.concat([ints(count, 1), sizeOf(key, 2)], { axis: 0 }));
  const scores = op.concat([none, op.reshape(sink, ints(count, 1, 1))], { axis: -1 });
  return {
    key: withZeros(key),
    value: withZeros(value),
    masks: bothMasks(withFreeKeys(masks, 1, sizeOf(key, 2)), { bias: scores }),
  };
}

/** One more row of zeros at the end of axis 2. */
function withZeros(x: Value): Value {
  return op.pad(x, ints(0, 0, 0, 0, 0, 0, 1, 0));
}
