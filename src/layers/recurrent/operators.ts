import { ints } from '../../../ops/precision.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import type { Module } from '../module.ts';
import { type CellWeights, inOnnxOrder } from './gates.ts';
import type { Recurrence } from './options.ts';
import { detailsOf } from './steps.ts';

/** What one layer takes beside x, of all its directions. */
export interface LayerState {
  /** [directions, batch, state] */
  readonly h: Value | undefined;
  /** [directions, batch, H] */
  readonly c: Value | undefined;
  /** [batch] int32 */
  readonly lengths: Value | undefined;
}

export interface LayerValues {
  /** [time, batch, directions * state] */
  readonly y: Value;
  readonly h: Value;
  readonly c: Value | undefined;
}

/** One layer, x [time, batch, in], as the ONNX operator: `weights` has one cell for each direction. `module`, where there is one, notes what it is. */
export function operatorLayer(
  module: Module | undefined,
  recurrence: Recurrence,
  x: Value,
  weights: readonly CellWeights[],
  state: LayerState,
): LayerValues {
  const { kind, hidden, directions, nonlinearity } = recurrence;
  const stacked = (rows: (cell: CellWeights) => Value): Value =>
    op.concat(
      weights.map((cell) => op.unsqueeze(rows(cell), ints(0))),
      { axis: 0 },
    );
  const w = stacked((cell) => inOnnxOrder(cell.w, kind));
  const r = stacked((cell) => inOnnxOrder(cell.r, kind));
  const biased = weights.every(({ bias }) => bias !== undefined);
  const b = biased
    ? stacked(({ bias = [x, x] }) =>
        op.concat(
          bias.map((one) => inOnnxOrder(one, kind)),
          { axis: 0 },
        ),
      )
    : undefined;
  const direction = directions === 2 ? 'bidirectional' : 'forward';
  const { h, c, lengths } = state;
  const shared = { hiddenSize: hidden, direction };
  if (kind === 'lstm') {
    const values = op.lstm(x, w, r, b, lengths, h, c, undefined, shared);
    const [y, last, cell] = (module?.mark(values, 'lstm') ?? values) as readonly [Value, Value, Value];
    return { y: sideBySide(y, directions), h: last, c: cell };
  }
  if (kind === 'gru') {
    // PyTorch's reset gate multiplies after the product with h.
    const values = op.gru(x, w, r, b, lengths, h, { ...shared, linearBeforeReset: 1 });
    const [y, last] = (module?.mark(values, 'gru') ?? values) as readonly [Value, Value];
    return { y: sideBySide(y, directions), h: last, c: undefined };
  }
  const activations = Array<string>(directions).fill(nonlinearity === 'relu' ? 'Relu' : 'Tanh');
  const values = op.rnn(x, w, r, b, lengths, h, { ...shared, activations });
  const marked = module?.mark(values, 'rnn', detailsOf(kind, nonlinearity)) ?? values;
  const [y, last] = marked as readonly [Value, Value];
  return { y: sideBySide(y, directions), h: last, c: undefined };
}

/** Y [time, directions, batch, state] -> [time, batch, directions * state]. */
function sideBySide(y: Value, directions: number): Value {
  if (directions === 1) return op.squeeze(y, ints(1));
  const features = y.shape?.[3];
  const width = typeof features === 'number' ? directions * features : -1;
  return op.reshape(op.transpose(y, { perm: [0, 2, 1, 3] }), ints(0, 0, width));
}
