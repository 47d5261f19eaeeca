import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import type { CellWeights } from '../../layers/recurrent/gates.ts';
import type { Nonlinearity, RecurrentKind } from '../../layers/recurrent/options.ts';
import { fromInput, type State, step } from '../../layers/recurrent/steps.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Result } from '../lower/item.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { inSingle, like } from './kernels.ts';

/** One step of a recurrence, x [batch, in]. */
const cell =
  (kind: RecurrentKind, nonlinearity: Nonlinearity = 'tanh'): Lowering =>
  (call): readonly Result[] => {
    const x = inSingle(call.tensor('input'));
    const wide = (value: Value) => cast(value, x.dtype ?? 'float32');
    const states = kind === 'lstm' ? call.tensors('hx') : [call.tensor('hx')];
    const [h = x, c] = states.map(wide);
    const [first, second] = ['b_ih', 'b_hh'].map((name) => call.optionalTensor(name));
    const weights: CellWeights = {
      w: wide(call.tensor('w_ih')),
      r: wide(call.tensor('w_hh')),
      bias: first === undefined || second === undefined ? undefined : [wide(first), wide(second)],
      projection: undefined,
    };
    const next: State = step(kind, fromInput(x, weights, kind), { h, c }, weights, nonlinearity);
    return next.c === undefined ? [next.h] : [next.h, next.c];
  };

export const cellRules: Rules = {
  'aten.lstm_cell.default': cell('lstm'),
  'aten.gru_cell.default': cell('gru'),
  'aten.rnn_tanh_cell.default': cell('rnn'),
  'aten.rnn_relu_cell.default': cell('rnn', 'relu'),
  'aten._thnn_fused_lstm_cell.default': (call) => {
    const gates = op.add(biased(call, 'input_gates', 'input_bias'), biased(call, 'hidden_gates', 'hidden_bias'));
    const [i, f, g, o] = parts(gates, 4) as [Value, Value, Value, Value];
    const before = cast(call.tensor('cx'), gates.dtype ?? 'float32');
    const c = op.add(op.mul(op.sigmoid(f), before), op.mul(op.sigmoid(i), op.tanh(g)));
    return [op.mul(op.sigmoid(o), op.tanh(c)), c];
  },
  'aten._thnn_fused_gru_cell.default': (call) => {
    const [inR, inZ, inN] = parts(biased(call, 'input_gates', 'input_bias'), 3) as [Value, Value, Value];
    const [ownR, ownZ, ownN] = parts(biased(call, 'hidden_gates', 'hidden_bias'), 3) as [Value, Value, Value];
    const n = op.tanh(op.add(inN, op.mul(op.sigmoid(op.add(inR, ownR)), ownN)));
    const h = cast(call.tensor('hx'), n.dtype ?? 'float32');
    const rate = op.sub(like(n, 1), op.sigmoid(op.add(inZ, ownZ)));
    return [op.add(h, op.mul(rate, op.sub(n, h)))];
  },
};

function biased(call: Call, gates: string, bias: string): Value {
  const given = inSingle(call.tensor(gates));
  const added = call.optionalTensor(bias);
  return added === undefined ? given : op.add(given, cast(added, given.dtype ?? 'float32'));
}

function parts(gates: Value, count: number): readonly Value[] {
  const width = gates.shape?.[1];
  const each = typeof width === 'number' ? constant(Array<number>(count).fill(width / count), 'int64') : undefined;
  return op.split(gates, each, { axis: 1, ...(each === undefined ? { numOutputs: count } : {}) });
}
