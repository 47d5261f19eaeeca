import * as op from '../../graph/op.ts';
import { Complex, type Tensorial } from '../lower/item.ts';
import { exponential, imaginaryOf, negated, plus, realOf, reciprocal } from './complex-numbers.ts';
import { like } from './kernels.ts';

/** cos(x + iy) and sin(x + iy), and those of i times it. */
const parts = (z: Tensorial) => ({ x: realOf(z), y: imaginaryOf(z) });
export const trigonometric: Readonly<Record<string, (z: Tensorial) => Tensorial>> = {
  cos: (z) => {
    const { x, y } = parts(z);
    return new Complex(op.mul(op.cos(x), op.cosh(y)), op.neg(op.mul(op.sin(x), op.sinh(y))));
  },
  sin: (z) => {
    const { x, y } = parts(z);
    return new Complex(op.mul(op.sin(x), op.cosh(y)), op.mul(op.cos(x), op.sinh(y)));
  },
  cosh: (z) => {
    const { x, y } = parts(z);
    return new Complex(op.mul(op.cosh(x), op.cos(y)), op.mul(op.sinh(x), op.sin(y)));
  },
  sinh: (z) => {
    const { x, y } = parts(z);
    return new Complex(op.mul(op.sinh(x), op.cos(y)), op.mul(op.cosh(x), op.sin(y)));
  },
  tanh: (z) => {
    const { x, y } = parts(z);
    const [twiceX, twiceY] = [op.add(x, x), op.add(y, y)];
    const below = op.add(op.cosh(twiceX), op.cos(twiceY));
    return new Complex(op.div(op.sinh(twiceX), below), op.div(op.sin(twiceY), below));
  },
  sigmoid: (z) => {
    const shrunk = exponential(negated(z));
    return reciprocal(plus(shrunk, like(realOf(z), 1)));
  },
};
