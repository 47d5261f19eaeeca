import type { Rule } from '../call.ts';

/** Writing by index. */
export const scatteringRules: Readonly<Record<string, Rule>> = {};
