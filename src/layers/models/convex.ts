import { logSumExp } from '../../../ops/log-sum-exp.ts';
import { fromNumbers } from '../../files/tensor.ts';
import { constant } from '../../graph/make.ts';
import * as op from '../../graph/op.ts';
import type { Value } from '../../graph/value.ts';
import { filled, normal } from '../initial.ts';
import { viscosityOf } from '../lse.ts';
import { type Epsilon, layer, type Module } from '../module.ts';

export interface ConvexOptions {
  /** Units of each hidden layer. */
  readonly hidden: readonly number[];
  /** Atoms of every unit. */
  readonly atoms: number;
  readonly epsilon?: Epsilon | undefined;
  /** How the weights between layers are kept from being negative: `softplus` of the stored ones (default), or `clamp` (PICNN code's clip at 0). */
  readonly positive?: 'softplus' | 'clamp' | undefined;
}

/**
 * Input-convex network with log-sum-exp units (ICNN): z_1 = LSE_eps(W_0 x + b_0), z_(l+1) = LSE_eps(P_l z_l + W_l x + b_l) with P_l >= 0, and one
 * output unit; convex in x, since a log-sum-exp that rises in each convex z is convex. x [batch, d] -> [batch].
 * Parameters per layer l: `layers.l.input.weight` [K, N, d], `layers.l.bias` [K, N], and from the second on `layers.l.convex.weight` [K, N, K'] (raw).
 */
export function convexNetwork(module: Module, x: Value, options: ConvexOptions): Value {
  return layer(convexNetwork, module, 'convex', () => {
    module.rank(x, [2], '[batch, d]');
    const d = module.features(x, undefined, 'in', module.at('layers.0.input').shapeOf('weight')?.[2]);
    const epsilon = options.epsilon ?? 1;
    const { atoms } = options;
    let z: Value | undefined;
    let before = 0;
    for (const [index, units] of [...options.hidden, 1].entries()) {
      const own = module.at(`layers.${index}`);
      const W = own.at('input').parameter('weight', [units, atoms, d], normal(0.5 / Math.sqrt(d)));
      const b = own.parameter('bias', [units, atoms], normal(0.3));
      // The unit sees x and the units before it as one input: atoms [W | P].
      const atomsOfUnit =
        z === undefined
          ? W
          : op.concat([W, positiveOf(own.at('convex'), [units, atoms, before], options)], { axis: -1 });
      const seen: Value = z === undefined ? x : op.concat([x, z], { axis: -1 });
      z = own.mark(logSumExp(seen, atomsOfUnit, b, module.epsilon(epsilon)), 'convex', {
        viscosity: viscosityOf(epsilon),
      });
      before = units;
    }
    return z === undefined ? x : op.squeeze(z, constant(fromNumbers('int64', [1], [1])));
  });
}

function positiveOf(module: Module, shape: readonly number[], options: ConvexOptions): Value {
  const raw = module.parameter('weight', shape, options.positive === 'clamp' ? filled(0.1) : normal(0.5, -1));
  if (options.positive === 'clamp') return op.relu(raw);
  // max(w, 0) + log(1 + exp(-|w|)): softplus, with kernels for every element type.
  const one = constant(fromNumbers(module.dtype, [], [1]));
  return op.add(op.relu(raw), op.log(op.add(op.exp(op.neg(op.abs(raw))), one)));
}
