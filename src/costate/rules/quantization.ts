import type { Rule } from '../call.ts';

/** Quantisation, straight through. */
export const quantizationRules: Readonly<Record<string, Rule>> = {};
