import type { CostateRule } from '../src/graph/costate.ts';
import { tensorType } from '../src/graph/type.ts';
import type { Value } from '../src/graph/value.ts';
import { callForm, constructing, type Form, nth, typePart } from './define.ts';
import { expectEpsilon } from './epsilon.ts';
import { gibbsRow, type Vector } from './float64.ts';
import { gibbsWeights, logitInputs } from './gibbs-weights.ts';
import { expectMask, type MaskKind, maskKind, withMask } from './mask.ts';
import { as, commonType, type FloatType, floatTypeOf, widened, workType } from './precision.ts';
import { summedTo } from './reduction.ts';
import { epsilonFrom, lastAxis, scaledLogits, throughEntropy } from './rules.ts';
import { expectAtoms } from './shapes.ts';
import { dropLast, entropyFrom, exponentials, positive, reciprocal } from './stable.ts';

/**
 * GibbsEntropy: Z [.., N], epsilon -> H [..] = -sum pi log pi in nats, in [0, log N] (theory.md 2.3 and section 3).
 * Counts only pi > 0; a row that is all -inf has H = 0.
 * @throws DTYPE_MISMATCH, SHAPE_MISMATCH, BAD_EPSILON
 */
export function gibbsEntropy(z: Value, epsilon: Value, options: { readonly mask?: Value | undefined } = {}): Value {
  return constructing('GibbsEntropy', gibbsEntropy, () => {
    const { mask } = options;
    const kind = maskKind(mask);
    const dtype = commonType(kind === 'biased' ? { Z: z, mask } : { Z: z });
    expectEpsilon(epsilon);
    expectAtoms('Z', z.shape?.at(-1));
    if (z.shape !== undefined) expectMask(mask, z.shape);
    const inputs = mask === undefined ? [z, epsilon] : [z, epsilon, mask];
    return nth(callForm(form(dtype, kind), inputs, [tensorType(dtype, z.shape?.slice(0, -1))]), 0);
  });
}

function form(dtype: FloatType, mask: MaskKind): Form {
  return {
    name: 'GibbsEntropy',
    parts: [mask, typePart(dtype)],
    inputs: logitInputs(dtype, mask),
    outputs: ['H'],
    doc: 'Entropy of softmax(Z / epsilon) over the last axis, in nats, over the atoms with weight; 0 for a row that is all -inf.',
    body: ([z, epsilon, given]) => {
      const work = workType(dtype);
      if (z === undefined || epsilon === undefined) return [];
      const masked = withMask(widened(z), given, work);
      const parts = exponentials(masked, reciprocal(positive(epsilon, work), work), work);
      return [as(dropLast(entropyFrom(parts, work)), dtype)];
    },
    costate,
  };
}

/** dH/dz_j = -pi_j (a_j - E_pi a) / eps with a = z / eps; dH/deps = Var_pi(z) / eps^3, by homogeneity. */
export const costate: CostateRule = (node, [hBar], wanted) => {
  const [z, epsilon, mask] = node.inputs;
  if (hBar === undefined || z === undefined || epsilon === undefined) return [];
  const dtype = floatTypeOf(z);
  const work = workType(dtype);
  const eps = as(epsilon, work);
  const masked = withMask(widened(z), mask, work);
  const pi = gibbsWeights(masked, epsilon);
  const scaled = scaledLogits(masked, pi, eps, work);
  const zBar = throughEntropy(lastAxis(widened(hBar)), pi, scaled, eps);
  return [
    wanted[0] === true ? as(zBar, dtype) : undefined,
    wanted[1] === true ? summedTo(epsilonFrom(zBar, scaled), epsilon) : undefined,
    mask !== undefined && mask.dtype !== 'bool' && wanted[2] === true ? summedTo(zBar, mask) : undefined,
  ];
};

/** The float64 reference: one row. */
export function gibbsEntropyReference(z: Vector, epsilon: number): number {
  return gibbsRow(z, epsilon).entropy;
}
