import { costateRuleOf } from '../../ops/recall.ts';
import type { Node } from '../graph/value.ts';
import type { Rule } from './call.ts';
import { activationRules } from './rules/activations.ts';
import { attentionRules } from './rules/attention.ts';
import { contribRules } from './rules/contrib.ts';
import { convolutionRules } from './rules/convolution.ts';
import { cumulativeRules } from './rules/cumulative.ts';
import { determinantRules } from './rules/determinant.ts';
import { einsumRules } from './rules/einsum.ts';
import { elementwiseRules } from './rules/elementwise.ts';
import { indexingRules } from './rules/indexing.ts';
import { lossRules } from './rules/losses.ts';
import { matrixRules } from './rules/matrix.ts';
import { normalizationRules } from './rules/normalizations.ts';
import { poolingRules } from './rules/pooling.ts';
import { quantizationRules } from './rules/quantization.ts';
import { recurrentRules } from './rules/recurrent.ts';
import { reductionRules } from './rules/reductions.ts';
import { resamplingRules } from './rules/resampling.ts';
import { scatteringRules } from './rules/scattering.ts';
import { sequenceRules } from './rules/sequences.ts';
import { slicingRules } from './rules/slicing.ts';
import { softmaxRules } from './rules/softmaxes.ts';
import { sourceRules } from './rules/sources.ts';
import { spectralRules } from './rules/spectral.ts';
import { structureRules } from './rules/structure.ts';

/** The families of ai.onnx, each a file of rules. */
export const families: Readonly<Record<string, Readonly<Record<string, Rule>>>> = {
  'Elementary functions': elementwiseRules,
  Activations: activationRules,
  Softmaxes: softmaxRules,
  Reductions: reductionRules,
  'Running sums': cumulativeRules,
  'Matrix products': matrixRules,
  'Einstein sums': einsumRules,
  Determinants: determinantRules,
  Structure: structureRules,
  'Parts and rims': slicingRules,
  'Reading by index': indexingRules,
  'Writing by index': scatteringRules,
  Convolutions: convolutionRules,
  Pooling: poolingRules,
  Normalisations: normalizationRules,
  Resampling: resamplingRules,
  'Fourier transforms': spectralRules,
  Attention: attentionRules,
  Recurrences: recurrentRules,
  Losses: lossRules,
  Quantisation: quantizationRules,
  Sequences: sequenceRules,
  'Numbers of a shape': sourceRules,
};

/** The rules of ai.onnx by operator. Without a prototype: names come from files. */
const standardRules: Readonly<Record<string, Rule | undefined>> = Object.freeze(
  Object.assign(Object.create(null), ...Object.values(families)),
);

const byDomain: ReadonlyMap<string, Readonly<Record<string, Rule | undefined>>> = new Map([
  ['', standardRules],
  ['com.microsoft', Object.freeze(Object.assign(Object.create(null), contribRules))],
]);

/** The rule of one call: of the function that is called, where it has one of its own, or of the operator. */
export function ruleFor(node: Node): Rule | undefined {
  if (node.domain === '') return standardRules[node.opType];
  const own = costateRuleOf(node);
  if (own !== undefined) return { says: "the operator's own", apply: own };
  return byDomain.get(node.domain)?.[node.opType];
}
