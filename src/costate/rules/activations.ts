import type { Rule } from '../call.ts';

/** Activation functions. */
export const activationRules: Readonly<Record<string, Rule>> = {};
