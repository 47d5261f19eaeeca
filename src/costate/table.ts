import { costateRuleOf } from '../../ops/recall.ts';
import type { Node } from '../graph/value.ts';
import type { Rule } from './call.ts';
import { elementwiseRules } from './rules/elementwise.ts';
import { matrixRules } from './rules/matrix.ts';
import { reductionRules } from './rules/reductions.ts';
import { structureRules } from './rules/structure.ts';

/** The families of ai.onnx, each a file of rules. */
export const families: Readonly<Record<string, Readonly<Record<string, Rule>>>> = {
  'Elementary functions': elementwiseRules,
  Reductions: reductionRules,
  'Matrix products': matrixRules,
  Structure: structureRules,
};

/** The rules of ai.onnx by operator. Without a prototype: names come from files. */
export const standardRules: Readonly<Record<string, Rule | undefined>> = Object.freeze(
  Object.assign(Object.create(null), ...Object.values(families)),
);

/** The rules of other domains that ONNX Runtime and the exporters use, by domain and operator. */
export const contribRules: Readonly<Record<string, Rule | undefined>> = Object.freeze(
  Object.assign(Object.create(null)),
);

/** The rule of one call: of a function that has one of its own, or of the operator. */
export function ruleFor(node: Node): Rule | undefined {
  if (node.domain === '') return standardRules[node.opType];
  const own = costateRuleOf(node);
  if (own !== undefined) return { says: "the operator's own", apply: own };
  return node.domain === 'com.microsoft' ? contribRules[node.opType] : undefined;
}
