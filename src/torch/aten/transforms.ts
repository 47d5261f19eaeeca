import { ints } from '../../../ops/precision.ts';
import { isValue } from '../../graph/apply.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import type { Call } from '../lower/call.ts';
import { Complex, type Size, type Tensorial } from '../lower/item.ts';
import type { Lowering, Rules } from '../lower/rule.ts';
import { axisOf, rankOf, sizeAt } from '../lower/sizes.ts';
import { asComplex, conjugate, realOf } from './complex-numbers.ts';
import { fittedTo, type Normalisation, normalised, signal, toReal, transformed } from './fourier.ts';

/** Of PyTorch's own operators: 0, 1 and 2. */
const byNumber: readonly Normalisation[] = ['none', 'root', 'whole'];

function axesIn(call: Call, x: Tensorial): number[] {
  return call.ints('dim').map((axis) => axisOf(axis, rankOf(realOf(x))));
}

const sizesAlong = (x: Tensorial, axes: readonly number[]): Size[] => axes.map((axis) => sizeAt(realOf(x), axis));

const overAll = (x: Tensorial, axes: readonly number[], forward: boolean): Tensorial =>
  axes.reduce<Tensorial>((y, axis) => transformed(y, axis, forward), x);

/** By which a transform is divided: `norm` of torch.fft says it the other way round for inverses. */
function normOf(call: Call, forward: boolean): Normalisation {
  const said = call.has('norm') ? call.text('norm') : 'backward';
  if (said === 'ortho') return 'root';
  return (said === 'forward') === forward ? 'whole' : 'none';
}

type Kind = 'c2c' | 'r2c' | 'c2r' | 'hermitian' | 'inverse-hermitian';

/** torch.fft over one axis (`n`, `dim`), two, or many (`s`, `dim`). */
const fft =
  (kind: Kind, forward: boolean, axes: 'one' | 'two' | 'many'): Lowering =>
  (call) => {
    const x = signal(call);
    const rank = rankOf(realOf(x));
    const { over, sizes } = axes === 'one' ? oneAxis(call, rank) : manyAxes(call, rank, axes === 'two');
    const toRealKind = kind === 'c2r' || kind === 'hermitian';
    const last = over.at(-1) ?? rank - 1;
    const lengths = over.map((axis, place): Size => {
      const said = sizes?.[place];
      if (said !== undefined && said !== -1) return said;
      const own = sizeAt(realOf(x), axis);
      if (!toRealKind || axis !== last || place !== over.length - 1) return own;
      if (typeof own !== 'number') throw call.unsupported('a length of the result that is not known');
      return 2 * (own - 1);
    });
    const fitted = over.reduce<Tensorial>((y, axis, place) => {
      const length = lengths[place];
      if (sizes === undefined || typeof length !== 'number' || (toRealKind && place === over.length - 1)) return y;
      return fittedTo(call, y, axis, length);
    }, x);
    const how = normOf(call, forward);
    const rest = over.slice(0, -1);
    if (toRealKind) {
      const given = asComplex(kind === 'hermitian' ? conjugate(fitted) : fitted);
      const spread = asComplex(overAll(given, rest, kind === 'hermitian'));
      return normalised(toReal(call, spread, last, lengths.at(-1) ?? 1), lengths, how);
    }
    if (kind === 'c2c') return normalised(overAll(fitted, over, forward), lengths, how);
    const half = transformed(fitted, last, true, true);
    const own = overAll(half, rest, true);
    return normalised(kind === 'r2c' ? own : conjugate(own), lengths, how);
  };

function oneAxis(
  call: Call,
  rank: number,
): { readonly over: readonly number[]; readonly sizes: readonly Size[] | undefined } {
  const sizes = call.has('n') ? [call.size('n')] : undefined;
  return { over: [axisOf(call.int('dim', -1), rank)], sizes };
}

function manyAxes(call: Call, rank: number, two: boolean) {
  const sizes = call.has('s') ? call.sizes('s') : undefined;
  const count = sizes?.length ?? rank;
  const all = Array.from({ length: count }, (_, place) => rank - count + place);
  const said = call.has('dim') ? call.ints('dim') : two ? [-2, -1] : all;
  return { over: said.map((axis) => axisOf(axis, rank)), sizes };
}

/** By half its length, or back. */
const shifted =
  (back: boolean): Lowering =>
  (call) => {
    const content = call.content('self');
    const rank = rankOf(realOf(content));
    const axes = call.has('dim') ? call.ints('dim').map((axis) => axisOf(axis, rank)) : [...Array(rank).keys()];
    const roll = (x: Value): Value =>
      axes.reduce((own, axis) => {
        const size = own.shape?.[axis];
        if (typeof size !== 'number') throw call.unsupported('along an axis of a size that is not known');
        const first = back ? Math.floor(size / 2) : size - Math.floor(size / 2);
        return op.concat(
          [op.slice(own, ints(first), ints(size), ints(axis)), op.slice(own, ints(0), ints(first), ints(axis))],
          { axis },
        );
      }, x);
    return isValue(content) ? roll(content) : new Complex(roll(content.real), roll(content.imaginary));
  };

const frequencies =
  (half: boolean): Lowering =>
  (call) => {
    call.ignore('dtype');
    const [n, d] = [call.int('n'), call.float('d', 1)];
    const count = half ? Math.floor(n / 2) + 1 : n;
    const places = Array.from({ length: count }, (_, k) => (half || k < (n + 1) / 2 ? k : k - n));
    return constant(
      places.map((k) => k / (n * d)),
      call.outDType(),
    );
  };

const kinds: readonly (readonly [name: string, kind: Kind, forward: boolean])[] = [
  ['fft', 'c2c', true],
  ['ifft', 'c2c', false],
  ['rfft', 'r2c', true],
  ['irfft', 'c2r', false],
];

const named = kinds.flatMap(([name, kind, forward]) => [
  [`aten.fft_${name}.default`, fft(kind, forward, 'one')] as const,
  [`aten.fft_${name}2.default`, fft(kind, forward, 'two')] as const,
  [`aten.fft_${name}n.default`, fft(kind, forward, 'many')] as const,
]);

/** Fourier transforms, of real signals and of complex ones alike. */
export const fourierRules: Rules = {
  'aten._fft_r2c.default': (call) => {
    const x = signal(call);
    const axes = axesIn(call, x);
    const onesided = call.bool('onesided');
    const last = axes.at(-1) ?? 0;
    const half = transformed(x, last, true, onesided);
    return normalised(
      overAll(half, axes.slice(0, -1), true),
      sizesAlong(x, axes),
      byNumber[call.int('normalization')] ?? 'none',
    );
  },
  'aten._fft_c2c.default': (call) => {
    const x = signal(call);
    const axes = axesIn(call, x);
    const made = overAll(x, axes, call.bool('forward'));
    return normalised(made, sizesAlong(x, axes), byNumber[call.int('normalization')] ?? 'none');
  },
  'aten._fft_c2r.default': (call) => {
    const x = asComplex(signal(call));
    const axes = axesIn(call, x);
    const length = call.size('last_dim_size');
    const spread = asComplex(overAll(x, axes.slice(0, -1), false));
    const made = toReal(call, spread, axes.at(-1) ?? 0, length);
    return normalised(
      made,
      [...sizesAlong(x, axes.slice(0, -1)), length],
      byNumber[call.int('normalization')] ?? 'none',
    );
  },
  ...Object.fromEntries(named),
  'aten.fft_hfft.default': fft('hermitian', true, 'one'),
  'aten.fft_ihfft.default': fft('inverse-hermitian', false, 'one'),
  'aten.fft_fftshift.default': shifted(false),
  'aten.fft_ifftshift.default': shifted(true),
  'aten.fft_fftfreq.default': frequencies(false),
  'aten.fft_rfftfreq.default': frequencies(true),
};
