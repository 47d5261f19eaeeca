import type { Rule } from '../call.ts';

/** Reading by index: Gather and its relatives. */
export const indexingRules: Readonly<Record<string, Rule>> = {};
