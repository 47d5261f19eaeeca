import type { Rule } from '../call.ts';
import { recurrentRule } from './recurrent/bars.ts';
import { gru } from './recurrent/gru.ts';
import { lstm } from './recurrent/lstm.ts';
import { rnn } from './recurrent/rnn.ts';

/**
 * Recurrent operators. Y holds every h, so the gates of all steps are made again by one product (an LSTM's cells by a Scan of two
 * operators); only the co-states of h and c are carried back step by step, and the weights' are products over all steps.
 */
export const recurrentRules: Readonly<Record<string, Rule>> = {
  LSTM: recurrentRule(
    "p_h += g_t; p_c += p_h o h'(c); d = (p_c g i', p_h h(c) o', p_c c_- f', p_c i g'); then p_h = d R, p_c = p_c f; over all steps d W, d^T x, d^T h_-, sum d",
    ['Sigmoid', 'Tanh', 'Tanh'],
    lstm,
  ),
  GRU: recurrentRule(
    "p += g_t; d = (p (h_- - n) z', q r', p (1 - z) n'), q by way of r and n; then p = p z + d R; over all steps d W, d^T x, d^T h_-, sum d",
    ['Sigmoid', 'Tanh'],
    gru,
  ),
  RNN: recurrentRule("p += g_t; d = p f'(h); then p = d R; over all steps d W, d^T x, d^T h_-, sum d", ['Tanh'], rnn),
};
