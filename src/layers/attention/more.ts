import { as, ints, scalar } from '../../../ops/precision.ts';
import { HopfcoleError } from '../../files/error.ts';
import * as op from '../../graph/op.ts';
import { describeShape } from '../../graph/type.ts';
import type { Value } from '../../graph/value.ts';
import { normal } from '../initial.ts';
import { bothMasks, type Masks, sizeOf, withFreeKeys } from '../masks.ts';
import type { Module } from '../module.ts';
import { type Heads, spread } from './heads.ts';

interface Read {
  readonly key: Value;
  readonly value: Value;
  readonly masks: Masks;
}

interface More {
  readonly appended?: { readonly key: Value; readonly value: Value } | undefined;
  readonly sink?: boolean | Value | undefined;
}

/** Keys, values and masks with the atoms that every query reads at their end: rows of the layer's own, then the sink. */
export function withMore(
  module: Module,
  { key, value }: { readonly key: Value; readonly value: Value },
  masks: Masks,
  heads: Heads,
  { appended, sink = false }: More,
): Read {
  let read: Read = { key, value, masks };
  if (appended !== undefined) {
    const count = appended.key.shape?.[1];
    const more = typeof count === 'number' ? count : 1;
    const longer = (x: Value, rows: Value, dim: number) => {
      const split = spread(rows, heads.shared, dim);
      const shape = op.concat([sizeOf(x, 0), ints(heads.shared, more, dim)], { axis: 0 });
      return op.concat([x, op.expand(split, shape)], { axis: 2 });
    };
    read = {
      key: longer(key, appended.key, heads.dim),
      value: longer(value, appended.value, heads.valueDim),
      masks: withFreeKeys(masks, more, sizeOf(key, 2)),
    };
  }
  return sink === false ? read : withSink(module, read, heads, sink);
}

/** One more atom: a key of zeros whose scaled score is the sink's and whose value is zeros, so it takes weight and gives nothing. */
function withSink(module: Module, { key, value, masks }: Read, { count }: Heads, given: true | Value): Read {
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
