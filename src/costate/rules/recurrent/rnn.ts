import * as op from '../../../graph/op.ts';
import type { Value } from '../../../graph/value.ts';
import type { RuleCall } from '../../call.ts';
import { expandTo } from '../../pieces.ts';
import { type Activation, activated, clipOf } from './activations.ts';
import { gateBars, type TrackBars } from './bars.ts';
import { keeping, lastBar, masked, previous, rowsOf, scanSteps, stepsOf, type Track } from './track.ts';

export function rnn(track: Track, call: RuleCall, [f]: readonly Activation[]): TrackBars {
  const found = rowsOf(previous(track, track.y, track.h0), track.hidden);
  const given = slopes(track, f as Activation, clipOf(call), found);
  const sequences = {
    slope: masked(track, given),
    next: track.yBar === undefined ? undefined : previous(track, track.yBar),
    keep: keeping(track),
  };
  const [h0, bar] = scanSteps({ track, against: true, state: [lastBar(track)], sequences, gives: 1 }, ([now], at) => {
    const h = now as Value;
    const bar = op.mul(h, at.slope as Value);
    const before = op.gemm(bar, track.r, at.next);
    return { carried: [at.keep === undefined ? before : op.add(before, op.mul(h, at.keep))], scanned: [bar] };
  }) as [Value, Value];
  return { ...gateBars(track, call, bar, found), h0 };
}

/** The slope of the activation at every step, [T, B, H]: by Y alone, where Y tells. */
function slopes(track: Track, f: Activation, clip: number | undefined, found: Value): Value {
  const { bias } = track;
  const pre = (): Value => {
    const fromX = op.gemm(track.xRows, track.w, bias && op.add(...bias), { transB: 1 });
    return stepsOf(op.gemm(found, track.r, fromX, { transB: 1 }), track, track.hidden);
  };
  const slope = clip === undefined ? f.slope(track.y, pre) : activated(f, pre(), clip).slope;
  return expandTo(slope, track.y);
}
