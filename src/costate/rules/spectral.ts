import { type Rule, rule, unary, zero } from '../call.ts';
import { fourierBack } from './fourier.ts';
import { shortTimeBack } from './short-time.ts';

/**
 * Fourier transforms F. Complex numbers are pairs in the last axis, so all of it is linear over the real numbers, and the transposed
 * transform is conj F conj: the forward transform again.
 */
export const spectralRules: Readonly<Record<string, Rule>> = {
  DFT: unary(
    'conj F conj g; F g / n of an inverse; both cut or filled with zeros to the length of x',
    (g, x, _, call) => fourierBack(g, x, call),
    'of a real x the real part; inverse and onesided: frequencies that stand for two count twice',
  ),
  STFT: rule(
    'conj F conj g of every frame, times the window, summed where frames overlap; to the window the same times the frame',
    (call) => shortTimeBack(call),
  ),
  MelWeightMatrix: zero('0: the bins between which it rises and falls are whole numbers'),
};
