import type { CostateRule } from '../src/graph/costate.ts';
import { type TensorType, tensorType } from '../src/graph/type.ts';
import type { Value } from '../src/graph/value.ts';
import { callForm, constructing, type Form, nth, typePart } from './define.ts';
import { expectEpsilon } from './epsilon.ts';
import { gibbsRow, type Vector } from './float64.ts';
import { expectMask, type MaskKind, maskInput, maskKind, withMask } from './mask.ts';
import { as, commonType, type FloatType, floatTypeOf, widened, workType } from './precision.ts';
import { summedTo } from './reduction.ts';
import { epsilonFrom, scaledLogits, throughWeights } from './rules.ts';
import { expectAtoms } from './shapes.ts';
import { exponentials, positive, reciprocal, weightsFrom } from './stable.ts';

/**
 * GibbsWeights: Z [.., N], epsilon -> Pi [.., N], pi = softmax(z / eps) over the last axis (theory.md section 1).
 * A row that is all -inf has weights 0. epsilon is float32, one number or of a shape that broadcasts with last axis 1 ([H, 1, 1]).
 * @throws DTYPE_MISMATCH, SHAPE_MISMATCH, BAD_EPSILON
 */
export function gibbsWeights(z: Value, epsilon: Value, options: { readonly mask?: Value | undefined } = {}): Value {
  return constructing('GibbsWeights', gibbsWeights, () => {
    const { mask } = options;
    const kind = maskKind(mask);
    const dtype = commonType(kind === 'biased' ? { Z: z, mask } : { Z: z });
    expectEpsilon(epsilon);
    expectAtoms('Z', z.shape?.at(-1));
    if (z.shape !== undefined) expectMask(mask, z.shape);
    const inputs = mask === undefined ? [z, epsilon] : [z, epsilon, mask];
    return nth(callForm(form(dtype, kind), inputs, [tensorType(dtype, z.shape)]), 0);
  });
}

function form(dtype: FloatType, mask: MaskKind): Form {
  return {
    name: 'GibbsWeights',
    parts: [mask, typePart(dtype)],
    inputs: logitInputs(dtype, mask),
    outputs: ['Pi'],
    doc: 'pi = softmax(Z / epsilon) over the last axis; 0 for a row that is all -inf.',
    body: ([z, epsilon, given]) => {
      const work = workType(dtype);
      if (z === undefined || epsilon === undefined) return [];
      const masked = withMask(widened(z), given, work);
      const inverse = reciprocal(positive(epsilon, work), work);
      return [as(weightsFrom(exponentials(masked, inverse, work), work), dtype)];
    },
    costate,
  };
}

/** Z, epsilon and, in the masked overloads, mask: of any rank. */
export function logitInputs(dtype: FloatType, mask: MaskKind): readonly (readonly [string, TensorType])[] {
  return [['Z', tensorType(dtype)], ['epsilon', tensorType('float32')], ...maskInput(mask, dtype)];
}

/** d pi / d z = (diag pi - pi pi') / eps; with respect to epsilon by homogeneity. */
export const costate: CostateRule = (node, [piBar], wanted) => {
  const [z, epsilon, mask] = node.inputs;
  const pi = node.outputs[0];
  if (piBar === undefined || z === undefined || epsilon === undefined || pi === undefined) return [];
  const dtype = floatTypeOf(z);
  const work = workType(dtype);
  const eps = as(epsilon, work);
  const weights = widened(pi);
  const zBar = throughWeights(weights, widened(piBar), eps);
  const masked = withMask(widened(z), mask, work);
  return [
    wanted[0] === true ? as(zBar, dtype) : undefined,
    wanted[1] === true ? summedTo(epsilonFrom(zBar, scaledLogits(masked, weights, eps, work)), epsilon) : undefined,
    mask !== undefined && mask.dtype !== 'bool' && wanted[2] === true ? summedTo(zBar, mask) : undefined,
  ];
};

/** The float64 reference: one row. */
export function gibbsWeightsReference(z: Vector, epsilon: number): Float64Array {
  return gibbsRow(z, epsilon).weights;
}
