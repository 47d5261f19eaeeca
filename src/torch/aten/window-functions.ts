import { constant } from '../../graph/make.ts';
import type { Call } from '../lower/call.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { writable } from './spatial.ts';

/** Weights of `window_length` samples: periodic ones are the first of a symmetric window of one more. */
const weighted =
  (weights: (at: number, call: Call) => number): Lowering =>
  (call) => {
    call.ignore('dtype', 'requires_grad');
    const count = writable(call, call.int('window_length'));
    const steps = call.bool('periodic', true) ? count : count - 1;
    const numbers = Array.from({ length: count }, (_, index) => (count === 1 ? 1 : weights(index / steps, call)));
    return constant(count === 1 ? [1] : numbers, call.outDType());
  };

const turn = 2 * Math.PI;

const windows: Readonly<Record<string, Lowering>> = {
  hann_window: weighted((at) => 0.5 - 0.5 * Math.cos(turn * at)),
  hamming_window: weighted((at, call) => call.float('alpha', 0.54) - call.float('beta', 0.46) * Math.cos(turn * at)),
  blackman_window: weighted((at) => 0.42 - 0.5 * Math.cos(turn * at) + 0.08 * Math.cos(2 * turn * at)),
  bartlett_window: weighted((at) => 1 - Math.abs(2 * at - 1)),
};

export const windowRules: Rules = Object.fromEntries(
  Object.entries(windows).flatMap(([name, rule]) =>
    ['default', 'periodic', 'periodic_alpha', 'periodic_alpha_beta'].map((overload) => [
      `aten.${name}.${overload}`,
      rule,
    ]),
  ),
);
