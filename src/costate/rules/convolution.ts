import type { Rule } from '../call.ts';

/** Convolutions. */
export const convolutionRules: Readonly<Record<string, Rule>> = {};
