import type { Rule } from '../call.ts';

/** Pooling. */
export const poolingRules: Readonly<Record<string, Rule>> = {};
