import type { Rule } from '../call.ts';
import { resizeRule } from './resize.ts';

/** Resampling: Resize, GridSample, AffineGrid, RoiAlign. */
export const resamplingRules: Readonly<Record<string, Rule>> = {
  Resize: resizeRule,
};
