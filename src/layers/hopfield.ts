import { gibbsAttention, gibbsAttentionReading } from '../../ops/index.ts';
import { as, ints, scalar } from '../../ops/precision.ts';
import { HopfcoleError } from '../files/error.ts';
import { differentDims } from '../graph/dim.ts';
import * as op from '../graph/op.ts';
import type { Value } from '../graph/value.ts';
import { normal } from './initial.ts';
import { viscosityOf } from './lse.ts';
import { type Epsilon, layer, type Module, makerOf } from './module.ts';

export interface HopfieldOptions {
  /** How many patterns the layer keeps; may be left out where a checkpoint says it. */
  readonly count?: number | undefined;
  /** Patterns [N, d] for all states, or [batch, N, d] for each of a batch [batch, time, d]; default: the parameter `patterns` [N, d]. */
  readonly patterns?: Value | undefined;
  /** 1/beta. Default sqrt(d). */
  readonly epsilon?: Epsilon | undefined;
  /** How often the state is updated. Default 1. */
  readonly steps?: number | undefined;
  /** true [N] or [.., N]: patterns that may be retrieved. */
  readonly mask?: Value | undefined;
  /** What else is read, at the state that is returned. */
  readonly outputs?: readonly ('weights' | 'energy')[] | undefined;
}

export interface Retrieved {
  /** The state after the steps, as x. */
  readonly output: Value;
  /** pi of the state that is returned, [.., N] */
  readonly weights?: Value | undefined;
  /** u(state, 1/2) = |state|^2/2 - epsilon log sum_j exp(y_j.state/epsilon), [..]: a step never raises it. */
  readonly energy?: Value | undefined;
}

/**
 * Modern Hopfield retrieval: state x [batch, d] or [batch, time, d] -> X softmax(X'x/epsilon), `steps` times, over stored patterns. Attention with V = K, and
 * exact: each step goes to the foot point x - grad u(x, 1/2) of the viscous solution whose initial data are the patterns with g_j = -|y_j|^2/2
 * (theory.md section 4).
 */
export function hopfield(module: Module, x: Value, options: HopfieldOptions = {}): Retrieved {
  return layer(hopfield, module, 'hopfield', () => {
    const { steps = 1, mask, outputs = [] } = options;
    const rank = module.rank(x, [2, 3], '[batch, features] or [batch, time, features]');
    if (!(Number.isInteger(steps) && steps > 0))
      throw new HopfcoleError('BAD_ARGUMENT', `expected 1 or more steps, got ${steps}`, { argument: 'steps' });
    const features = module.features(x, undefined, 'features', module.shapeOf('patterns')?.[1]);
    const patterns = patternsOf(module, rank, features, options);
    const given = options.epsilon ?? Math.sqrt(features);
    const [epsilon, viscosity] = [module.epsilon(given), viscosityOf(given)];
    let state = x;
    for (let step = 0; step < steps; step++) {
      const next = gibbsAttention(state, patterns, patterns, epsilon, { mask });
      state = module.mark(next, 'hopfield', { viscosity });
    }
    if (outputs.length === 0) return { output: state };
    const { weights, logSumExp } = gibbsAttentionReading(state, patterns, patterns, epsilon, { mask });
    const square = op.reduceSum(op.mul(state, state), ints(rank - 1), { keepdims: false });
    const energy = op.sub(op.mul(square, as(scalar(0.5), module.dtype)), logSumExp);
    return {
      output: state,
      ...(outputs.includes('weights') ? { weights } : {}),
      ...(outputs.includes('energy') ? { energy } : {}),
    };
  });
}

/** The patterns, of the rank of the state. */
function patternsOf(module: Module, rank: number, features: number, { patterns, count }: HopfieldOptions): Value {
  const own =
    patterns ??
    module.parameter(
      'patterns',
      [module.size(count, 'count', 'patterns', 0), features],
      normal(1 / Math.sqrt(features)),
    );
  const axes = module.rank(own, rank === 3 ? [2, 3] : [2], 'patterns [N, features]');
  if (differentDims(own.shape?.at(-1), features))
    throw new HopfcoleError(
      'SHAPE_MISMATCH',
      `${module.describe()} compares a state of ${features} features with patterns of ${own.shape?.at(-1)} from ${makerOf(own)}`,
      { argument: 'patterns' },
    );
  return axes < rank ? op.unsqueeze(own, ints(0)) : own;
}
