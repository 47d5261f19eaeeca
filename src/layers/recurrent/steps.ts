import { fromNumbers } from '../../files/tensor.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import type { ReadingDetails } from '../reading.ts';
import type { CellWeights } from './gates.ts';
import { gateCount, type Nonlinearity, type RecurrentKind } from './options.ts';

/** A state [batch, state] and, of an LSTM, its cell [batch, H]. */
export interface State {
  readonly h: Value;
  readonly c: Value | undefined;
}

/**
 * What x gives to the gates, of all steps at once: x [.., in] -> W x + b [.., gates * H]. Every bias that adds to it is in it; a GRU's
 * b_hh is not, since r multiplies its part of n.
 */
export function fromInput(x: Value, { w, bias }: CellWeights, kind: RecurrentKind): Value {
  const z = op.matMul(x, op.transpose(w, { perm: [1, 0] }));
  if (bias === undefined) return z;
  return op.add(z, kind === 'gru' ? bias[0] : op.add(bias[0], bias[1]));
}

/** One Hamilton-Jacobi step (theory.md section 4): `given` is what `fromInput` gives of this step, [batch, gates * H]. */
export function step(
  kind: RecurrentKind,
  given: Value,
  before: State,
  weights: CellWeights,
  nonlinearity: Nonlinearity,
): State {
  if (kind === 'gru') return { h: gruStep(given, before.h, weights), c: undefined };
  if (kind === 'lstm') return lstmStep(given, before.h, before.c ?? before.h, weights);
  const z = op.gemm(before.h, weights.r, given, { transB: 1 });
  return { h: nonlinearity === 'relu' ? op.relu(z) : op.tanh(z), c: undefined };
}

/** h + (1 - z) * (n - h): forward Euler with step 1 for dh/dt = (1 - z) * (n - h). */
function gruStep(given: Value, h: Value, { r: weight, bias }: CellWeights): Value {
  const [givenR, givenZ, givenN] = gates(given, 'gru');
  const [ownR, ownZ, ownN] = gates(op.gemm(h, weight, bias?.[1], { transB: 1 }), 'gru');
  const r = op.sigmoid(op.add(givenR, ownR));
  // 1 - z = sigmoid(-z'): no digit is lost where z is near 1.
  const rate = op.sigmoid(op.neg(op.add(givenZ, ownZ)));
  const n = op.tanh(op.add(givenN, op.mul(r, ownN)));
  return op.add(h, op.mul(rate, op.sub(n, h)));
}

/** c = f * c + i * g: the exact solution over one step of dc/dt = s - lambda c with the gates held; h = o * tanh(c). */
function lstmStep(given: Value, h: Value, c: Value, { r, projection }: CellWeights): State {
  const [i, f, g, o] = gates(op.gemm(h, r, given, { transB: 1 }), 'lstm');
  const next = op.add(op.mul(op.sigmoid(f), c), op.mul(op.sigmoid(i), op.tanh(g)));
  const out = op.mul(op.sigmoid(o), op.tanh(next));
  return { h: projection === undefined ? out : op.gemm(out, projection, undefined, { transB: 1 }), c: next };
}

function gates(rows: Value, kind: 'gru' | 'lstm'): readonly [Value, Value, Value, Value] {
  const parts = op.split(rows, undefined, { axis: 1, numOutputs: gateCount[kind] });
  return parts as unknown as readonly [Value, Value, Value, Value];
}

/** What a reading says beyond its kind: an RNN's own activation, with ReLU the limit of no viscosity. */
export function detailsOf(kind: RecurrentKind, nonlinearity: Nonlinearity): ReadingDetails {
  if (kind !== 'rnn') return {};
  const equation = `dh/dt = ${nonlinearity}(Wh + Ux + b) - h, step 1: h_t = ${nonlinearity}(W h_(t-1) + U x_t + b)`;
  return nonlinearity === 'relu' ? { equation, viscosity: 0 } : { equation };
}

/** Zeros [batch, features] for the batch of x [.., batch, features], whatever it is at run time. */
export function zeroState(x: Value, features: number, work: 'float32' | 'float64'): Value {
  const axis = (x.shape?.length ?? 3) - 2;
  const batch = op.shape(x, { start: axis, end: axis + 1 });
  const size = constant(fromNumbers('int64', [1], [features]));
  return op.constantOfShape(op.concat([batch, size], { axis: 0 }), { value: fromNumbers(work, [1], [0]) });
}
