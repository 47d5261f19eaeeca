import { scalar } from '../../ops/precision.ts';
import { HopfcoleError } from '../files/error.ts';
import * as op from '../graph/op.ts';
import { describeShape } from '../graph/type.ts';
import type { Value } from '../graph/value.ts';
import { filled } from './initial.ts';
import { layer, type Module } from './module.ts';

/** F(x): called once for each state the method evaluates it at. Parameters are tied, since a module gives the same ones each time. */
export type Branch = (x: Value) => Value;

export const methods = ['euler', 'midpoint', 'rk4'] as const;
export type Method = (typeof methods)[number];

export interface ResidualOptions {
  /** h; default 1. */
  readonly step?: number | undefined;
  /** Default 'euler', the residual step as everyone builds it. */
  readonly method?: Method | undefined;
  /**
   * Name of a parameter that scales the branch along the last axis (LayerScale's gamma [features]), or along `scaleAxis`; `scaleShape` [] or [1]
   * is one number (ReZero).
   */
  readonly scale?: string | undefined;
  readonly scaleAxis?: number | undefined;
  readonly scaleShape?: readonly number[] | undefined;
  /** What a fresh scale starts at; default 1. */
  readonly scaleStart?: number | undefined;
  /** eps: noise sqrt(2 eps h) N(0, 1) is added to each step where `training` is given and true. */
  readonly viscosity?: number | undefined;
  /** A bool scalar, usually an input of the graph; `true` for noise always. Default: none, and there is no noise. */
  readonly training?: Value | true | undefined;
  /** Of the noise; default: the runtime's own. */
  readonly seed?: number | undefined;
  /** What x becomes on its way past the branch where shapes change (ResNet's downsample): then no step of one equation. */
  readonly shortcut?: Branch | undefined;
}

const discretisations = {
  euler: 'forward Euler (the co-state recursion is exact)',
  midpoint: 'midpoint rule, second order',
  rk4: 'Runge-Kutta, fourth order',
} as const;

const equations = {
  euler: 'x_(l+1) = x_l + {h} F(x_l)',
  midpoint: 'x_(l+1) = x_l + {h} F(x_l + {h}/2 F(x_l))',
  rk4: 'x_(l+1) = x_l + {h}/6 (k1 + 2 k2 + 2 k3 + k4)',
} as const;

const latexes = {
  euler: 'x_{l+1} = x_l + h F(x_l)',
  midpoint: 'x_{l+1} = x_l + h F\\big(x_l + \\tfrac{h}{2} F(x_l)\\big)',
  rk4: 'x_{l+1} = x_l + \\tfrac{h}{6}(k_1 + 2k_2 + 2k_3 + k_4)',
} as const;

/**
 * Residual step x -> x + h F(x): forward Euler of dx/dt = F(x) = dH/dp, H(x, p) = p.F(x) (theory.md section 4: the co-state recursion exact, the
 * discretisation structural); or midpoint and RK4 of the same F. `branch` is F, or F(x) where it is computed already (forward Euler only).
 */
export function residual(module: Module, x: Value, branch: Branch | Value, options: ResidualOptions = {}): Value {
  return layer(residual, module, 'residual', () => {
    const { method = 'euler', step = 1 } = options;
    if (!(Number.isFinite(step) && step > 0))
      throw new HopfcoleError('BAD_ARGUMENT', `expected a step above 0, got ${step}`, { argument: 'step' });
    if (typeof branch !== 'function' && method !== 'euler')
      throw new HopfcoleError('BAD_ARGUMENT', `expected F as a function of x for method '${method}', got a value`, {
        argument: 'branch',
      });
    const F: Branch = (state) => scaled(module, typeof branch === 'function' ? branch(state) : branch, options);
    const base = options.shortcut === undefined ? x : options.shortcut(x);
    if (base !== x && method !== 'euler')
      throw new HopfcoleError('BAD_ARGUMENT', `method '${method}' takes no shortcut: F must keep the shape of x`, {
        argument: 'shortcut',
      });
    const flow = increment(module, x, F, method, step);
    const added = noisy(module, x, flow, step, options);
    composes(module, base, added);
    const viscosity = options.training === undefined ? 0 : (options.viscosity ?? 0);
    return module.mark(op.add(base, added), 'residual', {
      step,
      viscosity,
      ...(base === x
        ? {
            discretisation: discretisations[method],
            equation: `dx/dt = dH/dp = F(x), H = p.F(x): ${equations[method]}`,
            latex: `${latexes[method]},\\quad H(x,p) = p \\cdot F(x)`,
          }
        : {
            discretisation: 'forward Euler about a change of coordinates S',
            equation: 'x_(l+1) = S x_l + {h} F(x_l)',
            latex: 'x_{l+1} = S x_l + h F(x_l)',
          }),
    });
  });
}

/** x_(l+1) - x_l without noise. */
function increment(module: Module, x: Value, F: Branch, method: Method, step: number): Value {
  const times = (factor: number, value: Value) => (factor === 1 ? value : op.mul(value, scalar(factor, module.dtype)));
  const k1 = F(x);
  if (method === 'euler') return times(step, k1);
  composes(module, x, k1);
  const again: Branch = (state) => module.again(() => F(state));
  const k2 = again(op.add(x, times(step / 2, k1)));
  if (method === 'midpoint') return times(step, k2);
  const k3 = again(op.add(x, times(step / 2, k2)));
  const k4 = again(op.add(x, times(step, k3)));
  return times(step / 6, op.add(op.add(k1, times(2, op.add(k2, k3))), k4));
}

function scaled(module: Module, value: Value, options: ResidualOptions): Value {
  const { scale, scaleStart = 1 } = options;
  if (scale === undefined) return value;
  const rank = value.shape?.length ?? 1;
  const axis = options.scaleAxis ?? -1;
  const place = axis < 0 ? axis + rank : axis;
  const features = value.shape?.[place];
  const stored = options.scaleShape ?? module.shapeOf(scale) ?? (typeof features === 'number' ? [features] : undefined);
  if (stored === undefined)
    throw new HopfcoleError(
      'BAD_SPEC',
      `${module.describe()} does not know the shape of its scale`,
      {},
      'Give scaleShape',
    );
  const own = module.parameter(scale, stored, filled(scaleStart));
  const trailing = stored.length === 1 && stored[0] !== 1 ? rank - 1 - place : 0;
  if (trailing === 0) return op.mul(value, own);
  const shape = [stored[0] ?? 1, ...Array<number>(trailing).fill(1)];
  return op.mul(value, op.reshape(own, op.constant({ valueInts: shape })));
}

/** h F(x) + sqrt(2 eps h) xi, xi ~ N(0, 1), where noise is asked for. */
function noisy(module: Module, x: Value, flow: Value, step: number, options: ResidualOptions): Value {
  const { viscosity = 0, training, seed } = options;
  if (!(viscosity >= 0 && Number.isFinite(viscosity)))
    throw new HopfcoleError('BAD_EPSILON', `expected a viscosity of at least 0, got ${viscosity}`, {
      argument: 'viscosity',
    });
  if (training === undefined || viscosity === 0) return flow;
  const scale = Math.sqrt(2 * viscosity * step);
  const noise = op.randomNormalLike(x, { scale, ...(seed === undefined ? {} : { seed }) });
  return op.add(flow, training === true ? noise : op.mul(noise, op.cast(training, { to: module.dtype })));
}

/** @throws SHAPE_MISMATCH where what is added is known to have another shape than what it is added to. */
function composes(module: Module, x: Value, added: Value): void {
  const [one, other] = [x.shape, added.shape];
  if (one === undefined || other === undefined) return;
  const differ = (dim: unknown, axis: number) =>
    typeof dim === 'number' && typeof other[axis] === 'number' && dim !== other[axis];
  if (one.length !== other.length || one.some(differ))
    throw new HopfcoleError(
      'SHAPE_MISMATCH',
      `${module.describe()} adds F(x) of shape ${describeShape(other)} to x of shape ${describeShape(one)}`,
      { argument: 'branch' },
      'Make F keep the shape of x, or give a shortcut that changes x alike',
    );
}
