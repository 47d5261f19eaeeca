import { hopfCole } from '../../ops/hopf-cole.ts';
import { hopfLax } from '../../ops/hopf-lax.ts';
import { fromNumbers } from '../files/tensor.ts';
import { constant } from '../graph/make.ts';
import * as op from '../graph/op.ts';
import type { Value } from '../graph/value.ts';
import { byIndex, normal } from './initial.ts';
import { viscosityOf } from './lse.ts';
import { type Epsilon, layer, type Module } from './module.ts';

export interface HopfColeLayerOptions {
  readonly dim?: number | undefined;
  readonly atoms?: number | undefined;
  /** Viscosity, default 1; 0 is the inviscid limit (Hopf-Lax). */
  readonly epsilon?: Epsilon | undefined;
  /** The time at which the solution is evaluated, default 1/2. */
  readonly time?: number | undefined;
  /** H(p) = p'Ap, A = LL': the parameter `metric` [d, d] is L, lower triangular. */
  readonly anisotropic?: boolean | undefined;
}

export interface HopfColeValues {
  /** u(x, t), [batch] */
  readonly u: Value;
  /** grad u, [batch, d]; undefined in the inviscid limit, whose operator gives the atom that attains it. */
  readonly gradient: Value | undefined;
  /** E_pi y, [batch, d]: where the characteristics start. */
  readonly foot: Value | undefined;
  /** The atom that attains the minimum, [batch] int64; only in the inviscid limit. */
  readonly index: Value | undefined;
}

/**
 * Hopf-Cole layer: the viscous solution of its own initial data. x [batch, d] -> u(x, t) with gradient and foot point; parameters `y` [N, d],
 * `g` [N] and, where anisotropic, `metric` [d, d] (theory.md section 1; exact).
 */
export function hopfColeLayer(module: Module, x: Value, options: HopfColeLayerOptions = {}): HopfColeValues {
  return layer(hopfColeLayer, module, 'hopf-cole', () => {
    const { epsilon = 1, time = 0.5, anisotropic = false } = options;
    module.rank(x, [2], '[batch, d]');
    const dim = module.features(x, options.dim, 'dim', module.shapeOf('y')?.[1]);
    const atoms = module.size(options.atoms, 'atoms', 'y', 0);
    const y = module.parameter('y', [atoms, dim], normal(0.5));
    const g = module.parameter('g', [atoms], normal(0.3));
    const t = module.constant('t', [], [time]);
    if (epsilon === 0) {
      const [u, index] = module.mark(hopfLax(x, y, g, t), 'hopf-cole', {
        viscosity: 0,
        discretisation: 'none: the Hopf-Lax solution, the limit eps -> 0',
        equation: 'u_t + |grad u|^2 = 0, u(x,t) = min_j g_j + |x - y_j|^2/(4t)',
      });
      return { u: u ?? x, gradient: undefined, foot: undefined, index };
    }
    const identity = byIndex((index) => (Math.floor(index / dim) === index % dim ? 1 : 0));
    const metric = anisotropic ? module.parameter('metric', [dim, dim], identity) : undefined;
    const outputs = module.mark(hopfCole(x, y, g, module.epsilon(epsilon), t, { metric }), 'hopf-cole', {
      viscosity: viscosityOf(epsilon),
      hamiltonian: anisotropic ? "p'Ap, A = LL'" : '|p|^2',
    });
    return { u: outputs[0] ?? x, gradient: outputs[1], foot: outputs[2], index: undefined };
  });
}

/** (y, g) -> (W, b) at time t: W = y/(2t), b = -g - |y|^2/(4t) (theory.md section 1). y [.., N, d], g [.., N]. */
export function encodeAtoms(y: Value, g: Value, t: number): readonly [W: Value, b: Value] {
  const number = (value: number) => constant(fromNumbers(y.dtype ?? 'float32', [], [value]));
  const square = op.reduceSumSquare(y, lastAxis(), { keepdims: false });
  return [op.div(y, number(2 * t)), op.sub(op.neg(g), op.div(square, number(4 * t)))];
}

/** (W, b) -> (y, g) at time t: y = 2t W, g = -b - t|W|^2. The inverse of `encodeAtoms` for every t > 0: t is a gauge. */
export function decodeAtoms(W: Value, b: Value, t: number): readonly [y: Value, g: Value] {
  const number = (value: number) => constant(fromNumbers(W.dtype ?? 'float32', [], [value]));
  const square = op.reduceSumSquare(W, lastAxis(), { keepdims: false });
  return [op.mul(W, number(2 * t)), op.sub(op.neg(b), op.mul(square, number(t)))];
}

function lastAxis(): Value {
  return constant(fromNumbers('int64', [1], [-1]));
}
