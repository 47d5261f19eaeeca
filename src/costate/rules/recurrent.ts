import type { Rule } from '../call.ts';

/** Recurrent operators. */
export const recurrentRules: Readonly<Record<string, Rule>> = {};
