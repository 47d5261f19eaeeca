import type { Rule } from '../call.ts';

/** Running sums and products. */
export const cumulativeRules: Readonly<Record<string, Rule>> = {};
