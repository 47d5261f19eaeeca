import * as op from '../../../graph/op.ts';
import type { Value } from '../../../graph/value.ts';
import type { RuleCall } from '../../call.ts';
import { evenParts, ints, scalarLike } from '../../pieces.ts';
import { type Activated, type Activation, activated, clipOf } from './activations.ts';
import { gateBars, inputBars, summedRows, type TrackBars } from './bars.ts';
import { at, lastBar, masked, previous, rowsOf, scanSteps, stepsOf, type Track } from './track.ts';

export function gru(track: Track, call: RuleCall, activations: readonly Activation[]): TrackBars {
  const found = rowsOf(previous(track, track.y, track.h0), track.hidden);
  const rule = call.int('linear_before_reset', 0) === 0 ? resetFirst : resetLast;
  return rule(track, call, activations as [Activation, Activation], found);
}

type Activations = readonly [f: Activation, g: Activation];

/** n = g(x Wn + r (h Rn + bn)), as PyTorch has it; `found` is h before each step, [T B, H]. */
function resetLast(track: Track, call: RuleCall, [f, g]: Activations, found: Value): TrackBars {
  const { hidden, bias } = track;
  const clip = clipOf(call);
  const [x2, xn] = halves(op.gemm(track.xRows, track.w, bias?.[0], { transB: 1 }), hidden, 1);
  const [h2, q] = halves(op.gemm(found, track.r, bias?.[1], { transB: 1 }), hidden, 1);
  const gates = activated(f, op.add(x2, h2), clip);
  const [z, r] = evenParts(gates.y, 1, 2) as unknown as [Value, Value];
  const n = activated(g, op.add(xn, op.mul(r, q)), clip);
  const toN = candidateSlope(z, n);
  const toGates = op.mul(op.concat([op.sub(found, n.y), op.mul(toN, q)], { axis: 1 }), gates.slope);
  const steps = {
    ...stepsOfGates(track, z),
    three: masked(track, stepsOf(op.concat([toGates, op.mul(toN, r)], { axis: 1 }), track, 3 * hidden)),
    n: masked(track, stepsOf(toN, track, hidden)),
  };
  const [h0, ofH, ofN] = scanSteps(
    { track, against: true, state: [lastBar(track)], sequences: steps, gives: 2 },
    ([h], at) => {
      const bar = op.mul(op.concat([h, h, h] as Value[], { axis: 1 }), at.three as Value);
      const before = op.add(op.gemm(bar, track.r, at.next), op.mul(h as Value, at.z as Value));
      return { carried: [before], scanned: [bar, op.mul(h as Value, at.n as Value)] };
    },
  ) as [Value, Value, Value];
  const [ofGates] = halves(ofH, hidden, 2);
  const ofX = op.concat([ofGates, ofN], { axis: 2 });
  return {
    ...inputBars(track, call, ofX),
    r: call.to(at.r, () => op.gemm(rowsOf(ofH, 3 * hidden), found, undefined, { transA: 1 })),
    b: call.to(at.b, () =>
      op.concat(
        [ofX, ofH].map((bar) => summedRows(rowsOf(bar, 3 * hidden))),
        { axis: 1 },
      ),
    ),
    h0,
  };
}

/** n = g(x Wn + (r h) Rn + bn) */
function resetFirst(track: Track, call: RuleCall, [f, g]: Activations, found: Value): TrackBars {
  const { hidden, bias } = track;
  const clip = clipOf(call);
  const [r2, rn] = halves(track.r, hidden, 0);
  const [x2, xn] = halves(op.gemm(track.xRows, track.w, bias && op.add(...bias), { transB: 1 }), hidden, 1);
  const gates = activated(f, op.gemm(found, r2, x2, { transB: 1 }), clip);
  const [z, r] = evenParts(gates.y, 1, 2) as unknown as [Value, Value];
  const reset = op.mul(r, found);
  const n = activated(g, op.gemm(reset, rn, xn, { transB: 1 }), clip);
  const toGates = op.mul(op.concat([op.sub(found, n.y), found], { axis: 1 }), gates.slope);
  const steps = {
    ...stepsOfGates(track, z),
    two: masked(track, stepsOf(toGates, track, 2 * hidden)),
    n: masked(track, stepsOf(candidateSlope(z, n), track, hidden)),
    r: stepsOf(r, track, hidden),
  };
  const [h0, ofGates, ofN] = scanSteps(
    { track, against: true, state: [lastBar(track)], sequences: steps, gives: 2 },
    ([now], at) => {
      const h = now as Value;
      const barN = op.mul(h, at.n as Value);
      const resetBar = op.matMul(barN, rn);
      const bar = op.mul(op.concat([h, resetBar], { axis: 1 }), at.two as Value);
      const direct = op.add(op.mul(h, at.z as Value), op.mul(resetBar, at.r as Value));
      return { carried: [op.add(op.gemm(bar, r2, at.next), direct)], scanned: [bar, barN] };
    },
  ) as [Value, Value, Value];
  const bars = gateBars(track, call, op.concat([ofGates, ofN], { axis: 2 }), found);
  const ofR = (): Value => {
    const [two, one] = [rowsOf(ofGates, 2 * hidden), rowsOf(ofN, hidden)];
    return op.concat([op.gemm(two, found, undefined, { transA: 1 }), op.gemm(one, reset, undefined, { transA: 1 })], {
      axis: 0,
    });
  };
  return { ...bars, r: call.to(at.r, ofR), h0 };
}

/** How the co-state of h reaches the candidate before its activation. */
function candidateSlope(z: Value, n: Activated): Value {
  return op.mul(op.sub(scalarLike(z, 1), z), n.slope);
}

/** What every step reads beside its slopes: z, which keeps h, and the co-state of the step before. */
function stepsOfGates(track: Track, z: Value): { readonly z: Value; readonly next: Value | undefined } {
  const kept = stepsOf(z, track, track.hidden);
  const within = track.lengths?.within;
  return {
    z: within === undefined ? kept : op.where(within, kept, scalarLike(kept, 1)),
    next: track.yBar === undefined ? undefined : previous(track, track.yBar),
  };
}

/** Two gates and the third. */
function halves(x: Value, hidden: number, axis: number): readonly [Value, Value] {
  return op.split(x, ints(2 * hidden, hidden), { axis }) as unknown as readonly [Value, Value];
}
