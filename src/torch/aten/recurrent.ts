import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import type { CellWeights } from '../../layers/recurrent/gates.ts';
import { type LayerState, type LayerValues, operatorLayer } from '../../layers/recurrent/operators.ts';
import { gateCount, type Nonlinearity, type Recurrence, type RecurrentKind } from '../../layers/recurrent/options.ts';
import { scanLayer } from '../../layers/recurrent/scan.ts';
import { type Call, cast } from '../lower/call.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { inSingle } from './kernels.ts';

const network =
  (kind: RecurrentKind, nonlinearity: Nonlinearity = 'tanh'): Lowering =>
  (call) => {
    const batchFirst = call.bool('batch_first');
    const given = inSingle(call.tensor('input'));
    const x = batchFirst ? op.transpose(given, { perm: [1, 0, 2] }) : given;
    const { y, h, c } = stacked(call, kind, nonlinearity, x, undefined);
    const output = batchFirst ? op.transpose(y, { perm: [1, 0, 2] }) : y;
    return c === undefined ? [output, h] : [output, h, c];
  };

export const recurrentRules: Rules = {
  'aten.lstm.input': network('lstm'),
  'aten.gru.input': network('gru'),
  'aten.rnn_tanh.input': network('rnn'),
  'aten.rnn_relu.input': network('rnn', 'relu'),
};

/** All layers on x [time, batch, in], each as its operator: output, final states and, of an LSTM, cells [layers * directions, batch, H]. */
function stacked(
  call: Call,
  kind: RecurrentKind,
  nonlinearity: Nonlinearity,
  x: Value,
  lengths: Value | undefined,
): LayerValues {
  const layers = call.int('num_layers');
  const directions = call.bool('bidirectional') ? 2 : 1;
  if (call.float('dropout') !== 0 && call.bool('train') && layers > 1)
    throw call.unsupported('dropout between layers in training (export in eval mode)');
  call.ignore('train');
  const work = x.dtype === 'float64' ? 'float64' : 'float32';
  const cells = cellsOf(call, layers * directions, kind, work);
  const initial = kind === 'lstm' ? call.tensors('hx') : [call.tensor('hx')];
  const [hs, cs] = [0, 1].map((place) => byLayer(initial[place], layers, work));
  const made: LayerValues[] = [];
  let y = x;
  for (let index = 0; index < layers; index++) {
    const own = cells.slice(index * directions, (index + 1) * directions);
    const recurrence = sizesOf(own, { kind, nonlinearity, directions, layers, work });
    const state: LayerState = { h: hs?.[index], c: cs?.[index], lengths };
    const values =
      recurrence.form === 'scan'
        ? scanLayer([], recurrence, y, own, state)
        : operatorLayer(undefined, recurrence, y, own, state);
    made.push(values);
    y = values.y;
  }
  const joined = (values: readonly Value[]): Value =>
    values.length === 1 ? (values[0] ?? y) : op.concat(values, { axis: 0 });
  const last = made.flatMap(({ c }) => (c === undefined ? [] : [c]));
  return { y, h: joined(made.map(({ h }) => h)), c: last.length === 0 ? undefined : joined(last) };
}

/** The weights of every layer and direction: w_ih, w_hh, their biases, and the projection of one that has it. */
function cellsOf(call: Call, count: number, kind: RecurrentKind, work: 'float32' | 'float64'): CellWeights[] {
  const params = call.tensors('params').map((weight) => cast(weight, work));
  const biased = call.bool('has_biases');
  const each = params.length / count;
  const projected = each === (biased ? 5 : 3);
  if (each !== (biased ? 4 : 2) && !(projected && kind === 'lstm'))
    throw call.unsupported(`${params.length} weights for ${count} layers`);
  return Array.from({ length: count }, (_, index) => {
    const [w, r, ...rest] = params.slice(index * each, (index + 1) * each) as [Value, Value, ...Value[]];
    return {
      w,
      r,
      bias: biased ? (rest.slice(0, 2) as [Value, Value]) : undefined,
      projection: projected ? rest.at(-1) : undefined,
    };
  });
}

function sizesOf(
  cells: readonly CellWeights[],
  known: Pick<Recurrence, 'kind' | 'nonlinearity' | 'layers' | 'directions' | 'work'>,
): Recurrence {
  const [cell] = cells;
  const hidden = Number(cell?.w.shape?.[0]) / gateCount[known.kind];
  const state = Number(cell?.r.shape?.[1]);
  const form = cell?.projection === undefined && known.work === 'float32' ? 'operator' : 'scan';
  return { ...known, hidden, state, bias: cell?.bias !== undefined, form };
}

function byLayer(state: Value | undefined, layers: number, work: 'float32' | 'float64'): readonly Value[] {
  if (state === undefined) return [];
  const wide = cast(state, work);
  return layers === 1 ? [wide] : op.split(wide, undefined, { axis: 0, numOutputs: layers });
}
