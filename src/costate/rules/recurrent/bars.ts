import * as op from '../../../graph/op.ts';
import type { Value } from '../../../graph/value.ts';
import { type Rule, type RuleCall, rule } from '../../call.ts';
import { balancedSum, cast, ints } from '../../pieces.ts';
import { type Activation, activationsOf } from './activations.ts';
import { at, rowsOf, type Track, tracksOf } from './track.ts';

/** What one direction passes back. */
export interface TrackBars {
  /** [T, B, I] */
  readonly x?: Value | undefined;
  /** [G H, I] and [G H, H] */
  readonly w?: Value | undefined;
  readonly r?: Value | undefined;
  /** [1, 2 G H] */
  readonly b?: Value | undefined;
  /** [B, H] */
  readonly h0?: Value | undefined;
  readonly c0?: Value | undefined;
  /** [1, 3 H] */
  readonly p?: Value | undefined;
}

/** The rule of a recurrent operator by that of one direction; `defaults` are the activations of its gates. */
export function recurrentRule(
  says: string,
  defaults: readonly string[],
  ofTrack: (track: Track, call: RuleCall, activations: readonly Activation[]) => TrackBars,
): Rule {
  return rule(
    says,
    (call) => {
      if (call.int('layout', 0) !== 0) throw call.unsupported('layout 1, which is to be rewritten first');
      const tracks = tracksOf(call);
      const activations = activationsOf(call, tracks.length, defaults);
      const bars = tracks.map((track, index) => ofTrack(track, call, activations[index] ?? []));
      const stacked = (name: keyof TrackBars, flat = false): Value | undefined => {
        const parts = bars.flatMap((bar) => bar[name] ?? []);
        const whole = flat ? parts : parts.map((part) => op.unsqueeze(part, ints(0)));
        return whole.length < 2 ? whole[0] : op.concat(whole, { axis: 0 });
      };
      const to = (index: number, make: () => Value | undefined): Value | undefined =>
        call.to(index, () => {
          const bar = make();
          return bar === undefined ? undefined : cast(bar, call.x(index).dtype ?? 'float32');
        });
      return [
        to(at.x, () => balancedSum(bars.flatMap(({ x }) => x ?? []))),
        to(at.w, () => stacked('w')),
        to(at.r, () => stacked('r')),
        to(at.b, () => stacked('b', true)),
        undefined,
        to(at.h0, () => stacked('h0')),
        to(at.c0, () => stacked('c0')),
        to(at.p, () => stacked('p', true)),
      ];
    },
    {
      note: 'every attribute, layout 1 too; Y and the states as ONNX Runtime gives them: zeros for an empty sequence, Affine, ScaledTanh and ThresholdedRelu with alpha and beta 0 where none are given; half precision is computed in float32',
    },
  );
}

/** To X and W by the co-state of what X makes, [T, B, G H]. */
export function inputBars(track: Track, call: RuleCall, bar: Value): TrackBars {
  return {
    x: call.to(at.x, () => op.matMul(bar, track.w)),
    w: call.to(at.w, () => op.gemm(rowsOf(bar, bar.shape?.[2]), track.xRows, undefined, { transA: 1 })),
  };
}

/** To X, W, R and B by the co-state of all gates before their activations, [T, B, G H]; `found` is h before each step, [T B, H]. */
export function gateBars(track: Track, call: RuleCall, bar: Value, found: Value): TrackBars {
  const rows = rowsOf(bar, bar.shape?.[2]);
  return {
    ...inputBars(track, call, bar),
    r: call.to(at.r, () => op.gemm(rows, found, undefined, { transA: 1 })),
    b: call.to(at.b, () => {
      const sum = summedRows(rows);
      return op.concat([sum, sum], { axis: 1 });
    }),
  };
}

/** [n, m] as [1, m]. */
export function summedRows(rows: Value): Value {
  return op.reduceSum(rows, ints(0), { keepdims: 1 });
}
