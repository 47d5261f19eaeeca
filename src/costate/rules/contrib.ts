import type { Rule } from '../call.ts';
import { activationRules } from './contrib/activations.ts';
import { attentionRules } from './contrib/attention.ts';
import { groupQueryAttention } from './contrib/group-query.ts';
import { normalizationRules } from './contrib/normalizations.ts';
import { productRules } from './contrib/products.ts';
import { structureRules } from './contrib/structure.ts';

/** Operators of com.microsoft that ONNX Runtime and exporters emit. */
export const contribRules: Readonly<Record<string, Rule>> = {
  ...activationRules,
  ...productRules,
  ...normalizationRules,
  ...attentionRules,
  GroupQueryAttention: groupQueryAttention,
  ...structureRules,
};
