import { as } from '../../../ops/precision.ts';
import type { Value } from '../../graph/value.ts';
import { layer, type Module } from '../module.ts';
import { cellWeights } from './gates.ts';
import { gateCount, type Nonlinearity, type RecurrentKind } from './options.ts';
import { expectState } from './sizes.ts';
import { detailsOf, fromInput, type State, step, zeroState } from './steps.ts';

export interface CellOptions {
  readonly in?: number | undefined;
  /** H; may be left out where a checkpoint says it. */
  readonly hidden?: number | undefined;
  /** Default true. */
  readonly bias?: boolean | undefined;
  /** [batch, H]; without it zero. */
  readonly h?: Value | undefined;
}

/** nn.RNNCell: x [batch, in] -> h [batch, H], one step of dh/dt = phi(Wh + Ux + b) - h. */
export function rnnCell(
  module: Module,
  x: Value,
  options: CellOptions & { readonly nonlinearity?: Nonlinearity | undefined } = {},
): Value {
  return layer(rnnCell, module, 'rnn-cell', () => cell(module, 'rnn', x, options).h);
}

/** nn.GRUCell: x [batch, in] -> h [batch, H], one step of dh/dt = (1 - z) * (n - h). */
export function gruCell(module: Module, x: Value, options: CellOptions = {}): Value {
  return layer(gruCell, module, 'gru-cell', () => cell(module, 'gru', x, options).h);
}

/** nn.LSTMCell: x [batch, in] -> h and c [batch, H], one step of dc/dt = s - lambda c. */
export function lstmCell(
  module: Module,
  x: Value,
  options: CellOptions & { readonly c?: Value | undefined } = {},
): { readonly h: Value; readonly c: Value } {
  return layer(lstmCell, module, 'lstm-cell', () => {
    const { h, c = h } = cell(module, 'lstm', x, options);
    return { h, c };
  });
}

type AnyCellOptions = CellOptions & {
  readonly c?: Value | undefined;
  readonly nonlinearity?: Nonlinearity | undefined;
};

function cell(module: Module, kind: RecurrentKind, x: Value, options: AnyCellOptions): State {
  const { bias = true, nonlinearity = 'tanh' } = options;
  module.rank(x, [2], '[batch, features]');
  const features = module.features(x, options.in, 'in', module.shapeOf('weight_ih')?.[1]);
  const hidden =
    options.hidden ?? Math.max(1, Math.floor(module.size(undefined, 'hidden', 'weight_ih', 0) / gateCount[kind]));
  const shape = [x.shape?.[0], hidden];
  for (const [name, state] of Object.entries({ h: options.h, c: options.c }))
    if (state !== undefined) expectState(module, name, state, { shape, axes: 'batch, features' });
  const work = module.dtype === 'float64' ? 'float64' : 'float32';
  const weights = cellWeights(module, { kind, hidden, state: hidden, bias, work }, '', features);
  const wide = as(x, work);
  const first = (state: Value | undefined): Value =>
    state === undefined ? zeroState(x, hidden, work) : as(state, work);
  const before = { h: first(options.h), c: kind === 'lstm' ? first(options.c) : undefined };
  const next = step(kind, fromInput(wide, weights, kind), before, weights, nonlinearity);
  const details = detailsOf(kind, nonlinearity);
  return { h: as(module.mark(next.h, kind, details), module.dtype), c: next.c && as(next.c, module.dtype) };
}
