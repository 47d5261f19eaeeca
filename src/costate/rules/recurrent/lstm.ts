import * as op from '../../../graph/op.ts';
import type { Value } from '../../../graph/value.ts';
import type { RuleCall } from '../../call.ts';
import { evenParts, ints, scalarLike, zerosLike } from '../../pieces.ts';
import { type Activated, type Activation, activated, clipOf, clipped } from './activations.ts';
import { gateBars, summedRows, type TrackBars } from './bars.ts';
import { keeping, lastBar, masked, previous, rowsOf, scanSteps, stepsOf, type Track, zeroState } from './track.ts';

/** One direction of an LSTM as its rule sees it. */
interface Cell {
  readonly track: Track;
  /** Of i, o and f; of the candidate; of the cell. */
  readonly f: Activation;
  readonly g: Activation;
  readonly h: Activation;
  readonly clip: number | undefined;
  /** f = 1 - i */
  readonly coupled: boolean;
}

/** What the gates of all steps were. */
interface Steps {
  /** i, o and f together, [T, B, 3 H]. */
  readonly gates: Activated;
  readonly candidate: Activated;
  /** [T, B, H] */
  readonly i: Value;
  readonly o: Value;
  readonly f: Value;
  /** The cell after each step, and before it. */
  readonly c: Value;
  readonly found: Value;
}

export function lstm(track: Track, call: RuleCall, activations: readonly Activation[]): TrackBars {
  const [f, g, h] = activations as [Activation, Activation, Activation];
  const cell: Cell = { track, f, g, h, clip: clipOf(call), coupled: call.int('input_forget', 0) !== 0 };
  const hRows = rowsOf(previous(track, track.y, track.h0), track.hidden);
  const steps = recomputed(cell, hRows);
  const [hBar, cBar, gateBar] = sweep(cell, steps) as [Value, Value, Value];
  return {
    ...gateBars(track, call, gateBar, hRows),
    h0: hBar,
    c0: cBar,
    p: track.p === undefined ? undefined : peepholeBar(steps, gateBar, track.hidden),
  };
}

/** The gates of all steps at once, as Y has every h; the cell's states by a Scan. */
function recomputed(cell: Cell, hRows: Value): Steps {
  const { track, f, g, clip, coupled } = cell;
  const { hidden, bias } = track;
  const fromX = op.gemm(track.xRows, track.w, bias && op.add(...bias), { transB: 1 });
  const pre = stepsOf(op.gemm(hRows, track.r, fromX, { transB: 1 }), track, 4 * hidden);
  const [preGates, preCandidate] = op.split(pre, ints(3 * hidden, hidden), { axis: 2 }) as [Value, Value];
  const candidate = activated(g, preCandidate, clip);
  const forgetting = (i: Value, given: Value): Value => (coupled ? op.sub(scalarLike(i, 1), i) : given);
  if (track.p === undefined) {
    const gates = activated(f, preGates, clip);
    const [i, o, given] = thirds(gates.y);
    const forget = forgetting(i, given);
    const c = cells(track, forget, op.mul(i, candidate.y));
    return { gates, candidate, i, o, f: forget, c, found: previous(track, c, track.c0) };
  }
  const c = cellsWithPeepholes(cell, track.p, preGates, candidate.y);
  const found = previous(track, c, track.c0);
  const seen = op.mul(op.concat([found, c, found], { axis: 2 }), track.p);
  const gates = activated(f, op.add(preGates, seen), clip);
  const [i, o, given] = thirds(gates.y);
  return { gates, candidate, i, o, f: forgetting(i, given), c, found };
}

/** c = f c_- + u. Steps give f c_- alone, as a state that is given too would have to be copied. */
function cells(track: Track, f: Value, u: Value): Value {
  const within = track.lengths?.within;
  const sequences = {
    f: within === undefined ? f : op.where(within, f, scalarLike(f, 1)),
    u: masked(track, u),
  };
  const state = [cellState(track)];
  const [, kept] = scanSteps({ track, against: false, state, sequences, gives: 1 }, ([before], slices) => {
    const part = op.mul(slices.f as Value, before as Value);
    return { carried: [op.add(part, slices.u as Value)], scanned: [part] };
  });
  return op.add(kept as Value, sequences.u);
}

/** The same where i and f look at the cell before. */
function cellsWithPeepholes({ track, f, clip, coupled }: Cell, p: Value, preGates: Value, candidate: Value): Value {
  const [toI, , toF] = thirds(preGates);
  const [pI, , pF] = thirds(p, 1);
  const sequences = { i: toI, f: coupled ? undefined : toF, g: candidate, within: track.lengths?.within };
  const [, c] = scanSteps(
    { track, against: false, state: [cellState(track)], sequences, gives: 1 },
    (state, slices) => {
      const [before] = state as [Value];
      const gate = (pre: Value, weight: Value): Value => f.of(clipped(op.add(pre, op.mul(before, weight)), clip));
      const i = gate(slices.i as Value, pI);
      const forget = slices.f === undefined ? op.sub(scalarLike(i, 1), i) : gate(slices.f, pF);
      const made = op.add(op.mul(forget, before), op.mul(i, slices.g as Value));
      const next = slices.within === undefined ? made : op.where(slices.within, made, before);
      return { carried: [next], scanned: [next] };
    },
  );
  return c as Value;
}

/** The co-states of h0, c0 and of all gates before their activations, [T, B, 4 H]. */
function sweep({ track, h, coupled }: Cell, steps: Steps): readonly Value[] {
  const { gates, candidate, i, o, f, c, found } = steps;
  const out = activated(h, c);
  // What multiplies the co-state of c (of i, f and the candidate) or of h (of o).
  const toI = coupled ? op.sub(candidate.y, found) : candidate.y;
  const toF = coupled ? zerosLike(found) : found;
  const three = op.mul(op.concat([toI, out.y, toF], { axis: 2 }), gates.slope);
  const four = op.concat([three, op.mul(i, candidate.slope)], { axis: 2 });
  let toCell = op.mul(o, out.slope);
  let keptCell = f;
  if (track.p !== undefined) {
    const [fromI, fromO, fromF] = thirds(op.mul(three, track.p));
    toCell = op.add(toCell, fromO);
    keptCell = op.add(keptCell, op.add(fromI, fromF));
  }
  const within = track.lengths?.within;
  if (within !== undefined) {
    keptCell = op.where(within, keptCell, scalarLike(keptCell, 1));
  }
  const sequences = {
    four: masked(track, four),
    toCell: masked(track, toCell),
    keptCell,
    next: track.yBar === undefined ? undefined : previous(track, track.yBar),
    keep: keeping(track),
  };
  const state = [lastBar(track), track.ycBar ?? zeroState(track)];
  return scanSteps({ track, against: true, state, sequences, gives: 1 }, (now, slices) => {
    const [hBar, cLater] = now as [Value, Value];
    const cBar = op.add(op.mul(hBar, slices.toCell as Value), cLater);
    const bar = op.mul(op.concat([cBar, hBar, cBar, cBar], { axis: 1 }), slices.four as Value);
    const before = op.gemm(bar, track.r, slices.next);
    const hBefore = slices.keep === undefined ? before : op.add(before, op.mul(hBar, slices.keep));
    return { carried: [hBefore, op.mul(cBar, slices.keptCell as Value)], scanned: [bar] };
  });
}

function peepholeBar({ c, found }: Steps, gateBar: Value, hidden: number): Value {
  const [three] = op.split(gateBar, ints(3 * hidden, hidden), { axis: 2 }) as [Value, Value];
  return summedRows(rowsOf(op.mul(three, op.concat([found, c, found], { axis: 2 })), 3 * hidden));
}

function cellState(track: Track): Value {
  return track.c0 === undefined ? zeroState(track) : op.squeeze(track.c0, ints(0));
}

function thirds(x: Value, axis = 2): readonly [Value, Value, Value] {
  return evenParts(x, axis, 3) as unknown as readonly [Value, Value, Value];
}
