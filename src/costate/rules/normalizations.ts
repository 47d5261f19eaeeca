import type { Rule } from '../call.ts';
import { batchNormalization } from './batch-normalization.ts';
import { channelNormalizationRules } from './channel-normalizations.ts';
import { layerNormalizationRules } from './layer-normalizations.ts';
import { vectorNormalizationRules } from './vector-normalizations.ts';

/** Normalisations. Half precision is computed in float32, as PyTorch does. */
export const normalizationRules: Readonly<Record<string, Rule>> = {
  BatchNormalization: batchNormalization,
  ...layerNormalizationRules,
  ...channelNormalizationRules,
  ...vectorNormalizationRules,
};
