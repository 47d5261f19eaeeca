import { ints } from '../../../ops/precision.ts';
import { fromNumbers } from '../../files/tensor.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Call, cast } from '../lower/call.ts';
import { Complex, type Result } from '../lower/item.ts';
import type { Rules } from '../lower/rule.ts';
import { rankOf } from '../lower/sizes.ts';
import { pairs } from './complex-numbers.ts';
import { like } from './kernels.ts';

/** Spectrograms: every frame of a signal times a window, transformed. One convolution with windowed cosines and sines. */
export const spectrogramRules: Rules = {
  'aten.stft.default': (call) => stft(call),
  'aten.stft.center': (call) => {
    if (call.bool('center', true)) throw call.unsupported('center=True');
    return stft(call.ignore('pad_mode'));
  },
};

/** x [.., time] -> [.., frequencies, frames], complex or, as older programs have it, pairs. */
function stft(call: Call): Result {
  const given = call.tensor('self');
  const n = call.int('n_fft');
  const hop = call.has('hop_length') ? call.int('hop_length') : Math.floor(n / 4);
  const length = call.has('win_length') ? call.int('win_length') : n;
  const onesided = call.bool('onesided', true);
  call.ignore('align_to_window');
  const count = onesided ? Math.floor(n / 2) + 1 : n;
  const dtype = call.outDType();
  // Runtimes convolve in single precision.
  const x = cast(given, 'float32');
  const waves = Array.from({ length: 2 * count * n }, (_, at) => {
    const [wave, place] = [Math.floor(at / n), at % n];
    const angle = (2 * Math.PI * (((wave % count) * place) % n)) / n;
    return wave < count ? Math.cos(angle) : -Math.sin(angle);
  });
  const table = constant(fromNumbers('float32', [2 * count, 1, n], waves));
  const window = windowOf(call, n, length);
  const kernel = window === undefined ? table : op.mul(table, window);
  const rows = rankOf(x) === 1 ? op.unsqueeze(x, ints(0, 1)) : op.unsqueeze(x, ints(1));
  const made = op.conv(rows, kernel, undefined, { strides: [hop] });
  const scaled = call.bool('normalized', false) ? op.div(made, like(made, Math.sqrt(n))) : made;
  const parts = op.split(scaled, ints(count, count), { axis: 1 }).map((part) => {
    const own = rankOf(x) === 1 ? op.squeeze(part, ints(0)) : part;
    return cast(own, dtype);
  }) as [Value, Value];
  const result = new Complex(...parts);
  return call.has('return_complex') && call.bool('return_complex') ? result : pairs(result);
}

/** The window in the middle of a frame; undefined for one of ones over all of it. */
function windowOf(call: Call, n: number, length: number): Value | undefined {
  const given = call.optionalTensor('window');
  const left = Math.floor((n - length) / 2);
  if (given === undefined && length === n) return undefined;
  const ones = fromNumbers('float32', [length], Array<number>(length).fill(1));
  const own = given === undefined ? constant(ones) : cast(given, 'float32');
  return length === n ? own : op.pad(own, ints(left, n - length - left));
}
