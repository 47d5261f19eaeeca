import type { Vector } from '../../ops/float64.ts';
import { dot } from './vectors.ts';

export type CellKind = 'rnn' | 'gru' | 'lstm';

/** A recurrent cell in PyTorch's order of gates (i, f, g, o of an LSTM; r, z, n of a GRU), in float64. */
export interface Cell {
  readonly kind: CellKind;
  /** H */
  readonly hidden: number;
  /** weight_hh, one row of H numbers for each gate unit. */
  readonly r: readonly Vector[];
  readonly nonlinearity: 'tanh' | 'relu';
  /** GRU: the bias of R_n h, and whether r multiplies R_n h (PyTorch) or h before it. */
  readonly bias?: Vector | undefined;
  readonly resetAfter?: boolean | undefined;
}

export interface CellState {
  readonly h: Float64Array;
  readonly c: Float64Array;
}

/** `given` is what x and the biases add to the gates, of all gates below one another. */
export type CellStep = (cell: Cell, given: Vector, before: CellState) => CellState;

/** The co-state before a step from that after it. */
export type CellCostate = (cell: Cell, given: Vector, before: CellState, after: CellState) => CellState;

const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));

/** One explicit step of size 1 of the cell's equation (docs/theory.md section 4). */
export const cellStep: CellStep = (cell, given, before) => {
  const gates = gatesOf(cell, given, before.h);
  const map = (value: (i: number) => number) => Float64Array.from({ length: cell.hidden }, (_, i) => value(i));
  if (cell.kind === 'rnn') {
    // dh/dt = phi(z) - h
    return { h: map((i) => at(before.h, i) + 1 * (activation(cell, gates(0, i)) - at(before.h, i))), c: before.c };
  }
  if (cell.kind === 'gru') {
    const candidate = candidateOf(cell, given, before.h, gates);
    // dh/dt = (1 - z) * (n - h)
    return {
      h: map((i) => at(before.h, i) + (1 - sigmoid(gates(1, i))) * (candidate(i).n - at(before.h, i))),
      c: before.c,
    };
  }
  // dc/dt = s - lambda c, solved exactly over the step with lambda = -log f and s = i g lambda/(1 - f).
  const c = map((i) => {
    const lambda = minusLogSigmoid(gates(1, i));
    const drive = sigmoid(gates(0, i)) * Math.tanh(gates(2, i));
    const source = lambda === 0 ? drive : (drive * lambda) / sigmoid(-gates(1, i));
    const grown = lambda === 0 ? source : (source / lambda) * -Math.expm1(-lambda);
    return Math.exp(-lambda) * at(before.c, i) + grown;
  });
  return { h: map((i) => sigmoid(gates(3, i)) * Math.tanh(at(c, i))), c };
};

/** The co-state recursion of the table in docs/architectures.md, gate terms written out. */
export const cellCostate: CellCostate = (cell, given, before, after) => {
  const { hidden, kind } = cell;
  const gates = gatesOf(cell, given, before.h);
  const p = after.h;
  /** What each gate's input receives, [gates * H]. */
  const toGates = new Float64Array(cell.r.length);
  const h = new Float64Array(hidden);
  const c = new Float64Array(hidden);
  for (let i = 0; i < hidden; i++) {
    if (kind === 'rnn') {
      const next = activation(cell, gates(0, i));
      toGates[i] = at(p, i) * (cell.nonlinearity === 'relu' ? Number(next > 0) : 1 - next ** 2);
    } else if (kind === 'gru') {
      const { n, own } = candidateOf(cell, given, before.h, gates)(i);
      const [r, z] = [sigmoid(gates(0, i)), sigmoid(gates(1, i))];
      const toN = at(p, i) * (1 - z) * (1 - n ** 2);
      h[i] = z * at(p, i);
      toGates[hidden + i] = at(p, i) * (at(before.h, i) - n) * z * (1 - z);
      toGates[2 * hidden + i] = cell.resetAfter === false ? toN : toN * r;
      if (cell.resetAfter !== false) toGates[i] = toN * own * r * (1 - r);
    } else {
      const [inGate, f, g, o] = [
        sigmoid(gates(0, i)),
        sigmoid(gates(1, i)),
        Math.tanh(gates(2, i)),
        sigmoid(gates(3, i)),
      ];
      const out = Math.tanh(f * at(before.c, i) + inGate * g);
      const inner = at(after.c, i) + o * (1 - out ** 2) * at(p, i);
      c[i] = f * inner;
      toGates[i] = inner * g * inGate * (1 - inGate);
      toGates[hidden + i] = inner * at(before.c, i) * f * (1 - f);
      toGates[2 * hidden + i] = inner * inGate * (1 - g ** 2);
      toGates[3 * hidden + i] = at(p, i) * out * o * (1 - o);
    }
  }
  if (kind === 'gru' && cell.resetAfter === false) throughReset(cell, before.h, gates, toGates, h);
  cell.r.forEach((row, unit) => {
    if (kind === 'gru' && cell.resetAfter === false && unit >= 2 * hidden) return;
    for (let k = 0; k < hidden; k++) h[k] = at(h, k) + at(row, k) * at(toGates, unit);
  });
  return { h, c };
};

/** A GRU whose r multiplies h before the product: R_n' comes first, then r and h part. */
function throughReset(cell: Cell, h: Vector, gates: Gates, toGates: Float64Array, into: Float64Array): void {
  const { hidden, r: rows } = cell;
  for (let k = 0; k < hidden; k++) {
    let back = 0;
    for (let i = 0; i < hidden; i++) back += at(rows[2 * hidden + i] ?? [], k) * at(toGates, 2 * hidden + i);
    const r = sigmoid(gates(0, k));
    into[k] = at(into, k) + back * r;
    toGates[k] = back * at(h, k) * r * (1 - r);
  }
}

type Gates = (gate: number, i: number) => number;

/** Inputs of the gates, each computed once; a GRU's n is `candidateOf`'s. */
function gatesOf(cell: Cell, given: Vector, h: Vector): Gates {
  const z = Float64Array.from(cell.r, (row, unit) => at(given, unit) + dot(row, h));
  return (gate, i) => at(z, gate * cell.hidden + i);
}

function candidateOf(
  cell: Cell,
  given: Vector,
  h: Vector,
  gates: Gates,
): (i: number) => { readonly n: number; readonly own: number } {
  const { hidden, r: rows, bias } = cell;
  const reset = Float64Array.from({ length: hidden }, (_, i) => sigmoid(gates(0, i)));
  const scaled = cell.resetAfter === false ? Float64Array.from(h, (value, i) => value * at(reset, i)) : h;
  return (i) => {
    const own = dot(rows[2 * hidden + i] ?? [], scaled) + (bias === undefined ? 0 : at(bias, i));
    return { n: Math.tanh(at(given, 2 * hidden + i) + (cell.resetAfter === false ? own : at(reset, i) * own)), own };
  };
}

function activation({ nonlinearity }: Cell, z: number): number {
  return nonlinearity === 'relu' ? Math.max(z, 0) : Math.tanh(z);
}

/** -log sigmoid(z), stable. */
function minusLogSigmoid(z: number): number {
  return Math.max(-z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
}

function at(values: Vector, index: number): number {
  return values[index] ?? Number.NaN;
}
