import type { Rule } from '../call.ts';

/** Losses. */
export const lossRules: Readonly<Record<string, Rule>> = {};
