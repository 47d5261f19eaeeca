import type { Rule } from '../call.ts';

/** Operators of com.microsoft that ONNX Runtime and exporters emit. */
export const contribRules: Readonly<Record<string, Rule>> = {};
