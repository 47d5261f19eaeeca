import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast, scalarValue } from '../lower/call.ts';
import type { Scalar, Size } from '../lower/item.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { rankOf, vectorOf } from '../lower/sizes.ts';
import { workable } from './kernels.ts';

const modes = { constant: 'constant', reflect: 'reflect', replicate: 'edge', circular: 'wrap' } as const;

/** PyTorch lists the sides from the last axis on, both of an axis together; ONNX has all beginnings first. */
function padsOf(x: Value, given: readonly Size[]): Size[] {
  const before = new Array<Size>(rankOf(x)).fill(0);
  const after = [...before];
  for (let index = 0; index * 2 < given.length; index++) {
    const axis = rankOf(x) - 1 - index;
    before[axis] = given[index * 2] ?? 0;
    after[axis] = given[index * 2 + 1] ?? 0;
  }
  return [...before, ...after];
}

function padded(call: Call, name: string, mode: string, value: Scalar = 0): Value {
  const x = call.tensor('self');
  const pads = padsOf(x, call.sizes(name));
  if (pads.every((pad) => pad === 0)) return x;
  const dtype = x.dtype === 'bool' ? 'bool' : workable(x.dtype ?? 'float32');
  const wide = cast(x, dtype);
  const filler = mode === 'constant' && value !== 0 ? scalarValue(value, dtype) : undefined;
  return mode === 'constant'
    ? op.pad(wide, vectorOf(pads), filler, undefined, {})
    : op.pad(outerAxesAlone(call, wide, pads), vectorOf(pads), undefined, undefined, { mode });
}

/** Negative sides cut off; what mirrors or repeats would take from what is cut. */
function outerAxesAlone(call: Call, x: Value, pads: readonly Size[]): Value {
  if (pads.some((pad) => typeof pad === 'number' && pad < 0))
    throw call.unsupported('negative padding that is not constant');
  return x;
}

const byName: Lowering = (call) => {
  const mode = call.text('mode', 'constant');
  if (!Object.hasOwn(modes, mode)) throw call.unsupported(`mode='${mode}'`);
  const value = call.has('value') ? call.scalar('value') : 0;
  return padded(call, 'pad', modes[mode as keyof typeof modes], value);
};

const inMode =
  (mode: string): Lowering =>
  (call) =>
    padded(call, 'padding', mode);

export const padRules: Rules = {
  'aten.pad.default': byName,
  'aten._pad_circular.default': (call) => padded(call, 'pad', 'wrap'),
  'aten.constant_pad_nd.default': (call) => padded(call, 'pad', 'constant', call.scalar('value', 0)),
  ...Object.fromEntries([1, 2, 3].map((count) => [`aten.reflection_pad${count}d.default`, inMode('reflect')])),
  ...Object.fromEntries([1, 2, 3].map((count) => [`aten.replication_pad${count}d.default`, inMode('edge')])),
};
