import { ints, scalar } from '../../../ops/precision.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { type Complex, each, plus, times } from './complex.ts';
import { type Discrete, powers } from './discretise.ts';
import { blocksOf, counted, difference, dim, doubled, doublingsTo, product, reshaped, vector } from './shapes.ts';
import { apart, byChannel, realPartOf, type SsmFormula, together } from './steps.ts';

/** Kernel entries are made as abar^(64 q) abar^r. */
const size = 64;

/**
 * y = K * x, the convolution with the kernel K_k = Re(C abar^k bbar), by the Fourier transform (ONNX DFT) of a power of two of at least 2T points: others are
 * slow and inexact in ONNX Runtime.
 */
export const byConvolution: SsmFormula = (discrete, x, initial) => {
  const time = dim(x, 0);
  const points = powerOfTwo(product(time, 2));
  const signal = op.transpose(x, { perm: [2, 1, 0] });
  const kernel = op.unsqueeze(kernelOf(discrete, time), ints(1));
  const spectrum = times(transformed(kernel, points), transformed(signal, points));
  const y = op.slice(inverse(spectrum, points), ints(0), vector(time), ints(2));
  const begun = initial === undefined ? y : op.add(y, decayed(discrete, initial, time));
  return { y: op.transpose(begun, { perm: [2, 1, 0] }), state: stateAfter(discrete, signal, time, initial) };
};

/** K_0 .. K_(T-1), [H, T]. */
function kernelOf(discrete: Discrete, time: number | Value): Value {
  const { channels, c, bbar } = discrete;
  const blocks = blocksOf(time, size);
  const weights = each(times(c, bbar), (part) => op.unsqueeze(part, ints(1)));
  const far = times(powers(discrete, op.mul(counted(blocks), ints(size))), weights);
  const near = powers(discrete, ints(...Array.from({ length: size }, (_, step) => step)));
  const entries = op.matMul(realPartOf(far, 2), op.transpose(together(near, 2), { perm: [0, 2, 1] }));
  return op.slice(reshaped(entries, channels, product(blocks, size)), ints(0), vector(time), ints(1));
}

/** The discrete Fourier transform of the last of three axes, filled up with zeros: all points, for ONNX's inverse wants them all. */
function transformed(x: Value, points: Value): Complex {
  const pairs = op.dft(op.unsqueeze(x, ints(3)), points, scalar(2, 'int64'));
  return each(apart(pairs, 3), (part) => op.squeeze(part, ints(3)));
}

function inverse(x: Complex, points: Value): Value {
  const pairs = together(
    each(x, (part) => op.unsqueeze(part, ints(3))),
    3,
  );
  const { re } = apart(op.dft(pairs, points, scalar(2, 'int64'), { inverse: 1 }), 3);
  return op.squeeze(re, ints(3));
}

/** The least power of two that is at least `count`, an int64 scalar. */
function powerOfTwo(count: number | Value): Value {
  const power = doublingsTo(count);
  if (typeof power === 'number') return scalar(2 ** power, 'int64');
  return op.gather(ints(...doubled), power, { axis: 0 });
}

/** What a given state [batch, H, M] adds to y: Re(C abar^(t+1) h_0), [H, batch, T]. */
function decayed(discrete: Discrete, initial: Complex, time: number | Value): Value {
  const table = powers(discrete, op.add(counted(time), ints(1)));
  const observed = times(
    each(discrete.c, (part) => op.unsqueeze(part, ints(1))),
    table,
  );
  return op.matMul(together(byChannel(initial), 2), op.transpose(realPartOf(observed, 2), { perm: [0, 2, 1] }));
}

/** h_T = abar^T h_0 + sum_j abar^(T-1-j) bbar x_j, [batch, H, M]. */
function stateAfter(discrete: Discrete, x: Value, time: number | Value, initial: Complex | undefined): Complex {
  const left = op.sub(vector(difference(time, 1)), counted(time));
  const table = times(
    powers(discrete, left),
    each(discrete.bbar, (part) => op.unsqueeze(part, ints(1))),
  );
  const own = apart(op.matMul(x, together(table, 2)), 2);
  const all = initial === undefined ? own : plus(own, times(byChannel(initial), powers(discrete, vector(time))));
  return byChannel(all);
}
