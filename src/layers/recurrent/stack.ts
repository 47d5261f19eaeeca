import { as, ints } from '../../../ops/precision.ts';
import { fromNumbers } from '../../files/tensor.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Dim } from '../../graph/type.ts';
import type { Value } from '../../graph/value.ts';
import { dropout } from '../dropout.ts';
import type { Module } from '../module.ts';
import { cellWeights } from './gates.ts';
import { type LayerState, type LayerValues, operatorLayer } from './operators.ts';
import type { AnyRecurrentOptions, RecurrentKind, RecurrentValues } from './options.ts';
import { scanLayer } from './scan.ts';
import { expectLengths, expectState, recurrenceOf } from './sizes.ts';
import { withSteps } from './time.ts';

/** A whole nn.RNN, nn.GRU or nn.LSTM: layers one after the other, each in one direction or both. `c` is of an LSTM. */
export function stack(
  module: Module,
  kind: RecurrentKind,
  x: Value,
  options: AnyRecurrentOptions,
): RecurrentValues & { readonly c: Value | undefined } {
  const { batchFirst = true, initial, initialCell, lengths, training } = options;
  const recurrence = recurrenceOf(module, kind, options);
  const { hidden, state, layers, directions, work } = recurrence;
  const batched = module.rank(x, [2, 3], batchFirst ? '[batch, time, features]' : '[time, batch, features]') === 3;
  const features = module.features(x, options.in, 'in', module.shapeOf('weight_ih_l0')?.[1]);
  const batch = batched ? x.shape?.[batchFirst ? 0 : 1] : undefined;
  const lead: readonly Dim[] = batched ? [layers * directions, batch] : [layers * directions];
  const axes = batched ? 'layers * directions, batch, features' : 'layers * directions, features';
  if (initial !== undefined) expectState(module, 'initial', initial, { shape: [...lead, state], axes });
  if (initialCell !== undefined) expectState(module, 'initialCell', initialCell, { shape: [...lead, hidden], axes });
  if (lengths !== undefined) expectLengths(module, lengths, batched ? batch : 1);

  const timeFirst = !batched ? op.unsqueeze(x, ints(1)) : batchFirst ? op.transpose(x, { perm: [1, 0, 2] }) : x;
  const given = (value: Value | undefined): readonly (Value | undefined)[] =>
    value === undefined ? [] : byLayer(as(batched ? value : op.unsqueeze(value, ints(1)), work), layers);
  const [h0, c0] = [given(initial), given(initialCell)];
  const steps = lengths === undefined ? undefined : op.cast(lengths, { to: 'int32' });
  const made: LayerValues[] = [];
  let y = as(withSteps(module, timeFirst, x), work);
  for (let index = 0; index < layers; index++) {
    const input = index === 0 ? features : directions * state;
    const suffixes = ['', '_reverse'].slice(0, directions);
    const weights = suffixes.map((suffix) => cellWeights(module, recurrence, `_l${index}${suffix}`, input));
    // Each node that is the equation has a name of its own, as PyTorch's suffixes.
    const own = layers === 1 ? module : module.at(`l${index}`);
    const places = suffixes.map((suffix) => (suffixes.length === 1 ? own : module.at(`l${index}${suffix}`)));
    const before = { h: h0[index], c: c0[index], lengths: steps };
    const values =
      recurrence.form === 'scan'
        ? scanLayer(places, recurrence, y, weights, before)
        : keptWhereEmpty(operatorLayer(own, recurrence, y, weights, before), before);
    made.push(values);
    y = index === layers - 1 ? values.y : dropout(own, values.y, { p: options.dropout ?? 0, training });
  }
  const finals = (values: readonly Value[]): Value => {
    const all = values.length === 1 ? (values[0] ?? y) : op.concat(values, { axis: 0 });
    return as(batched ? all : op.squeeze(all, ints(1)), module.dtype);
  };
  const top = made.at(-1)?.h ?? y;
  const output = as(y, module.dtype);
  const cells = made.flatMap(({ c }) => (c === undefined ? [] : [c]));
  return {
    output: !batched ? op.squeeze(output, ints(1)) : batchFirst ? op.transpose(output, { perm: [1, 0, 2] }) : output,
    h: finals(made.map(({ h }) => h)),
    c: cells.length === 0 ? undefined : finals(cells),
    last: as(lastOf(top, directions, state, batched), module.dtype),
  };
}

/** A state of all layers, [layers * directions, batch, features], as one for each layer. */
function byLayer(state: Value, layers: number): readonly Value[] {
  return layers === 1 ? [state] : op.split(state, undefined, { axis: 0, numOutputs: layers });
}

/** ONNX Runtime's operators give 0 as the final state of a sequence of length 0: it is the initial state. */
function keptWhereEmpty(values: LayerValues, { h, c, lengths }: LayerState): LayerValues {
  if (lengths === undefined || (h === undefined && c === undefined)) return values;
  const empty = op.unsqueeze(op.equal(lengths, constant(fromNumbers('int32', [], [0]))), ints(0, 2));
  const kept = (now: Value, before: Value | undefined): Value =>
    before === undefined ? now : op.where(empty, before, now);
  return { y: values.y, h: kept(values.h, h), c: values.c && kept(values.c, c) };
}

/** [directions, batch, state] -> [batch, directions * state], the forward direction first. */
function lastOf(h: Value, directions: number, state: number, batched: boolean): Value {
  const rows =
    directions === 1
      ? op.squeeze(h, ints(0))
      : op.reshape(op.transpose(h, { perm: [1, 0, 2] }), ints(0, directions * state));
  return batched ? rows : op.squeeze(rows, ints(0));
}
