import type { Rule } from '../call.ts';

/** Softmax and its relatives. */
export const softmaxRules: Readonly<Record<string, Rule>> = {};
