import type { InferRule } from '../rule.ts';

/** Inference rules of ai.onnx by operator type; a rule looks at `call.version` where versions differ. */
export const inferenceRules: Readonly<Record<string, InferRule>> = {};
