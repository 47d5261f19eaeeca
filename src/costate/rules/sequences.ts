import type { Rule } from '../call.ts';

/** Sequences and optionals. */
export const sequenceRules: Readonly<Record<string, Rule>> = {};
