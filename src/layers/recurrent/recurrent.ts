import { HopfcoleError } from '../../files/error.ts';
import type { Value } from '../../graph/value.ts';
import { layer, type Module } from '../module.ts';
import type { LstmOptions, LstmValues, RecurrentOptions, RecurrentValues, RnnOptions } from './options.ts';
import { stack } from './stack.ts';

/**
 * nn.RNN: x [batch, time, in] -> h at every step and at the last, parameters `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0`,
 * `.._reverse`, `.._l1` ... Forward Euler with step 1 for dh/dt = phi(Wh + Ux + b) - h (structural).
 */
export function rnn(module: Module, x: Value, options: RnnOptions = {}): RecurrentValues {
  return layer(rnn, module, 'rnn', () => stack(module, 'rnn', x, options));
}

/** nn.GRU, parameters as `rnn`. Forward Euler with step 1 for dh/dt = (1 - z) * (n - h) (structural). */
export function gru(module: Module, x: Value, options: RecurrentOptions = {}): RecurrentValues {
  return layer(gru, module, 'gru', () => stack(module, 'gru', x, options));
}

/**
 * nn.LSTM, parameters as `rnn` and, with a projection, `weight_hr_l0`. The cell c_t = f * c + i * g is the exact solution over one step of
 * dc/dt = s - lambda c, lambda = -log f, s = i * g * lambda / (1 - f), with the gates held (structural).
 */
export function lstm(module: Module, x: Value, options: LstmOptions = {}): LstmValues {
  return layer(lstm, module, 'lstm', () => {
    const { c, ...rest } = stack(module, 'lstm', x, options);
    if (c === undefined) throw new HopfcoleError('INTERNAL', 'an LSTM without a cell');
    return { ...rest, c };
  });
}
