import type { Rule } from '../call.ts';

/** Attention and rotary embedding. */
export const attentionRules: Readonly<Record<string, Rule>> = {};
