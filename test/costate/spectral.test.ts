import { constant } from '../../src/graph/make.ts';
import * as op from '../../src/graph/op.ts';
import type { Value } from '../../src/graph/value.ts';
import { type Case, judged, whole } from './judge.ts';

type Transform = (x: Value) => Value;

/** A transform of x, squared: its rule is met again in the second order. */
function squared(
  name: string,
  shape: readonly number[],
  transform: Transform,
  torch: string,
  more: Partial<Case> = {},
): Case {
  return {
    name,
    inputs: { x: shape },
    build: (v) => {
      const y = transform(v.x as Value);
      return op.mul(y, y);
    },
    torch: `y = ${torch}\nreturn y * y`,
    // ONNX Runtime's transforms multiply by float32 twiddles where lengths are no powers of two.
    tolerance: { torch: 1e-6, second: 2e-5 },
    ...more,
  };
}

const int = (value: number): Value => constant(value, 'int64');
const complex = 'torch.view_as_complex(x)';
const pairs = (call: string): string => `torch.view_as_real((${call}).resolve_conj())`;

judged('co-states of DFT', [
  {
    name: 'along an axis that is only known at run time',
    inputs: { x: [3, 4, 2, 1], axis: whole('int64', [], [1]), n: whole('int64', [], [5]) },
    build: (v) => {
      const y = op.dft(v.x as Value, v.n, v.axis, { onesided: 1 });
      return op.mul(y, y);
    },
    torch: 'y = torch.view_as_real(torch.fft.rfft(x[..., 0], 5, dim=1))\nreturn y * y',
    tolerance: { torch: 1e-6, second: 2e-5 },
  },
  squared('of complex numbers', [2, 6, 2], (x) => op.dft(x), pairs(`torch.fft.fft(${complex}, dim=1)`)),
  squared('of real numbers', [2, 5, 1], (x) => op.dft(x), pairs('torch.fft.fft(x[..., 0], dim=1)')),
  squared(
    'along the first axis',
    [4, 3, 2],
    (x) => op.dft(x, undefined, int(0)),
    pairs(`torch.fft.fft(${complex}, dim=0)`),
  ),
  squared(
    'along a negative axis',
    [4, 3, 2, 1],
    (x) => op.dft(x, undefined, int(-3)),
    pairs('torch.fft.fft(x[..., 0], dim=1)'),
  ),
  squared('longer', [2, 4, 2], (x) => op.dft(x, int(7)), pairs(`torch.fft.fft(${complex}, 7, dim=1)`)),
  squared('shorter', [2, 6, 1], (x) => op.dft(x, int(4)), pairs('torch.fft.fft(x[..., 0], 4, dim=1)')),
  squared(
    'onesided, even',
    [2, 6, 1],
    (x) => op.dft(x, undefined, undefined, { onesided: 1 }),
    pairs('torch.fft.rfft(x[..., 0], dim=1)'),
  ),
  squared(
    'onesided, odd',
    [2, 5, 1],
    (x) => op.dft(x, undefined, undefined, { onesided: 1 }),
    pairs('torch.fft.rfft(x[..., 0], dim=1)'),
  ),
  squared(
    'onesided, longer',
    [2, 5, 1],
    (x) => op.dft(x, int(8), undefined, { onesided: 1 }),
    pairs('torch.fft.rfft(x[..., 0], 8, dim=1)'),
  ),
  squared(
    'onesided, shorter',
    [2, 7, 1],
    (x) => op.dft(x, int(4), undefined, { onesided: 1 }),
    pairs('torch.fft.rfft(x[..., 0], 4, dim=1)'),
  ),
  squared(
    'inverse',
    [2, 6, 2],
    (x) => op.dft(x, undefined, undefined, { inverse: 1 }),
    pairs(`torch.fft.ifft(${complex}, dim=1)`),
  ),
  squared(
    'inverse, of real numbers',
    [2, 5, 1],
    (x) => op.dft(x, undefined, undefined, { inverse: 1 }),
    pairs('torch.fft.ifft(x[..., 0], dim=1)'),
  ),
  squared(
    'inverse, longer',
    [2, 4, 2],
    (x) => op.dft(x, int(6), undefined, { inverse: 1 }),
    pairs(`torch.fft.ifft(${complex}, 6, dim=1)`),
  ),
  squared(
    'inverse, shorter',
    [2, 6, 2],
    (x) => op.dft(x, int(4), undefined, { inverse: 1 }),
    pairs(`torch.fft.ifft(${complex}, 4, dim=1)`),
  ),
  ...[4, 7, 10].map((length) =>
    squared(
      `inverse, onesided, of length ${length}`,
      [2, 4, 2],
      (x) => op.dft(x, int(length), undefined, { inverse: 1, onesided: 1 }),
      `torch.fft.irfft(${complex}, ${length}, dim=1).unsqueeze(-1)`,
      // ONNX Runtime reads beyond the frequencies that are there.
      length > 7 ? { engines: ['reference'], float32: false } : {},
    ),
  ),
  squared(
    'inverse, onesided',
    [2, 4, 2],
    (x) => op.dft(x, undefined, undefined, { inverse: 1, onesided: 1 }),
    `torch.fft.irfft(${complex}, dim=1).unsqueeze(-1)`,
  ),
]);

const frames = 'x.squeeze(-1).unfold(1, 6, 2)';
const windowed = (name: string, shape: readonly number[], onesided: 0 | 1, torch: string): Case => ({
  name,
  inputs: { x: shape, window: [6] },
  build: (v) => {
    const y = op.stft(v.x as Value, int(2), v.window, undefined, { onesided });
    return op.mul(y, y);
  },
  torch: `y = ${torch}\nreturn y * y`,
  tolerance: { torch: 1e-6, second: 2e-5 },
});

/** The length of frames comes at run time: onnx's own shape inference is wrong where it is known and there is no window. */
function framed(name: string, shape: readonly number[], step: number, n: number, onesided: 0 | 1, torch: string): Case {
  return {
    name,
    inputs: { x: shape, n: whole('int64', [], [n]), step: whole('int64', [], [step]) },
    build: (v) => {
      const y = op.stft(v.x as Value, n === 4 ? (v.step as Value) : int(step), undefined, v.n, { onesided });
      return op.mul(y, y);
    },
    torch: `y = ${torch}\nreturn y * y`,
    tolerance: { torch: 1e-6, second: 2e-5 },
  };
}

judged('co-states of STFT', [
  framed('onesided', [2, 12, 1], 2, 6, 1, pairs(`torch.fft.rfft(${frames})`)),
  framed('frames that leave a rest', [1, 11, 1], 2, 6, 1, pairs(`torch.fft.rfft(${frames})`)),
  framed('frames apart from each other', [1, 13, 1], 5, 4, 1, pairs('torch.fft.rfft(x.squeeze(-1).unfold(1, 4, 5))')),
  framed('of all frequencies', [2, 12, 1], 2, 6, 0, pairs(`torch.fft.fft(${frames})`)),
  framed('of complex numbers', [2, 9, 2], 3, 4, 0, pairs(`torch.fft.fft(${complex}.unfold(1, 4, 3))`)),
  windowed('with a window, onesided', [2, 12, 1], 1, pairs(`torch.fft.rfft(${frames} * window)`)),
  windowed('with a window, of all frequencies', [2, 12, 1], 0, pairs(`torch.fft.fft(${frames} * window)`)),
  windowed(
    'with a window, of complex numbers',
    [2, 9, 2],
    0,
    pairs(`torch.fft.fft(${complex}.unfold(1, 6, 2) * window)`),
  ),
]);
