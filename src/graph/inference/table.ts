import type { InferRule } from '../rule.ts';
import { einsum } from './einsum.ts';
import { elementwiseRules } from './elementwise.ts';
import { gatherRules } from './gather.ts';
import { generateRules } from './generate.ts';
import { matrixRules } from './matrix.ts';
import { partRules } from './parts.ts';
import { reductionRules } from './reduction.ts';
import { reshapeRules } from './reshape.ts';

const rules: Readonly<Record<string, InferRule>> = {
  ...elementwiseRules,
  ...gatherRules,
  ...generateRules,
  ...matrixRules,
  ...partRules,
  ...reductionRules,
  ...reshapeRules,
  Einsum: einsum,
};

/**
 * Inference rules of ai.onnx by operator type; a rule looks at `call.version` where versions differ.
 * Without a prototype: names come from files, and `constructor` is no operator.
 */
export const inferenceRules: Readonly<Record<string, InferRule | undefined>> = Object.freeze(
  Object.assign(Object.create(null), rules),
);
