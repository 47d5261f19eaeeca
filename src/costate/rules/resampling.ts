import type { Rule } from '../call.ts';

/** Resampling: Resize, GridSample, RoiAlign. */
export const resamplingRules: Readonly<Record<string, Rule>> = {};
