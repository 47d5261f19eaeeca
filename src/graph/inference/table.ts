import type { InferRule } from '../rule.ts';
import { attentionRules } from './attention.ts';
import { controlRules } from './control.ts';
import { convolutionRules } from './convolution.ts';
import { einsum } from './einsum.ts';
import { elementwiseRules } from './elementwise.ts';
import { gatherRules } from './gather.ts';
import { generateRules } from './generate.ts';
import { imageRules } from './image.ts';
import { matrixRules } from './matrix.ts';
import { normalisationRules } from './normalisation.ts';
import { partRules } from './parts.ts';
import { poolRules } from './pool.ts';
import { quantiseRules } from './quantise.ts';
import { recurrentRules } from './recurrent.ts';
import { reductionRules } from './reduction.ts';
import { reshapeRules } from './reshape.ts';
import { sequenceRules } from './sequence.ts';
import { signalRules } from './signal.ts';
import { textRules } from './text.ts';

const rules: Readonly<Record<string, InferRule>> = {
  ...elementwiseRules,
  ...gatherRules,
  ...generateRules,
  ...matrixRules,
  ...partRules,
  ...reductionRules,
  ...reshapeRules,
  ...attentionRules,
  ...controlRules,
  ...convolutionRules,
  ...imageRules,
  ...normalisationRules,
  ...poolRules,
  ...quantiseRules,
  ...recurrentRules,
  ...sequenceRules,
  ...signalRules,
  ...textRules,
  Einsum: einsum,
};

/**
 * Inference rules of ai.onnx by operator type; a rule looks at `call.version` where versions differ.
 * Without a prototype: names come from files, and `constructor` is no operator.
 */
export const inferenceRules: Readonly<Record<string, InferRule | undefined>> = Object.freeze(
  Object.assign(Object.create(null), rules),
);
