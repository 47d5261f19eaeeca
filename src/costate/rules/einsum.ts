import type { Rule } from '../call.ts';

/** Einstein sums. */
export const einsumRules: Readonly<Record<string, Rule>> = {};
