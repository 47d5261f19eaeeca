import { controlRules } from '../hop/control.ts';
import { effectRules } from '../hop/effects.ts';
import { inlineRules } from '../hop/inline.ts';
import { refusedRules } from '../hop/refused.ts';
import type { Call } from '../lower/call.ts';
import type { Result } from '../lower/item.ts';
import type { Lowering, Rules, ViewRule, ViewRules } from '../lower/rule.ts';
import type { GraphScope, Report } from '../lower/scope.ts';
import { activationRules } from './activations.ts';
import { adaptivePoolingRules } from './adaptive-pooling.ts';
import { aliasRules } from './aliases.ts';
import { arithmeticRules } from './arithmetic.ts';
import { attentionRules } from './attention.ts';
import { batchNormRules } from './batch-norms.ts';
import { broadcastingRules } from './broadcasting.ts';
import { cellRules } from './cells.ts';
import { choiceRules } from './choices.ts';
import { classLossRules } from './class-losses.ts';
import { comparisonRules } from './comparisons.ts';
import { complexMakerRules, complexRules } from './complex.ts';
import { complexProductRules } from './complex-products.ts';
import { componentwise } from './componentwise.ts';
import { contractionRules } from './contractions.ts';
import { conversionRules, conversionViews } from './conversions.ts';
import { convolutionRules } from './convolution.ts';
import { creationRules } from './creation.ts';
import { cumulativeRules } from './cumulative.ts';
import { distanceLossRules } from './distance-losses.ts';
import { distanceRules } from './distances.ts';
import { divisionRules } from './division.ts';
import { elementaryRules } from './elementary.ts';
import { embeddingRules } from './embeddings.ts';
import { extremeRules } from './extremes.ts';
import { gridRules } from './grids.ts';
import { indexingRules } from './indexing.ts';
import { joiningRules } from './joining.ts';
import { linearRules } from './linear.ts';
import { linearAlgebraRules } from './linear-algebra.ts';
import { lossRules } from './losses.ts';
import { nativeAttentionRules } from './native-attention.ts';
import { normRules } from './norms.ts';
import { padRules } from './pads.ts';
import { patchRules } from './patches.ts';
import { poolingRules } from './pooling.ts';
import { randomRules } from './random.ts';
import { rearrangingRules } from './rearranging.ts';
import { recurrentRules } from './recurrent.ts';
import { reductionRules } from './reductions.ts';
import { resamplingRules } from './resampling.ts';
import { scatteringRules } from './scattering.ts';
import { searchingRules } from './searching.ts';
import { softmaxRules } from './softmax.ts';
import { sortingRules } from './sorting.ts';
import { specialRules } from './special.ts';
import { spectrogramRules } from './spectrograms.ts';
import { spreadRules } from './spreads.ts';
import { symbolicRules } from './symbolic.ts';
import { fourierRules } from './transforms.ts';
import { vectorNormRules } from './vector-norms.ts';
import { copyRules, viewRules } from './views.ts';
import { weightNormRules } from './weight-norms.ts';
import { windowRules } from './window-functions.ts';

/** An operator with graphs as arguments. */
export type HigherOrder = (call: Call, scope: GraphScope, report: Report) => Result | readonly Result[];

/** The lowerings of one family, as docs/aten.md lists them. */
export interface Family {
  readonly name: string;
  /** The test that holds them against PyTorch, without its ending: `test/torch/aten/NAME`. */
  readonly test: string;
  readonly rules?: Rules;
  /** Operators whose result shares its input's memory. */
  readonly views?: ViewRules;
  /** Operators on complex tensors, for which those of reals do not do. */
  readonly complex?: Rules;
  /** Operators that move elements, or treat them linearly: on complex tensors they do the same to both parts. */
  readonly componentwise?: readonly string[];
  readonly higherOrder?: Readonly<Record<string, HigherOrder>>;
}

/** Every operator that is lowered: one family a file, one line a family. */
export const families: readonly Family[] = [
  { name: 'Sizes and symbolic numbers', test: 'symbolic', rules: symbolicRules },
  { name: 'Views', test: 'views', rules: copyRules, views: viewRules },
  { name: 'Joining and copying', test: 'joining', rules: joiningRules },
  { name: 'Rearranging', test: 'joining', rules: rearrangingRules },
  { name: 'Indexing', test: 'indexing', rules: indexingRules },
  { name: 'Gathering and scattering', test: 'scattering', rules: scatteringRules },
  { name: 'Sorting', test: 'sorting', rules: sortingRules },
  { name: 'Searching and counting', test: 'sorting', rules: searchingRules },
  { name: 'Embeddings', test: 'embeddings', rules: embeddingRules },
  { name: 'Elementary functions', test: 'elementary', rules: elementaryRules },
  { name: 'Special functions', test: 'elementary', rules: specialRules },
  { name: 'Arithmetic', test: 'arithmetic', rules: arithmeticRules },
  { name: 'Division, powers and shifts', test: 'arithmetic', rules: divisionRules },
  { name: 'Comparisons and logic', test: 'comparisons', rules: comparisonRules },
  { name: 'Choices', test: 'comparisons', rules: choiceRules },
  { name: 'Second names', test: 'elementary', rules: aliasRules },
  { name: 'Conversions and copies', test: 'conversions', rules: conversionRules, views: conversionViews },
  { name: 'Activations', test: 'activations', rules: activationRules },
  { name: 'Convolutions', test: 'convolution', rules: convolutionRules },
  { name: 'Pooling', test: 'pooling', rules: poolingRules },
  { name: 'Adaptive pooling', test: 'pooling', rules: adaptivePoolingRules },
  { name: 'Resampling', test: 'images', rules: resamplingRules },
  { name: 'Sampling on grids', test: 'images', rules: gridRules },
  { name: 'Padding', test: 'images', rules: padRules },
  { name: 'Patches and shuffles', test: 'images', rules: patchRules },
  { name: 'Losses', test: 'losses', rules: lossRules },
  { name: 'Losses of classes', test: 'losses', rules: classLossRules },
  { name: 'Losses of distances', test: 'losses', rules: distanceLossRules },
  { name: 'Creation', test: 'creation', rules: creationRules },
  { name: 'Random numbers', test: 'creation', rules: randomRules },
  { name: 'Window functions', test: 'creation', rules: windowRules },
  { name: 'Broadcasting', test: 'creation', rules: broadcastingRules },
  { name: 'Products', test: 'linear', rules: linearRules },
  { name: 'Contractions', test: 'linear', rules: contractionRules },
  { name: 'Norms of vectors and matrices', test: 'algebra', rules: vectorNormRules },
  { name: 'Distances', test: 'algebra', rules: distanceRules },
  { name: 'Linear algebra', test: 'algebra', rules: linearAlgebraRules },
  { name: 'Sums and other reductions', test: 'reductions', rules: reductionRules },
  { name: 'Variances and deviations', test: 'reductions', rules: spreadRules },
  { name: 'Extremes', test: 'extremes', rules: extremeRules },
  { name: 'Running sums, products and extremes', test: 'extremes', rules: cumulativeRules },
  { name: 'Softmax', test: 'softmax', rules: softmaxRules },
  { name: 'Norms', test: 'norms', rules: normRules },
  { name: 'Batch and instance norms', test: 'norms', rules: batchNormRules },
  { name: 'Weight norm', test: 'norms', rules: weightNormRules },
  { name: 'Attention', test: 'attention', rules: attentionRules },
  { name: 'Attention of whole modules', test: 'attention', rules: nativeAttentionRules },
  { name: 'Recurrences', test: 'recurrent', rules: recurrentRules },
  { name: 'Complex numbers', test: 'complex', rules: complexMakerRules, complex: complexRules, componentwise },
  { name: 'Products of complex numbers', test: 'complex', complex: complexProductRules },
  { name: 'Fourier transforms', test: 'complex', rules: fourierRules, complex: fourierRules },
  { name: 'Spectrograms', test: 'complex', rules: spectrogramRules },
  { name: 'Cells of recurrences', test: 'recurrent', rules: cellRules },
  { name: 'Control flow', test: 'control', higherOrder: controlRules },
  { name: 'Wrapped graphs', test: 'control', higherOrder: inlineRules },
  { name: 'Effects', test: 'control', higherOrder: effectRules },
  { name: 'Graphs that are refused', test: 'control', higherOrder: refusedRules },
];

const rules = joined<Lowering>(({ rules = {} }) => rules);
const views = joined<ViewRule>(({ views = {} }) => views);
const complex = joined<Lowering>(({ complex = {} }) => complex);
const higherOrder = joined<HigherOrder>(({ higherOrder = {} }) => higherOrder);
const byParts: ReadonlySet<string> = new Set(families.flatMap(({ componentwise = [] }) => componentwise));

export function ruleOf(target: string): Lowering | undefined {
  return rules.get(target);
}

export function viewRuleOf(target: string): ViewRule | undefined {
  return views.get(target);
}

export function complexRuleOf(target: string): Lowering | undefined {
  return complex.get(target);
}

export function isComponentwise(target: string): boolean {
  return byParts.has(target);
}

export function higherOrderRuleOf(target: string): HigherOrder | undefined {
  return higherOrder.get(target);
}

function joined<T>(part: (family: Family) => Readonly<Record<string, T>>): ReadonlyMap<string, T> {
  return new Map(families.flatMap((family) => Object.entries(part(family))));
}
