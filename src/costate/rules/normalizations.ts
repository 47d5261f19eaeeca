import type { Rule } from '../call.ts';

/** Normalisations. */
export const normalizationRules: Readonly<Record<string, Rule>> = {};
