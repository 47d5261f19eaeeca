import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { DType } from '../files/dtype.ts';
import { elementCount, fromNumbers, type Tensor } from '../files/tensor.ts';
import type { ParameterPlan } from './plan.ts';

/** A source of uniform numbers in [0, 1), the same for the same seed everywhere. */
export type Random = () => number;

export function seeded(seed: number): Random {
  const generator = xoroshiro128plus(seed);
  return () => uniformFloat64(generator);
}

/**
 * Fresh weights of a layer, in PyTorch's distributions where PyTorch has the layer: nn.Linear draws weight and bias uniformly from
 * +-1/sqrt(fan_in); an LSE unit starts with W ~ N(0, (0.5/sqrt d)^2), b ~ N(0, 0.3^2).
 */
export function initialise(plan: ParameterPlan, dtype: DType, random: Random): Tensor {
  const values = new Float64Array(elementCount(plan.shape));
  const draw = drawing(plan, random);
  for (let i = 0; i < values.length; i++) values[i] = draw();
  return fromNumbers(dtype, plan.shape, values);
}

function drawing(plan: ParameterPlan, random: Random): () => number {
  switch (plan.role) {
    case 'linear.weight':
    case 'linear.bias': {
      const bound = 1 / Math.sqrt(plan.fanIn);
      return () => (2 * random() - 1) * bound;
    }
    case 'lse.weight':
      return () => (normal(random) * 0.5) / Math.sqrt(plan.fanIn);
    case 'lse.bias':
      return () => normal(random) * 0.3;
    case 'epsilon':
      return () => plan.initial;
  }
}

/** Standard normal by Box and Muller. */
function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
