import type { Rule } from '../call.ts';

/** Fourier transforms. */
export const spectralRules: Readonly<Record<string, Rule>> = {};
