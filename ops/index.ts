/** The custom operators of the domain ai.hopfcole: constructors on Values, float64 references, and what each is in Hamilton-Jacobi terms. */
export type { Blocks, FormOptions } from './atoms.ts';
export {
  type AttributionOptions,
  type AttributionValues,
  attribution,
  attributionReference,
} from './attribution.ts';
export { type AtomForm, type ChosenForm, chooseForm, type Sizes } from './choose-form.ts';
export { coState, coStateReference, solution } from './co-state.ts';
export { bodyOpset, domain, domainVersion } from './domain.ts';
export {
  type AttentionOptions,
  type AttentionReading,
  gibbsAttention,
  gibbsAttentionReading,
  gibbsAttentionReference,
} from './gibbs-attention.ts';
export { gibbsEntropy, gibbsEntropyReference } from './gibbs-entropy.ts';
export { gibbsWeights, gibbsWeightsReference } from './gibbs-weights.ts';
export { type HopfColeOptions, hopfCole, hopfColeReference } from './hopf-cole.ts';
export { hopfLax, hopfLaxReference } from './hopf-lax.ts';
export { logSumExp, logSumExpReference } from './log-sum-exp.ts';
export { mergeSolutions, mergeSolutionsReference, type ShardRow } from './merge-solutions.ts';
export { costateRuleOf } from './recall.ts';
export type { SolutionOptions } from './solution.ts';
export { type OperatorReading, operators, type Recognised, recognise } from './table.ts';
